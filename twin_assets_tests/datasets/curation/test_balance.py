from collections import Counter
from collections.abc import Callable

import pytest

from twin_assets.datasets.curation.balance import cap_shares, in_drawn_order
from twin_assets.datasets.curation.enough import TooFewRowsError, enough_rows
from twin_assets.documents import InstructRow

MakeRow = Callable[..., InstructRow]


def rows_of(make: MakeRow, **sizes: int) -> list[InstructRow]:
    return [make(f"{kind} {number}", kind=kind) for kind, size in sizes.items() for number in range(size)]


def kinds(rows: list[InstructRow]) -> Counter[str]:
    return Counter(row.kind for row in rows)


@pytest.mark.parametrize(
    ("sizes", "largest", "left"),
    [
        ({"a": 80, "b": 20}, 1.0, {"a": 80, "b": 20}),
        ({"a": 80, "b": 20}, 0.75, {"a": 60, "b": 20}),
        ({"a": 80, "b": 20, "c": 20}, 0.5, {"a": 40, "b": 20, "c": 20}),
        ({"a": 80, "b": 20}, 0.1, {"a": 20, "b": 20}),
        ({"a": 80}, 0.5, {"a": 80}),
    ],
)
def test_no_group_has_more_than_its_share_of_what_is_left(
    make_row: MakeRow, sizes: dict[str, int], largest: float, left: dict[str, int]
) -> None:
    rows = rows_of(make_row, **sizes)
    kept, dropped = cap_shares(rows, lambda row: row.kind, largest=largest, seed=0)

    assert kinds(kept) == left
    assert dropped == len(rows) - len(kept)
    assert kept == [row for row in rows if row in kept]


def test_what_is_held_out_is_neither_counted_nor_cut(make_row: MakeRow) -> None:
    held_out = [make_row(f"held out {number}", kind="a", split="test") for number in range(50)]
    kept, _ = cap_shares([*held_out, *rows_of(make_row, a=80, b=20)], lambda row: row.kind, largest=0.5, seed=0)

    assert kept[:50] == held_out
    assert kinds(kept[50:]) == {"a": 20, "b": 20}


def test_a_row_that_is_left_stays_when_others_come(make_row: MakeRow) -> None:
    few, _ = cap_shares(rows_of(make_row, a=60, b=20), lambda row: row.kind, largest=0.5, seed=0)
    more, _ = cap_shares(rows_of(make_row, a=80, b=20), lambda row: row.kind, largest=0.5, seed=0)
    others, _ = cap_shares(rows_of(make_row, a=80, b=20), lambda row: row.kind, largest=0.5, seed=1)
    new = {f"a {number}" for number in range(60, 80)}

    lost = {row.answer for row in few} - {row.answer for row in more}
    assert len(lost) == sum(row.answer in new for row in more)
    assert {row.answer for row in others} != {row.answer for row in more}


def test_the_stored_order_is_drawn_and_does_not_depend_on_the_order_given(make_row: MakeRow) -> None:
    rows = rows_of(make_row, a=30, b=30)
    drawn = in_drawn_order(rows, seed=0)

    assert drawn == in_drawn_order(rows[::-1], seed=0)
    assert drawn != in_drawn_order(rows, seed=1)
    assert {row.kind for row in drawn[:15]} == {"a", "b"}
    assert sorted(row.answer for row in drawn) == sorted(row.answer for row in rows)


@pytest.mark.parametrize(
    ("rows", "parameters", "recommended", "says"),
    [
        (50, 8_000_000_000, 3_000, "50 training rows for a model of 8 billion parameters"),
        (50, 8_000_000_000, 3_000, "even a narrow task takes 100"),
        (700, 135_000_000, 3_000, "a model of 135 million parameters"),
        (700, None, 3_000, "TWIN_GENERAL_DATASET"),
        (1_500, None, 3_000, "a model of unknown size, which should have about 3,000; let a teacher"),
        (1_500, 70_000_000_000, 1_000, None),
        (3_000, 8_000_000_000, 3_000, None),
    ],
)
def test_what_a_model_of_this_size_needs_is_said_with_numbers(
    rows: int, parameters: int | None, recommended: int, says: str | None
) -> None:
    found = enough_rows(rows, n_parameters=parameters)

    assert found.recommended == recommended
    assert (found.warning is None) == (says is None)
    assert says is None or says in (found.warning or "")


def test_too_few_rows_to_train_on_are_refused() -> None:
    with pytest.raises(TooFewRowsError, match="19 training rows are left, and 20 are the least"):
        enough_rows(19)

    assert enough_rows(20).rows == 20
