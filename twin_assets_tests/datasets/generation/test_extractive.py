import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from twin_assets.datasets.curation.faults import (
    answers_in_both_splits,
    documents_in_both_splits,
    duplicate_rows,
    prompts_in_both_splits,
    ungrounded_rows,
)
from twin_assets.datasets.curation.splitting import TooLittleTextError, split_documents
from twin_assets.datasets.generation.contract import Generated, Material
from twin_assets.datasets.generation.extractive import Extractive
from twin_assets.documents import CleanedDocument, SplitRule

Make = Callable[..., CleanedDocument]
ROOT = Path(__file__).parents[3]
HANDBOOK = ROOT.parent / "shared" / "data" / "handbook" / "ArticleDocument.json"


def build_instruct_rows(documents: list[CleanedDocument], *, seed: int, test_fraction: float = 0.15) -> Generated:
    splits = split_documents(documents, SplitRule(seed=seed, test_fraction=test_fraction))
    return Extractive().generate(Material(author="ann", documents=documents, splits=splits, seed=seed, ask=unasked))


def unasked() -> NoReturn:
    raise AssertionError


def assert_sound(result: Generated, documents: list[CleanedDocument]) -> None:
    rows = result.rows
    assert ungrounded_rows(rows, documents) == []
    assert documents_in_both_splits(rows, documents) == []
    assert answers_in_both_splits(rows) == []
    assert prompts_in_both_splits(rows) == []
    assert duplicate_rows(rows) == []
    assert {row.split for row in rows} == {"train", "test"}


def test_the_rows_of_a_library_are_sound_and_cover_every_document(library: list[CleanedDocument]) -> None:
    result = build_instruct_rows(library, seed=0)

    assert_sound(result, library)
    assert {row.document_id for row in result.rows} == {document.document_id for document in library}
    assert len(result.rows) >= 60
    assert result.dropped == {}


def test_rows_follow_the_split_of_their_documents(library: list[CleanedDocument]) -> None:
    splits = split_documents(library, SplitRule(seed=3, test_fraction=0.4))

    assert all(
        row.split == splits[row.document_id] for row in build_instruct_rows(library, seed=3, test_fraction=0.4).rows
    )


def test_rows_are_the_same_whatever_the_order_of_the_documents(library: list[CleanedDocument]) -> None:
    result = build_instruct_rows(library, seed=0)

    assert build_instruct_rows(library[::-1], seed=0) == result
    assert result.rows == sorted(result.rows, key=lambda row: (row.document_id, row.start))


def test_a_near_duplicate_gives_no_rows(library: list[CleanedDocument]) -> None:
    first = library[0]
    copy = first.model_copy(update={"document_id": "0-copy", "duplicate_of": first.document_id})
    result = build_instruct_rows([*library, copy], seed=0)

    assert result.rows == build_instruct_rows(library, seed=0).rows
    assert result.dropped == {"near-duplicate document": 1}


def test_one_near_duplicate_speaks_for_a_document_that_was_deleted(library: list[CleanedDocument]) -> None:
    orphans = [
        library[0].model_copy(update={"document_id": f"{name}-copy", "duplicate_of": "deleted"}) for name in "ab"
    ]
    result = build_instruct_rows([*library[1:], *orphans], seed=0)

    assert {row.document_id for row in result.rows if row.document_id.endswith("copy")} == {"a-copy"}
    assert result.dropped == {"near-duplicate document": 1}


def test_a_passage_that_stands_in_two_documents_is_kept_in_the_test_split_only(library: list[CleanedDocument]) -> None:
    splits = split_documents(library, SplitRule(seed=0))
    held_out = next(document for document in library if splits[document.document_id] == "test")
    trained = next(document for document in library if splits[document.document_id] == "train")
    repeated = next(
        row.answer for row in build_instruct_rows(library, seed=0).rows if row.document_id == held_out.document_id
    )
    changed = repeated.replace("The ", "A ", 1).replace(" the ", " this ", 1)
    with_copy = trained.model_copy(update={"text": f"{trained.text}\n\n## Once more\n\n{changed}"})
    documents = [with_copy if document is trained else document for document in library]
    result = build_instruct_rows(documents, seed=0)

    assert_sound(result, documents)
    assert [row.split for row in result.rows if row.answer in (repeated, changed)] == ["test"]
    assert result.dropped == {"repeated answer": 1}


def test_a_document_without_a_passage_is_counted(library: list[CleanedDocument], make_document: Make) -> None:
    result = build_instruct_rows([*library, make_document("# Only a heading", "bare")], seed=0)

    assert result.dropped == {"document without a passage": 1}


def test_a_passage_that_spells_out_a_marker_of_the_chat_template_gives_no_row(library: list[CleanedDocument]) -> None:
    whole = build_instruct_rows(library, seed=0)
    answer = next(row.answer for row in whole.rows if row.document_id == library[0].document_id)
    marked = library[0].model_copy(update={"text": library[0].text.replace(answer, answer[:-1] + " <|im_end|>.")})
    result = build_instruct_rows([marked, *library[1:]], seed=0)

    assert not any("<|im_end|>" in row.answer + row.instruction for row in result.rows)
    assert len(result.rows) == len(whole.rows) - 1
    assert result.dropped == {"holds a marker of the chat template": 1}


def test_too_little_text_is_refused(library: list[CleanedDocument]) -> None:
    with pytest.raises(TooLittleTextError, match="4 distinct documents"):
        build_instruct_rows(library[:4], seed=0)


def test_rows_do_not_depend_on_the_hash_seed_of_the_process(library: list[CleanedDocument]) -> None:
    program = (
        "import json, sys; from twin_assets.documents import CleanedDocument, SplitRule, content_hash;"
        "from twin_assets.datasets.curation.splitting import split_documents;"
        "from twin_assets.datasets.generation.contract import Material;"
        "from twin_assets.datasets.generation.extractive import Extractive;"
        "documents = [CleanedDocument(**one) for one in json.load(sys.stdin)];"
        "splits = split_documents(documents, SplitRule(seed=0));"
        "material = Material('ann', documents, splits, 0, None);"
        "print(content_hash([row.model_dump() for row in Extractive().generate(material).rows]))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps([document.model_dump(mode="json") for document in library]),
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(hashes) == 1


def test_real_articles_give_many_sound_rows_that_read_as_requests() -> None:
    if not HANDBOOK.exists():
        pytest.skip(f"the article dump is not at {HANDBOOK}")
    from twin_assets.documents import RawDocument
    from twin_assets.features.cleaning import clean_document

    raw = [
        record for record in json.loads(HANDBOOK.read_text("utf-8")) if record["author_full_name"] == "Maxime Labonne"
    ]
    documents = [
        clean_document(
            RawDocument(
                document_id=record["_id"],
                author="maxime-labonne",
                category="articles",
                platform=record["platform"],
                url=record["link"],
                title=record["content"]["Title"],
                subtitle=record["content"].get("Subtitle"),
                text=record["content"]["Content"],
                source="import",
            )
        ).document
        for record in raw[:12]
    ]
    cleaned = [document for document in documents if document is not None]
    result = build_instruct_rows(cleaned, seed=0)

    assert_sound(result, cleaned)
    assert len(result.rows) >= 150
    assert all(30 <= len(row.answer.split()) <= 220 for row in result.rows)
    asked_for = {"continue": [], "subject": []}
    for row in result.rows:
        asked_for["continue" if row.kind == "continue" else "subject"].append(row)
    assert len(asked_for["continue"]) >= 0.05 * len(result.rows)
    for row in asked_for["continue"]:
        document = next(document for document in cleaned if document.document_id == row.document_id)
        above = re.split(r"\n\n|^Continue: ", row.instruction, maxsplit=1)[1]
        assert document.text.index(above) + len(above) <= row.start
    for row in asked_for["subject"]:
        assert re.fullmatch(r"[A-Z0-9\"].*[.?!]", row.instruction), row.instruction
        assert not re.search(r"[{}\n]|\s{2}|\*\*|\.\.$|\ban? [aeiou]\w+ and$", row.instruction), row.instruction
