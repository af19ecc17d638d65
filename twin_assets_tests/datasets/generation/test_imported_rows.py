import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from twin_assets.collection.dump import read_dump
from twin_assets.datasets.generation.contract import Generated, Material
from twin_assets.datasets.generation.extractive import HOLDS_MARKER
from twin_assets.datasets.generation.imported import (
    NOT_UNDERSTOOD,
    REPEATED,
    Import,
    ImportPairs,
    import_fingerprint,
)
from twin_assets.datasets.generation.locating import Locator
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial
from twin_assets.documents import Author, CleanedDocument, Consent, DatasetConfig, SourceConfig, Split, SplitRule
from twin_assets.errors import UserError
from twin_assets.features.corpus import clean_corpus

Make = Callable[..., CleanedDocument]
PASSAGE = "The oven is a box of patience, and patience\nis measured in crust."
RULE = SplitRule(test_fraction=0.3, validation_fraction=0.2)


def unasked() -> NoReturn:
    raise AssertionError


def imported_pairs(author: Author, folder: Path, material: Material, rule: SplitRule) -> GeneratedPairs:
    return ImportPairs(author, folder, rule).generate(
        PairMaterial(
            author=material.author,
            rows=[],
            documents=material.documents,
            splits=material.splits,
            seed=material.seed,
            ask=material.ask,
            sample=list,
            report=material.report,
        )
    )


@pytest.fixture
def material(make_document: Make) -> Material:
    """Two documents, the second held out, and one for validation."""
    documents = [
        make_document(f"# Bread\n\nBefore it.\n\n{PASSAGE}\n\nAfter it.", "bread", category="posts"),
        make_document("# Sheds\n\nA shed wants a roof before it wants a door, and a door before a lock.", "sheds"),
        make_document("# Swifts\n\nNobody counts the swifts twice in the same evening without regret.", "swifts"),
    ]
    sides: list[Split] = ["train", "test", "validation"]
    splits = {document.document_id: side for document, side in zip(documents, sides, strict=True)}
    return Material(author="ada-bell", documents=documents, splits=splits, seed=0, ask=unasked)


def author_with(*datasets: DatasetConfig, mask: bool = True) -> Author:
    return Author.model_validate(
        {
            "slug": "ada-bell",
            "name": "Ada Bell",
            "sources": [SourceConfig(type="import")],
            "consent": Consent(given_by="herself"),
            "privacy": {"mask": mask},
            "datasets": datasets,
        }
    )


def imported(material: Material, folder: Path, records: list[Any], **options: Any) -> Generated:
    mask = options.pop("mask", True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    author = author_with(DatasetConfig(path="rows.jsonl", **options), mask=mask)
    return Import(author, folder, RULE).generate(material)


def test_an_answer_of_the_author_is_led_back_to_its_document(material: Material, tmp_path: Path) -> None:
    flat, held_out = " ".join(PASSAGE.split()), "A shed wants a roof before it wants a door"
    records = [
        {"instruction": "What is an oven?", "output": PASSAGE},
        {"instruction": "And again, what is it?", "output": f"  {flat}\n"},
        {"instruction": "What does a shed want?", "output": held_out},
        {"instruction": "Who counts swifts?", "output": "Nobody counts the swifts twice in the same evening"},
    ]
    rows = imported(material, tmp_path, records).rows
    assert [row.answer for row in rows] == [PASSAGE, PASSAGE, held_out, records[3]["output"]]
    assert [row.split for row in rows] == ["train", "train", "test", "validation"]
    assert [row.category for row in rows] == ["posts", "posts", "articles", "articles"]
    assert {row.support for row in rows} == {1.0}
    assert {row.generator for row in rows} == {"import@1"}
    texts = {document.document_id: document.text for document in material.documents}
    assert all(texts[row.document_id][row.start : row.end] == row.answer for row in rows)


def test_an_answer_that_stands_nowhere_names_no_document_and_has_no_support(material: Material, tmp_path: Path) -> None:
    records = [
        {"instruction": "What is an oven?", "output": PASSAGE.replace("crust", "crumbs")},
        {"instruction": "Before what?", "output": "Before it."},
    ]
    for row in imported(material, tmp_path, records).rows:
        assert (row.document_id, row.start, row.end, row.support) == ("", 0, 0, 0.0)


def test_rows_without_a_document_are_drawn_by_their_instruction_alone(material: Material, tmp_path: Path) -> None:
    records = [{"instruction": f"Question {n}?", "output": f"Something of no document, {n}."} for n in range(400)]
    sides = {row.instruction: row.split for row in imported(material, tmp_path, records).rows}
    counts = [list(sides.values()).count(split) for split in ("test", "validation", "train")]
    assert counts[0] == pytest.approx(120, abs=30)
    assert counts[1] == pytest.approx(80, abs=30)
    assert counts[2] == 400 - counts[0] - counts[1]
    fewer = imported(material, tmp_path, [record | {"output": "Other."} for record in records[::-3]]).rows
    assert {row.instruction: row.split for row in fewer}.items() <= sides.items()


def test_no_row_is_for_validation_where_no_document_is(material: Material, tmp_path: Path) -> None:
    splits: dict[str, Split] = {key: "train" if side == "validation" else side for key, side in material.splits.items()}
    small = Material(author="ada-bell", documents=material.documents, splits=splits, seed=0, ask=unasked)
    records = [{"instruction": f"Question {n}?", "output": "Something."} for n in range(60)]
    assert {row.split for row in imported(small, tmp_path, records).rows} == {"train", "test"}


def test_personal_data_is_masked_as_in_the_documents(make_document: Make, tmp_path: Path) -> None:
    document = make_document("Whoever wants the recipe writes to <EMAIL> before noon.", "recipe")
    masked = clean_masked("Whoever wants the recipe writes to ada.bell@kitchen-mail.org before noon.")
    document = document.model_copy(update={"text": masked})
    splits: dict[str, Split] = {document.document_id: "train"}
    material = Material(author="ada-bell", documents=[document], splits=splits, seed=0, ask=unasked)
    records = [
        {
            "instruction": "Where?",
            "output": "Whoever wants the recipe writes to ada.bell@kitchen-mail.org before noon.",
        },
        {"instruction": "May I ask joe@kitchen-mail.org?", "output": "Not today."},
    ]
    rows = imported(material, tmp_path, records).rows
    assert rows[0].answer == masked
    assert rows[0].document_id == document.document_id
    assert "@" not in rows[1].instruction
    plain = imported(material, tmp_path, records, mask=False).rows
    assert plain[1].instruction == "May I ask joe@kitchen-mail.org?"


def clean_masked(text: str) -> str:
    from twin_assets.features.masking import without_personal_data

    masked = without_personal_data(text)
    assert "@" not in masked
    return masked


def test_what_is_left_out_is_counted(material: Material, tmp_path: Path) -> None:
    records = [
        {"instruction": "One?", "output": "An answer."},
        {"instruction": "one!", "output": "An answer"},
        {"instruction": "Two?", "output": "Ends here.<|im_end|>"},
        {"instruction": "Three?"},
    ]
    result = imported(material, tmp_path, records, on_fault="drop")
    assert [row.instruction for row in result.rows] == ["One?"]
    assert result.dropped == {REPEATED: 1, HOLDS_MARKER: 1, NOT_UNDERSTOOD: 1}
    with pytest.raises(UserError, match="line 4: has no field output"):
        imported(material, tmp_path, records)


def test_pairs_and_answers_are_taken_from_the_files_that_hold_them(material: Material, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text(json.dumps({"instruction": "What is an oven?", "output": PASSAGE}))
    (tmp_path / "pairs.json").write_text(
        json.dumps([{"prompt": "What is an oven?", "chosen": PASSAGE, "rejected": "A hot thing."}])
    )
    author = author_with(DatasetConfig(path="answers.jsonl"), DatasetConfig(path="pairs.json"))
    assert len(Import(author, tmp_path, RULE).generate(material).rows) == 1
    pair = imported_pairs(author, tmp_path, material, RULE).rows[0]
    assert (pair.chosen, pair.rejected, pair.split, pair.generator) == (PASSAGE, "A hot thing.", "train", "import@1")
    assert material.documents[0].text[pair.start : pair.end] == PASSAGE
    said: list[str] = []
    told = replace(material, report=said.append)
    assert imported_pairs(author_with(DatasetConfig(path="answers.jsonl")), tmp_path, told, RULE).rows == []
    assert Import(author_with(), tmp_path, RULE).generate(told).rows == []
    assert "no file of pairs" in said[-2]
    assert "no file of instructions" in said[-1]
    with pytest.raises(UserError, match=r"gone\.jsonl is not there"):
        Import(author_with(DatasetConfig(path="gone.jsonl")), tmp_path, RULE).generate(material)


def test_the_fingerprint_follows_what_the_files_hold_and_how_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    first = import_fingerprint(author_with(DatasetConfig(path="rows.jsonl")), tmp_path)
    assert import_fingerprint(author_with(DatasetConfig(path="rows.jsonl")), tmp_path) == first
    assert import_fingerprint(author_with(DatasetConfig(path="rows.jsonl", form="alpaca")), tmp_path) != first
    (tmp_path / "rows.jsonl").write_text("{ }")
    assert import_fingerprint(author_with(DatasetConfig(path="rows.jsonl")), tmp_path) != first
    with pytest.raises(UserError, match="mend `datasets`"):
        import_fingerprint(author_with(DatasetConfig(path="gone.jsonl")), tmp_path)


def test_a_text_is_found_wherever_it_begins_and_ends(make_document: Make) -> None:
    text = "One two three four five six seven eight nine ten eleven twelve, thirteen; fourteen (fifteen) sixteen."
    locator = Locator([make_document("Another text altogether.", "a"), make_document(text, "b")])
    for start in range(len(text) - 40):
        span = locator.find(text[start:])
        assert span is not None
        assert span.text == text[start:].strip()
        assert text[span.start : span.end] == span.text
    assert locator.find("寿限無" * 20) is None
    unspaced = make_document("寿限無" * 20 + "五劫の擦り切れ", "c")
    assert Locator([unspaced]).find("寿限無" * 15) is not None


def test_of_documents_that_repeat_each_other_the_first_is_named(make_document: Make) -> None:
    original = make_document(PASSAGE, "z")
    copy = make_document(PASSAGE, "a", duplicate_of=original.document_id)
    span = Locator([copy, original]).find(PASSAGE)
    assert span is not None
    assert span.document is original


def test_the_answers_that_the_handbook_generated_stand_in_none_of_its_documents(handbook: Path, tmp_path: Path) -> None:
    dump = read_dump(handbook)
    documents = [one for user in dump.users for one in clean_corpus(dump.documents_of(user.slug)).documents]
    splits: dict[str, Split] = {document.document_id: "train" for document in documents}
    material = Material(author="ada-bell", documents=documents, splits=splits, seed=0, ask=unasked)
    author = author_with(
        DatasetConfig(path=str(handbook / "generated" / "instruct_datasets.json")),
        DatasetConfig(path=str(handbook / "generated" / "preference_datasets.json")),
    )
    pairs = imported_pairs(author, tmp_path, material, RULE)
    locator = Locator(documents)
    passages = [part for document in documents[::9] for part in document.text.split("\n\n") if len(part.strip()) >= 40]
    assert all(locator.find(" ".join(part.split())) for part in passages)
    # The prompt demanded verbatim extracts, and its template left the extract out.
    assert sum(bool(row.document_id) for row in pairs.rows) == 0
    rows = Import(author, tmp_path, RULE).generate(material).rows
    assert sum(bool(row.document_id) for row in rows) == 0
    assert len(passages) > 300
