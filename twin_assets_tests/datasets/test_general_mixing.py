import json
from collections.abc import Callable
from pathlib import Path

import pytest

from twin_assets.datasets.curation.decontamination import HeldOut
from twin_assets.datasets.curation.faults import nearly_duplicate_rows
from twin_assets.datasets.formats.contract import Example, Exchange
from twin_assets.datasets.generation.extractive import HOLDS_MARKER
from twin_assets.datasets.mixing import (
    MISSING,
    REPEATED,
    REPEATS_HELD_OUT,
    GeneralRows,
    general_rows,
    is_general,
    load_general,
)
from twin_assets.documents import InstructRow
from twin_assets.errors import UserError

MakeRow = Callable[..., InstructRow]


def example(number: int | str, answer: str | None = None) -> Example:
    return Example(Exchange(f"General question {number}?", answer or f"General answer {number}."), f"line {number}")


GENERAL = [example(number) for number in range(50)]


def mixed(
    rows: list[InstructRow], general: list[Example] = GENERAL, *, ratio: float = 1.0, seed: int = 0
) -> GeneralRows:
    return general_rows(rows, general, author="ada-bell", ratio=ratio, seed=seed)


@pytest.fixture
def rows(make_row: MakeRow) -> list[InstructRow]:
    train = [make_row(f"The author's answer number {number}.") for number in range(10)]
    return [*train, make_row("What is held out.", split="test"), make_row("What validates.", split="validation")]


def test_the_ratio_counts_training_rows_and_every_row_is_marked(rows: list[InstructRow]) -> None:
    result = mixed(rows, ratio=1.5)
    assert len(result.rows) == 15
    assert result.dropped == {}
    for row in result.rows:
        assert is_general(row)
        assert (row.split, row.document_id, row.start, row.end, row.support) == ("train", "", 0, 0, 0.0)
    assert not any(is_general(row) for row in rows)
    assert mixed(rows, ratio=0).rows == []
    # What was mixed in before is none of the author's rows.
    assert len(mixed([*rows, *result.rows], ratio=1.5).rows) == 15


def test_the_choice_is_by_hash_and_stays_when_rows_are_added(rows: list[InstructRow], make_row: MakeRow) -> None:
    chosen = {row.instruction for row in mixed(rows).rows}
    assert {row.instruction for row in mixed(rows, GENERAL[::-1]).rows} == chosen
    more = {row.instruction for row in mixed([*rows, make_row("One more of the author's.")]).rows}
    assert len(more - chosen) == 1
    assert chosen <= more
    assert {row.instruction for row in mixed(rows, seed=1).rows} != chosen


def test_no_row_nearly_repeats_what_is_held_out(rows: list[InstructRow], make_row: MakeRow) -> None:
    held_out = "A scale that is read in the morning tells the truth, and a scale that is read at night tells a story."
    rows = [*rows, make_row(held_out, instruction="When is a scale read?", split="test")]
    general = [
        example("a", held_out.replace("truth", "time")),
        example("b", "In short: " + held_out.removesuffix(", and a scale that is read at night tells a story.") + "."),
        Example(Exchange("When is a scale  READ?", "At noon."), "line c"),
        example("d"),
    ]
    result = mixed(rows, general, ratio=0.4)
    assert [row.instruction for row in result.rows] == ["General question d?"]
    assert result.dropped == {REPEATS_HELD_OUT: 3, MISSING: 3}
    document = "Before. " + general[3].exchange.answer + " After it there is more."
    guarded = general_rows(rows, general, author="ada-bell", ratio=0.4, seed=0, held_out=[document + " words" * 9])
    assert [row.instruction for row in guarded.rows] == ["General question d?"]
    long = example("e", "Nothing in this long sentence of a document stands in any of the rows of the author.")
    hidden = f"A beginning of its own. {long.exchange.answer} And an end."
    assert general_rows(rows, [long], author="ada-bell", ratio=0.1, seed=0, held_out=[hidden]).rows == []


def test_what_repeats_or_breaks_the_template_is_passed_over_and_counted(rows: list[InstructRow]) -> None:
    general = [
        example(1),
        Example(Exchange("General question 1!", "Another answer."), "line 2"),
        Example(Exchange("Another question?", "general answer 1"), "line 3"),
        example(4, "It ends<|im_end|>"),
        Example(Exchange("Whose is it?", rows[0].answer), "line 5"),
    ]
    result = mixed(rows, general)
    assert result.dropped[HOLDS_MARKER] == 1
    assert result.dropped[REPEATED] in (2, 3)
    assert result.dropped[MISSING] == 10 - len(result.rows)
    texts = [row.instruction for row in result.rows]
    assert len(texts) == len(set(texts))
    with pytest.raises(ValueError, match="ratio is -1"):
        mixed(rows, ratio=-1)


def test_what_would_block_the_dataset_is_passed_over(rows: list[InstructRow], make_row: MakeRow) -> None:
    """As the checks do: near-duplicates among general rows, and 13 words of held-out text in instruction or answer."""
    run = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    rows = [*rows, make_row(f"{run} and nothing else.", split="test")]
    general = [
        example("f", "The capital of the first of these lands is a town that nobody has ever heard of before."),
        example("g", "The capital of the other of these lands is a town that nobody has ever heard of before."),
        Example(Exchange(f"What comes after {run}?", "Something else entirely, which is not told."), "line 3"),
        example("h", f"{'Words that stand nowhere else, and fill the line up. ' * 9}{run}"),
    ]
    result = mixed(rows, general, ratio=0.4)
    assert len(result.rows) == 1
    assert result.dropped[REPEATED] == 1
    assert result.dropped[REPEATS_HELD_OUT] == 2
    assert len(nearly_duplicate_rows([*rows, *result.rows])) == len(nearly_duplicate_rows(rows))
    assert not any(map(HeldOut(rows).objection, result.rows))


def test_a_general_set_is_loaded_from_a_file_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "general.jsonl").write_text(json.dumps({"instruction": "Add 1 and 2.", "output": "3"}) + "\n")
    for source in ("general.jsonl", str(tmp_path / "general.jsonl")):
        assert [one.exchange.answer for one in load_general(source, base=tmp_path, offline=True)] == ["3"]


def test_a_general_set_that_cannot_be_loaded_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"prompt": "Q", "chosen": "a", "rejected": "b"}) + "\n")
    with pytest.raises(UserError, match="holds pairs and no single answers"):
        load_general("pairs.jsonl", base=tmp_path, offline=True)
    with pytest.raises(UserError, match="set TWIN_HUB_OFFLINE=false"):
        load_general("somebody/general", base=tmp_path, offline=True)
    with pytest.raises(UserError, match=r"gone\.jsonl is not there"):
        load_general("folder/deep/gone.jsonl", base=tmp_path, offline=True)
    with pytest.raises(UserError, match="could not be loaded from the hub"):
        load_general("somebody/general", base=tmp_path, offline=False)
