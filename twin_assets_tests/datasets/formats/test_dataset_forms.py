import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twin_assets.datasets.formats.contract import Exchange, FormError
from twin_assets.datasets.formats.forms import FORMS, LATER_TURNS, SYSTEM_MESSAGE, form_named, recognised
from twin_assets.datasets.formats.reading import read_examples
from twin_assets.datasets.formats.writing import WRITTEN, json_lines
from twin_assets.documents import InstructRow, PreferenceRow
from twin_assets.errors import UserError

USER = {"role": "user", "content": "Why salt?"}
ANSWER = {"role": "assistant", "content": "It slows the yeast."}


@pytest.fixture
def make_pair() -> Callable[..., PreferenceRow]:
    def make(**fields: Any) -> PreferenceRow:
        values: dict[str, Any] = {
            "prompt": "Why is “Brot” spelt\nwith a capital?",
            "chosen": "Because it is a noun:\n\n```text\nBrot\n```",
            "rejected": "No idea.\u2028None.",
            "author": "ada-bell",
            "category": "posts",
            "document_id": "one",
            "start": 0,
            "end": 3,
            "rejected_by": "model@1",
            "prompt_hash": "00",
            "split": "train",
        }
        return PreferenceRow(**(values | fields))

    return make


@pytest.mark.parametrize("form", [name for name in WRITTEN if name != "dpo"])
def test_rows_come_back_from_each_form_as_they_were_written(
    form: str, make_row: Callable[..., InstructRow], tmp_path: Path
) -> None:
    rows = [
        make_row("Two lines\nand a tab\t, “quotes”, \u2028 and a 🥐.", instruction="What?\n\nSay more: {x}"),
        make_row("  It begins and ends with blanks. \n", instruction="Blanks", split="test"),
    ]
    for split, text in json_lines(rows, form).items():
        (tmp_path / f"{split}.jsonl").write_text(text, encoding="utf-8")
    assert "🥐" in (tmp_path / "train.jsonl").read_text(encoding="utf-8")
    reading = read_examples(tmp_path)
    assert reading.form == form
    assert [(one.exchange, one.split) for one in reading.examples] == [
        (Exchange(row.instruction, row.answer), row.split) for row in rows
    ]
    assert json.loads((tmp_path / "test.jsonl").read_text())["id"] == rows[1].row_id


def test_pairs_come_back_from_the_form_dpo_as_they_were_written(
    make_pair: Callable[..., PreferenceRow], tmp_path: Path
) -> None:
    rows = [make_pair(), make_pair(prompt="Another?")]
    (tmp_path / "pairs.jsonl").write_text(json_lines(rows, "dpo")["train"], encoding="utf-8")
    reading = read_examples(tmp_path / "pairs.jsonl")
    assert reading.form == "dpo"
    assert [one.exchange for one in reading.examples] == [
        Exchange(row.prompt, row.chosen, row.rejected) for row in rows
    ]


def test_rows_of_the_wrong_kind_are_not_written(
    make_row: Callable[..., InstructRow], make_pair: Callable[..., PreferenceRow]
) -> None:
    with pytest.raises(ValueError, match="pairs, and not a InstructRow"):
        json_lines([make_row("An answer.")], "dpo")
    with pytest.raises(ValueError, match="answers, and not a PreferenceRow"):
        json_lines([make_pair()], "alpaca")
    with pytest.raises(UserError, match="'handbook' is no form to write"):
        json_lines([make_row("An answer.")], "handbook")


@pytest.mark.parametrize(
    ("record", "form", "says"),
    [
        ({"instruction": "Sort.", "input": "b a", "output": "a b"}, "alpaca", Exchange("Sort.\n\nb a", "a b")),
        ({"instruction": "Sort.", "output": "a b"}, "alpaca", Exchange("Sort.", "a b")),
        ({"instruction": "Sort.", "input": None, "output": "a b"}, "alpaca", Exchange("Sort.", "a b")),
        ({"instruction": "Sort.", "answer": "a b"}, "handbook", Exchange("Sort.", "a b")),
        ({"instruction": "Sort.", "chosen": "a", "rejected": "b"}, "handbook", Exchange("Sort.", "a", "b")),
        ({"messages": [USER, ANSWER]}, "messages", Exchange("Why salt?", "It slows the yeast.")),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Why salt?"}]}, ANSWER]},
            "messages",
            Exchange("Why salt?", "It slows the yeast."),
        ),
        (
            {"messages": [{"role": "system", "content": "Be brief."}, USER, ANSWER, USER]},
            "messages",
            Exchange("Why salt?", "It slows the yeast.", None, (SYSTEM_MESSAGE, LATER_TURNS)),
        ),
        (
            {"conversations": [{"from": "human", "value": "Hm?"}, {"from": "gpt", "value": "Yes."}]},
            "sharegpt",
            Exchange("Hm?", "Yes."),
        ),
        ({"prompt": "Q", "chosen": "a", "rejected": "b"}, "dpo", Exchange("Q", "a", "b")),
        (
            {"prompt": [USER], "chosen": [ANSWER], "rejected": "b"},
            "dpo",
            Exchange("Why salt?", "It slows the yeast.", "b"),
        ),
        (
            {
                "prompt": "Why salt?",
                "chosen": [USER, ANSWER],
                "rejected": [USER, {"role": "assistant", "content": "b"}],
            },
            "dpo",
            Exchange("Why salt?", "It slows the yeast.", "b"),
        ),
        (
            {"chosen": [USER, ANSWER], "rejected": [USER, {"role": "assistant", "content": "b"}]},
            "dpo",
            Exchange("Why salt?", "It slows the yeast.", "b"),
        ),
    ],
)
def test_a_record_is_recognised_and_understood(record: dict[str, Any], form: str, says: Exchange) -> None:
    found = recognised(record)
    assert found is not None
    assert found.name == form
    assert found.parse(record) == says


@pytest.mark.parametrize(
    ("form", "record", "fault"),
    [
        ("alpaca", {"instruction": "Sort."}, "has no field output"),
        ("alpaca", {"instruction": 7, "output": "a"}, "has a number in instruction, not a text"),
        ("alpaca", {"instruction": " \n", "output": "a"}, "has nothing in instruction"),
        ("alpaca", {"instruction": "Sort.", "input": ["b"], "output": "a"}, "has an input that is a list"),
        ("messages", {"messages": [ANSWER, USER]}, "has the assistant speak in turn 1, where the user should"),
        ("messages", {"messages": [USER, USER, ANSWER]}, "has the user speak in turn 2, where the assistant should"),
        ("messages", {"messages": [USER]}, "has no question with an answer"),
        ("messages", {"messages": []}, "not a list of turns"),
        ("messages", {"messages": [USER, {"role": "assistant", "content": None}]}, "says nothing in turn 2"),
        ("messages", {"messages": [USER, {"role": "tool", "content": "3"}]}, "names the unknown role 'tool' in turn 2"),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ANSWER]}, "no text in turn 1"),
        ("sharegpt", {"conversations": [{"role": "user", "content": "Q"}]}, "has no fields from and value in turn 1"),
        ("dpo", {"chosen": "a", "rejected": "b"}, "has no field prompt"),
        ("dpo", {"prompt": [USER, ANSWER, USER], "chosen": "a", "rejected": "b"}, "asks in a conversation"),
        ("dpo", {"chosen": [USER, ANSWER], "rejected": [{"role": "user", "content": "Q"}, ANSWER]}, "in rejected than"),
        ("handbook", {"instruction": "Sort.", "chosen": "a"}, "has no field rejected"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(form: str, record: dict[str, Any], fault: str) -> None:
    with pytest.raises(FormError, match=fault):
        FORMS[form].parse(record)


def test_an_unknown_form_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match="no form 'vicuna'; the forms are: alpaca, sharegpt, messages, handbook, dpo"):
        form_named("vicuna")
