from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from twin_assets.datasets.generation.mixing_weights import mix_by_weight, share_out
from twin_assets.datasets.generation.pairs import preference_prompts
from twin_assets.documents import InstructRow, PreferenceRow

Make = Callable[..., InstructRow]


def rows_of(make: Make, name: str, n_train: int, n_test: int = 0, n_validation: int = 0) -> list[InstructRow]:
    sides = ["test"] * n_test + ["train"] * n_train + ["validation"] * n_validation
    return [make(f"{name} said {number}.", split=side, generator=name) for number, side in enumerate(sides)]


def counted(rows: Sequence[InstructRow], split: str = "train") -> Counter[str]:
    return Counter(row.generator for row in rows if row.split == split)


def test_a_generator_alone_keeps_all_its_rows_whatever_its_weight(make_row: Make) -> None:
    rows = rows_of(make_row, "a", 50, 5)

    for weight in (1.0, 0.3, 7):
        mixed = mix_by_weight({"a": rows}, {"a": weight}, seed=0)
        assert (mixed.rows, mixed.dropped, mixed.limited_by) == (rows, {}, None)


@pytest.mark.parametrize(
    ("sizes", "weights", "expected"),
    [
        ((100, 100), (0.5, 0.5), (100, 100)),
        ((100, 50), (1, 1), (50, 50)),
        ((100, 50), (0.8, 0.2), (100, 25)),
        ((100, 10), (0.75, 0.25), (30, 10)),
        # In binary fractions 0.3 / 0.1 is a little less than 3, and 299 rows would be kept.
        ((400, 100), (0.3, 0.1), (300, 100)),
        ((7, 100), (2, 3), (7, 10)),
        ((100, 0), (0.5, 0.5), (100, 0)),
        ((100, 100), (1, 0), (100, 0)),
        ((0, 0), (1, 1), (0, 0)),
    ],
)
def test_training_rows_stand_in_the_proportion_of_the_weights(
    make_row: Make, sizes: tuple[int, int], weights: tuple[float, float], expected: tuple[int, int]
) -> None:
    rows = {name: rows_of(make_row, name, size, 4, 3) for name, size in zip("ab", sizes, strict=True)}
    mixed = mix_by_weight(rows, dict(zip("ab", weights, strict=True)), seed=0)

    assert counted(mixed.rows) == +Counter(dict(zip("ab", expected, strict=True)))
    assert counted(mixed.rows, "test") == {"a": 4, "b": 4}
    assert counted(mixed.rows, "validation") == {"a": 3, "b": 3}
    assert mixed.dropped == +Counter({name: sizes[i] - expected[i] for i, name in enumerate("ab")})


def test_the_generator_that_sets_the_limit_is_named(make_row: Make) -> None:
    rows = {"a": rows_of(make_row, "a", 100), "b": rows_of(make_row, "b", 10), "c": []}

    assert mix_by_weight(rows, {"a": 1, "b": 1, "c": 1}, seed=0).limited_by == "b"
    assert mix_by_weight(rows, {"a": 10, "b": 1, "c": 1}, seed=0).limited_by is None
    assert mix_by_weight(rows, {"a": 1, "b": 0, "c": 0}, seed=0).limited_by is None


def test_rows_keep_their_order_and_the_order_of_generators_draws_no_others(make_row: Make) -> None:
    rows = {"a": rows_of(make_row, "a", 40, 2), "b": rows_of(make_row, "b", 10)}
    mixed = mix_by_weight(rows, {"a": 1, "b": 1}, seed=0).rows
    turned = mix_by_weight({"b": rows["b"], "a": rows["a"][::-1]}, {"a": 1, "b": 1}, seed=0).rows

    assert mixed == [row for row in [*rows["a"], *rows["b"]] if row in mixed]
    assert {row.row_id for row in turned} == {row.row_id for row in mixed}


def test_the_draw_is_stable_when_rows_are_added_and_another_seed_draws_others(make_row: Make) -> None:
    rows, few = rows_of(make_row, "a", 200), rows_of(make_row, "b", 50)
    weights = {"a": 1, "b": 1}
    before = {row.answer for row in mix_by_weight({"a": rows[1:], "b": few}, weights, seed=0).rows}
    after = {row.answer for row in mix_by_weight({"a": rows, "b": few}, weights, seed=0).rows}
    grown = {
        row.answer
        for row in mix_by_weight({"a": rows, "b": [*few, make_row("New.", generator="b")]}, weights, seed=0).rows
    }

    assert len(before - after) <= 1
    assert after < grown
    assert len(grown - after) == 2
    assert after != {row.answer for row in mix_by_weight({"a": rows, "b": few}, weights, seed=1).rows}


def test_pairs_of_the_same_prompts_are_drawn_whatever_was_rejected(make_row: Make) -> None:
    def pairs(name: str, rejected: str, count: int) -> list[PreferenceRow]:
        return [
            PreferenceRow(
                **row.model_dump(include={"author", "category", "document_id", "start", "end", "prompt_hash", "split"}),
                prompt=row.instruction,
                chosen=row.answer,
                rejected=rejected,
                rejected_by="base@1",
                generator=name,
            )
            for row in rows_of(make_row, name, count)
        ]

    drawn = [
        {
            row.prompt
            for row in mix_by_weight(
                {"a": pairs("a", text, 50), "b": pairs("b", "No.", 5)}, {"a": 1, "b": 1}, seed=0
            ).rows
        }
        for text in ("A boat.", "A large boat.")
    ]

    assert len(drawn[0]) == 10
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("weights", "words"), [({}, "a has no weight"), ({"a": -1}, "weight of a is -1"), ({"a": float("nan")}, "is nan")]
)
def test_weights_that_say_nothing_are_refused(make_row: Make, weights: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mix_by_weight({"a": rows_of(make_row, "a", 3)}, weights, seed=0)


def test_instructions_are_shared_out_by_weight_each_to_one_generator(make_row: Make) -> None:
    rows = rows_of(make_row, "any", 2000)
    shares = share_out(rows, {"model": 3, "teacher": 1, "feedback": 0}, seed=0)

    assert sorted(row.row_id for share in shares.values() for row in share) == sorted(row.row_id for row in rows)
    assert len(shares["model"]) == pytest.approx(1500, abs=80)
    assert shares["feedback"] == []
    assert shares["teacher"] == [row for row in rows if row in shares["teacher"]]


def test_an_instruction_stays_with_its_generator_when_others_are_added(make_row: Make) -> None:
    rows = rows_of(make_row, "any", 300)
    few, many = (share_out(some, {"model": 1, "teacher": 1}, seed=0) for some in (rows[100:], rows))

    assert [row for row in many["model"] if row in rows[100:]] == few["model"]
    assert share_out(rows, {"model": 1, "teacher": 1}, seed=1) != many
    with pytest.raises(ValueError, match="All weights are 0"):
        share_out(rows, {"model": 0}, seed=0)


def test_the_instructions_that_a_limit_left_are_shared_out_as_evenly_as_all(make_row: Make) -> None:
    drawn = preference_prompts(rows_of(make_row, "any", 1000), limit=200, seed=0)

    assert len(share_out(drawn, {"model": 1, "teacher": 1}, seed=0)["model"]) == pytest.approx(100, abs=25)
