import json
from collections.abc import Callable
from pathlib import Path

import pytest

from twin_assets.datasets.curation.audit import audit_instruct, audit_preference, balanced, enough, length_bias, schema
from twin_assets.datasets.curation.contract import Finding
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow

MakeRow = Callable[..., InstructRow]
MakePair = Callable[..., PreferenceRow]
MakeDocument = Callable[..., CleanedDocument]
GENERATED = Path(__file__).parents[4] / "shared" / "data" / "handbook" / "generated"
NOUNS = ("quay", "lantern", "rope", "tide", "captain", "gull", "fog", "ticket", "engine", "harbour", "oar", "sail")


def failing(findings: list[Finding]) -> dict[str, int]:
    return {finding.check: finding.faults for finding in findings if not finding.passed}


@pytest.fixture
def sound(make_row: MakeRow, make_document: MakeDocument) -> tuple[list[InstructRow], list[CleanedDocument]]:
    """Thirty rows of six documents, one of them held out, without a fault."""
    rows, documents = [], []
    for number in range(6):
        words = [f"{noun}{number}{place}" for place in range(10) for noun in NOUNS]
        document = make_document(" ".join(words), name=f"document {number}")
        documents.append(document)
        for part in range(5):
            answer = " ".join(words[part * 24 : part * 24 + 20])
            start = document.text.index(answer)
            place = {"document_id": document.document_id, "start": start, "end": start + len(answer)}
            rows.append(make_row(answer, split="train" if number else "test", **place))
    return rows, documents


def test_a_sound_dataset_passes_every_check(sound: tuple[list[InstructRow], list[CleanedDocument]]) -> None:
    findings = audit_instruct(*sound)

    assert failing(findings) == {}
    assert [finding.check for finding in findings] == [
        "schema",
        "not_empty",
        "grounded",
        "split_by_document",
        "decontaminated",
        "no_duplicates",
        "template_safe",
        "balanced",
        "enough_rows",
    ]
    assert findings[2].sentence.startswith("30 of 30 answers are verbatim; 0 of 30 answers")
    assert "even a narrow task takes 100" in findings[-1].sentence


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ({"author": "somebody-else"}, {"schema": 1}),
        ({"start": 9, "end": 5}, {"schema": 1, "grounded": 1}),
        ({"passage_start": 0}, {"schema": 1, "grounded": 1}),
        ({"instruction": " "}, {"not_empty": 1}),
        ({"answer": "", "start": 0, "end": 0}, {"not_empty": 1, "grounded": 1}),
        ({"start": 1}, {"grounded": 1}),
        ({"passage_start": 0, "passage_end": 50, "support": 0.5}, {"grounded": 1}),
        ({"split": "test"}, {"split_by_document": 1}),
        ({"instruction": "Write <|im_start|> about ferries."}, {"template_safe": 1}),
    ],
)
def test_each_fault_is_named_by_its_check_and_by_no_other(
    sound: tuple[list[InstructRow], list[CleanedDocument]], fault: dict[str, object], checks: dict[str, int]
) -> None:
    rows, documents = sound
    spoilt = rows[-1].model_copy(update=fault)
    findings = audit_instruct([*rows[:-1], spoilt], documents)
    found = failing(findings)
    if fault.get("split") == "test":
        # Its document is now held out, and the other rows of it are near it: that is contamination, too.
        found.pop("decontaminated")

    assert found == checks
    named = [one for finding in findings for one in finding.examples if not finding.passed]
    assert any(spoilt.row_id in one or spoilt.document_id in one for one in named)


def test_a_held_out_text_among_the_training_rows_is_named(
    sound: tuple[list[InstructRow], list[CleanedDocument]],
) -> None:
    rows, documents = sound
    tested, trained = rows[0], rows[-1]
    quoting = f"{trained.answer} {' '.join(documents[0].text.split()[14:27])}"
    written = trained.model_copy(update={"answer": quoting, "passage_start": trained.start, "passage_end": trained.end})
    asked = trained.model_copy(update={"instruction": tested.instruction})

    assert failing(audit_instruct([*rows[:-1], written], documents)) == {"decontaminated": 1}
    assert failing(audit_instruct([*rows[:-1], asked], documents)) == {"decontaminated": 1, "no_duplicates": 1}
    assert failing(audit_instruct(rows, documents, test_texts=[trained.answer])) == {"decontaminated": 1}


def test_rows_of_a_general_set_are_exempt_from_what_is_asked_of_the_authors_own(
    sound: tuple[list[InstructRow], list[CleanedDocument]], make_row: MakeRow
) -> None:
    rows, documents = sound
    general = make_row("Water boils sooner on a hill.", document_id="", generator="general@1")
    findings = audit_instruct([*rows, general], documents)

    assert failing(findings) == {}
    assert findings[2].figures["general"] == 1
    held_out = general.model_copy(update={"split": "test"})
    assert failing(audit_instruct([*rows, held_out], documents)) == {"split_by_document": 1}


def test_an_empty_dataset_fails() -> None:
    assert failing(audit_instruct([], [])) == {"not_empty": 1, "enough_rows": 2}
    assert failing(audit_preference([], [])) == {"not_empty": 1, "enough_rows": 2}


def test_a_document_that_is_most_of_the_training_rows_is_named(make_row: MakeRow) -> None:
    rows = [make_row(f"{number}", document_id="long" if number < 8 else f"{number}") for number in range(10)]

    assert balanced(rows).examples == ["long"]
    assert balanced(rows, largest=0.8).passed
    assert balanced(rows).figures["rows_by_generator"] == {"extractive@1": 10}


def test_rows_to_train_on_and_rows_held_out_are_both_wanted(make_row: MakeRow) -> None:
    trained = [make_row(f"{number}") for number in range(20)]
    tested = make_row("held out", split="test")

    assert enough([*trained, tested]).passed
    assert enough(trained).faults == 1
    assert enough([*trained[1:], tested]).faults == 1
    assert enough([*trained, tested], n_parameters=70 * 10**9).figures["recommended"] == 1_000


def test_a_row_that_was_never_validated_is_malformed(make_row: MakeRow) -> None:
    row = make_row("One.")

    assert schema([row, row.model_copy(update={"split": "dev"})]).faults == 1
    assert schema([row, row.model_copy(update={"quality": 5})]).faults == 1
    assert schema([row]).passed


def test_a_length_that_gives_the_chosen_text_away_is_a_finding(make_pair: MakePair) -> None:
    rows = [make_pair("A ferry leaves at nine. " * 4, "A ferry leaves at ten. " * 2, f"Prompt {n}?") for n in range(40)]
    found = length_bias(rows)

    assert (found.faults, found.figures["chosen_longer"], found.figures["cue_auc"]) == (2, 1.0, 1.0)
    assert "100% of 40 pairs" in found.sentence


def samples(name: str, split: str) -> list[dict[str, str]]:
    if not GENERATED.exists():
        pytest.skip(f"the generated datasets are not at {GENERATED}")
    found: list[dict[str, str]] = json.loads((GENERATED / name).read_text("utf-8"))[split]["articles"]["samples"]
    return found


@pytest.fixture
def articles(make_document: MakeDocument) -> list[CleanedDocument]:
    if not GENERATED.exists():
        pytest.skip(f"the generated datasets are not at {GENERATED}")
    read = json.loads((GENERATED / "cleaned_documents.json").read_text("utf-8"))["artifact_data"]
    return [make_document(one["content"], name=str(number)) for number, one in enumerate(read)]


def test_the_handbooks_own_pairs_are_found_to_be_neither_verbatim_nor_pairs(
    make_pair: MakePair, articles: list[CleanedDocument]
) -> None:
    rows = [
        make_pair(one["chosen"], one["rejected"], one["instruction"], document_id="", split=split)
        for split in ("train", "test")
        for one in samples("preference_datasets.json", split)
    ]
    findings = {finding.check: finding for finding in audit_preference(rows, articles)}

    assert findings["grounded"].sentence.startswith("0 of 402 answers are verbatim")
    assert findings["grounded"].faults == findings["grounded"].of == 402
    assert findings["chosen_differs"].figures["equal"] == 56
    assert findings["chosen_differs"].faults >= 56
    assert findings["chosen_differs"].sentence.startswith("56 of 402 pairs are equal; ")
    assert not findings["split_by_document"].passed


def test_the_handbooks_own_test_instructions_are_found_in_train(
    make_row: MakeRow, articles: list[CleanedDocument]
) -> None:
    rows = [
        make_row(one["answer"], instruction=one["instruction"], document_id="", split=split)
        for split in ("train", "test")
        for one in samples("instruct_datasets.json", split)
    ]
    findings = {finding.check: finding for finding in audit_instruct(rows, articles)}

    assert findings["decontaminated"].sentence.startswith("69 of 250 test instructions stand in train")
    assert findings["decontaminated"].faults >= 69
    assert findings["grounded"].sentence.startswith("0 of 2,500 answers are verbatim")
    assert not findings["no_duplicates"].passed
