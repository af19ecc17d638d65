import json
from collections.abc import Callable
from pathlib import Path

import pytest

from twin_assets.datasets.curation.faults import (
    answers_in_both_splits,
    chosen_like_rejected,
    documents_in_both_splits,
    duplicate_rows,
    prompts_in_both_splits,
    ungrounded_rows,
)
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow

MakeRow = Callable[..., InstructRow]
MakeDocument = Callable[..., CleanedDocument]
GENERATED = Path(__file__).parents[4] / "shared" / "data" / "handbook" / "generated"
ANSWER = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it."


def test_an_answer_is_grounded_where_it_stands_in_its_document(
    make_row: MakeRow, make_document: MakeDocument, make_pair: Callable[..., PreferenceRow]
) -> None:
    document = make_document(f"Before. {ANSWER} After.")
    place = {"document_id": document.document_id, "start": 8, "end": 8 + len(ANSWER)}

    assert ungrounded_rows([make_row(ANSWER, **place)], [document]) == []
    assert ungrounded_rows([make_pair(ANSWER, "Boats.", **place)], [document]) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"start": 7},
        {"end": 900},
        {"start": -81},
        {"document_id": "another"},
        {"answer": ANSWER.replace("nine", "ten")},
        {"answer": ""},
        {"answer": "", "start": 5, "end": 5},
    ],
)
def test_an_answer_that_stands_elsewhere_or_nowhere_is_named(
    make_row: MakeRow, make_document: MakeDocument, fault: dict[str, object]
) -> None:
    document = make_document(f"Before. {ANSWER} After.")
    place = {"answer": ANSWER, "document_id": document.document_id, "start": 8, "end": 8 + len(ANSWER)}
    row = make_row(**(place | fault))

    assert ungrounded_rows([row], [document]) == [row]


def test_a_document_on_both_sides_is_named(make_row: MakeRow) -> None:
    rows = [
        make_row("One.", document_id="a"),
        make_row("Two.", document_id="a", split="test"),
        make_row("Three.", document_id="b", split="test"),
    ]

    assert documents_in_both_splits(rows) == ["a"]
    assert documents_in_both_splits(rows[1:]) == []


def test_near_duplicates_on_different_sides_are_named_if_the_documents_are_known(
    make_row: MakeRow, make_document: MakeDocument
) -> None:
    first = make_document(name="first")
    copy = make_document(name="copy", duplicate_of=first.document_id)
    rows = [
        make_row("One.", document_id=first.document_id),
        make_row("Two.", document_id=copy.document_id, split="test"),
    ]

    assert documents_in_both_splits(rows) == []
    assert documents_in_both_splits(rows, [first, copy]) == sorted([first.document_id, copy.document_id])


@pytest.mark.parametrize(
    "repeated", [ANSWER, ANSWER.upper(), ANSWER.replace("nine", "ten"), f"{ANSWER} Or it does not."]
)
def test_an_answer_that_was_trained_on_is_named(make_row: MakeRow, repeated: str) -> None:
    test = make_row(repeated, split="test")
    rows = [make_row(ANSWER), test, make_row("Nothing of it stands anywhere else than here.", split="test")]

    assert answers_in_both_splits(rows) == [test]


def test_a_prompt_that_was_trained_on_is_named(make_row: MakeRow) -> None:
    test = make_row("Two.", instruction="write about FERRIES", split="test")

    assert prompts_in_both_splits([make_row("One.", instruction="Write about ferries."), test]) == [test]


def test_rows_that_repeat_an_answer_or_a_prompt_are_named(make_row: MakeRow) -> None:
    first = make_row("One ferry.", instruction="A?")
    same_answer = make_row("one  ferry", instruction="B?")
    same_prompt = make_row("Two ferries.", instruction="a?")

    assert duplicate_rows([first, same_answer, same_prompt, make_row("C.", instruction="C?")]) == [
        same_answer,
        same_prompt,
    ]


def test_a_pair_of_equal_texts_is_named(make_pair: Callable[..., PreferenceRow]) -> None:
    equal, empty, good = make_pair(ANSWER, ANSWER.lower()), make_pair(ANSWER, "  "), make_pair(ANSWER, "Boats float.")
    near = make_pair(ANSWER, ANSWER.replace("e", "i", 1))

    assert chosen_like_rejected([equal, empty, good, near]) == [
        (equal, "rejected equals chosen"),
        (empty, "rejected is empty"),
        (near, "rejected nearly equals chosen"),
    ]


def test_the_handbooks_own_dataset_is_found_to_be_ungrounded_and_leaking(
    make_row: MakeRow, make_document: MakeDocument
) -> None:
    if not GENERATED.exists():
        pytest.skip(f"the generated datasets are not at {GENERATED}")
    texts = [
        one["content"] for one in json.loads((GENERATED / "cleaned_documents.json").read_text("utf-8"))["artifact_data"]
    ]
    document = make_document("\n\n".join(texts))
    generated = json.loads((GENERATED / "instruct_datasets.json").read_text("utf-8"))
    rows = []
    for split in ("train", "test"):
        for sample in generated[split]["articles"]["samples"]:
            start = max(document.text.find(sample["answer"]), 0)
            place = {"document_id": document.document_id, "start": start, "end": start + len(sample["answer"])}
            rows.append(make_row(sample["answer"], instruction=sample["instruction"], split=split, **place))

    assert len(rows) == 2_500
    assert len(ungrounded_rows(rows, [document])) == 2_500
    assert len(prompts_in_both_splits(rows)) >= 69
    assert documents_in_both_splits(rows) == [document.document_id]
    assert len(duplicate_rows(rows)) > 100
