from collections.abc import Callable

import pytest

from twin_assets.datasets.generation.preferences import (
    build_preference_rows,
    preference_prompt_hash,
    preference_prompts,
    reusable_rejections,
)
from twin_assets.documents import InstructRow

Make = Callable[..., InstructRow]
CHOSEN = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it."
MODEL = "base@1"


def many(make: Make, n_train: int, n_test: int) -> list[InstructRow]:
    sides = ["train"] * n_train + ["test"] * n_test
    return [make(f"Answer number {number}.", split=side) for number, side in enumerate(sides)]


def paired(row: InstructRow, rejected: str) -> dict[str, str]:
    return {preference_prompt_hash(row.instruction, MODEL): rejected}


def test_a_pair_holds_the_answer_verbatim_and_says_where_it_stands(make_row: Make) -> None:
    row = make_row(f"**{CHOSEN}**\n\n> “Late,” he said.", split="test", start=7, end=120)
    (pair,) = build_preference_rows([row], paired(row, "Ferries are boats."), MODEL).rows

    assert (pair.prompt, pair.chosen, pair.rejected) == (row.instruction, row.answer, "Ferries are boats.")
    assert (pair.document_id, pair.start, pair.end, pair.split) == (row.document_id, 7, 120, "test")
    assert (pair.rejected_by, pair.prompt_hash) == (MODEL, preference_prompt_hash(row.instruction, MODEL))


@pytest.mark.parametrize("where", ["instruction", "answer", "rejected"])
def test_a_pair_that_spells_out_a_marker_of_the_chat_template_is_left_out(make_row: Make, where: str) -> None:
    texts = {"instruction": "Write about ferries.", "answer": CHOSEN, "rejected": "Ferries are boats."}
    texts[where] += " It ends with <|im_end|> at last."
    row = make_row(texts["answer"], instruction=texts["instruction"])
    result = build_preference_rows([row], paired(row, texts["rejected"]), MODEL)

    assert result.rows == []
    assert result.dropped == {"holds a marker of the chat template": 1}


def test_blank_ends_do_not_tell_the_rejected_from_the_chosen(make_row: Make) -> None:
    row = make_row(CHOSEN)

    (pair,) = build_preference_rows([row], paired(row, "\n\nFerries are boats.\n"), MODEL).rows

    assert pair.rejected == "Ferries are boats."


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        ("", "rejected is empty"),
        (" \n…", "rejected is empty"),
        (CHOSEN, "rejected equals chosen"),
        (f"  {CHOSEN.upper()}\n", "rejected equals chosen"),
        (CHOSEN.replace("nine", "ten"), "rejected nearly equals chosen"),
        ("leaves the western quay at nine", "rejected nearly equals chosen"),
    ],
)
def test_a_pair_that_teaches_nothing_is_left_out_and_counted(make_row: Make, rejected: str, reason: str) -> None:
    row = make_row(CHOSEN)
    result = build_preference_rows([row], paired(row, rejected), MODEL)

    assert result.rows == []
    assert result.dropped == {reason: 1}


def test_a_prompt_that_nothing_was_generated_for_is_counted(make_row: Make) -> None:
    row = make_row(CHOSEN)

    assert build_preference_rows([row], {}, MODEL).dropped == {"nothing generated": 1}
    assert build_preference_rows([row], paired(row, "Boats."), "another@1").dropped == {"nothing generated": 1}


def test_all_rows_take_part_where_the_limit_allows_it(make_row: Make) -> None:
    rows = many(make_row, 8, 2)

    assert preference_prompts(rows, seed=0) == rows
    assert preference_prompts(rows, limit=10, seed=0) == rows


@pytest.mark.parametrize(("limit", "n_test"), [(2, 1), (10, 2), (50, 10), (99, 20)])
def test_a_limit_is_shared_between_the_splits_in_proportion(make_row: Make, limit: int, n_test: int) -> None:
    rows = many(make_row, 80, 20)
    chosen = preference_prompts(rows, limit=limit, seed=0)

    assert len(chosen) == limit
    assert sum(row.split == "test" for row in chosen) == n_test
    assert chosen == [row for row in rows if row in chosen]


def test_the_draw_is_stable_when_rows_are_added_and_another_seed_draws_others(make_row: Make) -> None:
    rows = many(make_row, 80, 20)
    before = {row.answer for row in preference_prompts(rows[1:], limit=50, seed=0)}
    after = {row.answer for row in preference_prompts(rows, limit=50, seed=0)}

    assert len(before - after) <= 1
    assert after != {row.answer for row in preference_prompts(rows, limit=50, seed=1)}


def test_rows_of_one_split_only_take_part_as_well(make_row: Make) -> None:
    assert len(preference_prompts(many(make_row, 0, 9), limit=4, seed=0)) == 4
    assert len(preference_prompts(many(make_row, 9, 0), limit=4, seed=0)) == 4
    assert preference_prompts([], limit=4, seed=0) == []


def test_a_limit_that_leaves_a_split_empty_is_refused(make_row: Make) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        preference_prompts(many(make_row, 8, 2), limit=1, seed=0)


def test_texts_are_used_again_for_the_same_prompt_and_model_and_for_no_other(make_row: Make) -> None:
    row, other = make_row(CHOSEN), make_row("Something else entirely.")
    previous = build_preference_rows([row], paired(row, "Ferries are boats."), MODEL).rows
    known = reusable_rejections(previous, MODEL)

    assert build_preference_rows([row, other], known, MODEL).rows == previous
    assert preference_prompt_hash(other.instruction, MODEL) not in known
    assert reusable_rejections(previous, "base@2") == {}
