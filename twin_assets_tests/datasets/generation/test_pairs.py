from collections import Counter
from collections.abc import Callable

import pytest

from twin_assets.datasets.generation.pairs import (
    build_preference_rows,
    judged,
    preference_prompt_hash,
    preference_prompts,
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
    answer = f"**{CHOSEN}**\n\n> “Late,” he said."
    row = make_row(answer, split="test", start=7, end=7 + len(answer))
    (pair,) = build_preference_rows([row], paired(row, "Ferries are boats."), MODEL).rows

    assert (pair.prompt, pair.chosen, pair.rejected) == (row.instruction, row.answer, "Ferries are boats.")
    assert (pair.document_id, pair.start, pair.end, pair.split) == (row.document_id, 7, row.end, "test")
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


def test_what_breaks_off_is_cut_back_to_its_last_sentence(make_row: Make) -> None:
    row = make_row(CHOSEN)
    (pair,) = build_preference_rows([row], paired(row, "Ferries are boats. Some of them, which"), MODEL).rows

    assert (pair.rejected, pair.chosen) == ("Ferries are boats.", CHOSEN)


def test_what_is_left_of_a_text_may_be_a_piece_of_the_chosen_one(make_row: Make) -> None:
    row = make_row(f"{CHOSEN} Nobody waits for it.")
    rejected = f"{CHOSEN} Whoever wants to cross over has to be there in time, with a ticket and without a bicycle, or"

    assert build_preference_rows([row], paired(row, rejected), MODEL).dropped == {"rejected nearly equals chosen": 1}


def test_a_chosen_text_that_breaks_off_makes_no_pair_unless_it_is_source_code(make_row: Make) -> None:
    code = "def leave(hour):\n    return hour + 1"
    as_prose, as_code = make_row(code), make_row(code, category="repositories")
    rejected = "def leave():\n    pass\n\n\ndef com"

    assert build_preference_rows([as_prose], paired(as_prose, rejected), MODEL).dropped == {"chosen breaks off": 1}
    (pair,) = build_preference_rows([as_code], paired(as_code, rejected), MODEL).rows
    assert (pair.chosen, pair.rejected) == (code, "def leave():\n    pass")


LONG = " ".join(f"The ferry of the hour {number} takes bicycles and a goat." for number in range(10))


def test_the_longer_text_of_a_pair_is_cut_to_the_sentence_that_brings_it_nearest_to_the_other(make_row: Make) -> None:
    row = make_row(LONG, start=5, end=5 + len(LONG))
    three = "Boats " * 32 + "float."
    (pair,) = build_preference_rows([row], paired(row, three), MODEL).rows
    assert pair.rejected == three
    assert len(pair.chosen.split()) == 33
    assert pair.chosen == LONG[: pair.end - pair.start]

    (shortest,) = build_preference_rows([row], paired(row, "Ferries are boats."), MODEL).rows
    assert len(shortest.chosen.split()) == 22

    brief = make_row(CHOSEN)
    (pair,) = build_preference_rows([brief], paired(brief, f"It floats on water, as {LONG}"), MODEL).rows
    assert (pair.chosen, len(pair.rejected.split())) == (CHOSEN, 16)


def test_source_code_is_not_shortened(make_row: Make) -> None:
    code = "\n\n".join(f"def leave_{number}(hour):\n    return hour + {number}" for number in range(9))
    row = make_row(code, category="repositories")
    (pair,) = build_preference_rows([row], paired(row, "It leaves at nine."), MODEL).rows
    assert (pair.chosen, pair.rejected) == (code, "It leaves at nine.")


def test_a_chosen_text_may_be_kept_whole() -> None:
    kept = judged("When?", LONG, "Ferries are boats.", "articles", shorten_chosen=False)
    assert (kept.chosen, kept.rejected, kept.objection) == (LONG, "Ferries are boats.", None)


def test_what_is_left_of_two_texts_must_differ(make_row: Make) -> None:
    same = " ".join(LONG.split()[:22])
    row = make_row(f"{same} Nobody ever waits for the ferry of the last hour, which has no lights.")
    # Cut back to a complete end, and the chosen text to like length, nothing but the common beginning is left.
    rejected = f"{same} Somebody waits for it, though, and takes a lantern along to be seen from afar by the captain of"

    assert build_preference_rows([row], paired(row, rejected), MODEL).dropped == {"rejected equals chosen": 1}


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        ("Ferries are boats which", "rejected has no complete sentence"),
        (f"{CHOSEN} And then it", "rejected nearly equals chosen"),
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


def test_the_validation_side_has_its_share_of_a_limit(make_row: Make) -> None:
    sides = ["train"] * 70 + ["validation"] * 10 + ["test"] * 20
    rows = [make_row(f"Answer number {number}.", split=side) for number, side in enumerate(sides)]

    assert Counter(row.split for row in preference_prompts(rows, limit=50, seed=0)) == {
        "train": 35,
        "validation": 5,
        "test": 10,
    }
    assert Counter(row.split for row in preference_prompts(rows, limit=3, seed=0)) == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    with pytest.raises(ValueError, match="at least 3"):
        preference_prompts(rows, limit=2, seed=0)


@pytest.mark.parametrize("limit", range(2, 100))
def test_a_limit_is_used_up_whatever_the_sizes_of_the_splits(make_row: Make, limit: int) -> None:
    rows = many(make_row, 97, 3)
    chosen = preference_prompts(rows, limit=limit, seed=1)

    assert len(chosen) == limit
    assert 1 <= sum(row.split == "test" for row in chosen) <= 3


def test_rows_of_one_split_only_take_part_as_well(make_row: Make) -> None:
    assert len(preference_prompts(many(make_row, 0, 9), limit=4, seed=0)) == 4
    assert len(preference_prompts(many(make_row, 9, 0), limit=4, seed=0)) == 4
    assert preference_prompts([], limit=4, seed=0) == []


def test_a_limit_that_leaves_a_split_empty_is_refused(make_row: Make) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        preference_prompts(many(make_row, 8, 2), limit=1, seed=0)
