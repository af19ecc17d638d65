"""The checks of documents and passages: each passes on what is right and fails on rows broken by hand."""

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from dagster._core.execution.context.invocation import DirectAssetCheckExecutionContext
from upath import UPath

from resources.artifacts import ArtifactStore
from resources.io_managers import write_rows
from resources.project import Project
from resources.warehouse import Warehouse
from twin_assets.features import checks
from twin_assets.features.chunking import chunk_document

AUTHOR = "mira-voss"
TEXT = "A backup that nobody has restored is a rumour, so restore one every Monday. " * 4


@pytest.fixture
def context():
    """What a check is given in the run of an author; `build_asset_check_context` knows no partition."""
    return DirectAssetCheckExecutionContext(op_execution_context=dg.build_op_context(partition_key=AUTHOR))


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore(root=str(tmp_path / "artifacts"))


@pytest.fixture
def project(make_author, make_folder):
    return Project(authors_dir=str(make_author(AUTHOR, make_folder({}))))


def store(artifacts, asset, author, rows) -> UPath:
    path = artifacts.path(asset, author, ".parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, rows)
    return path


def test_personal_data_that_is_left_is_refused_without_showing_it(context, project, cleaned):
    assert checks.no_personal_data_left(context, [cleaned(TEXT, title="T")], project=project).passed
    for document in (cleaned(f"{TEXT} Ask ann@reed.io."), cleaned(TEXT, title="Ask ann@reed.io")):
        result = checks.no_personal_data_left(context, [document], project=project)
        assert not result.passed
        assert "doc-1 (1 email)" in result.description
        assert "reed.io" not in str(result)


def test_an_author_who_does_not_mask_may_keep_personal_data(context, project, cleaned):
    file = project.authors_path / f"{AUTHOR}.yaml"
    author = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**author, "privacy": {"mask": False}}), encoding="utf-8")

    assert checks.no_personal_data_left(context, [cleaned("Ask ann@reed.io.")], project=project).passed


def test_an_id_that_occurs_twice_is_refused_by_name(cleaned, splitter):
    documents = [cleaned(TEXT, "a"), cleaned(TEXT, "b", duplicate_of="a")]
    assert checks.document_ids_are_unique(documents).passed
    result = checks.document_ids_are_unique([*documents, documents[0]])
    assert not result.passed
    assert "1: a" in result.description

    passages = chunk_document(documents[0], splitter)
    assert checks.passage_ids_are_unique(passages).passed
    result = checks.passage_ids_are_unique([*passages, passages[0]])
    assert not result.passed
    assert passages[0].chunk_id in result.description


@pytest.mark.parametrize("target", ["gone", "b"])
def test_a_duplicate_of_nothing_or_of_a_duplicate_is_refused(cleaned, target):
    documents = [cleaned(TEXT, "a", duplicate_of=target), cleaned(TEXT, "b", duplicate_of="c"), cleaned(TEXT, "c")]

    assert not checks.document_ids_are_unique(documents).passed
    assert checks.document_ids_are_unique(documents[1:]).passed


def test_a_table_with_another_column_or_type_is_refused_by_name(context, artifacts, cleaned, splitter):
    document = cleaned(TEXT)
    for check, path in (
        (checks.documents_have_their_columns, store(artifacts, "cleaned_documents", AUTHOR, [document])),
        (checks.passages_have_their_columns, store(artifacts, "chunks", AUTHOR, chunk_document(document, splitter))),
    ):
        assert check(context, artifacts=artifacts).passed
        table = pq.read_table(path)
        for broken in (
            table.drop_columns(["text"]),
            table.append_column("more", pa.array([1] * len(table))),
            table.set_column(table.schema.get_field_index("text"), "text", pa.array([1] * len(table))),
        ):
            pq.write_table(broken, path)
            result = check(context, artifacts=artifacts)
            assert not result.passed
            assert "text" in result.description or "more" in result.description


def test_a_document_that_lost_most_of_its_words_is_warned_of_by_name(context, tmp_path, raw, cleaned):
    warehouse = Warehouse(path=str(tmp_path / "warehouse.db"))
    with warehouse.session() as session:
        session.replace_documents(AUTHOR, [raw("one two three four five six", document_id="a")])

    assert checks.little_text_was_dropped(context, [cleaned("one two three", "a")], warehouse=warehouse).passed
    result = checks.little_text_was_dropped(context, [cleaned("one two", "a")], warehouse=warehouse)
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert "a (67%)" in result.description


def test_documents_of_which_most_are_duplicates_are_warned_of(cleaned):
    documents = [cleaned(TEXT, "a"), *(cleaned(TEXT, name, duplicate_of="a") for name in "bc")]

    assert checks.few_duplicates(documents[:2]).passed
    result = checks.few_duplicates(documents)
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN


def test_a_mix_of_languages_is_warned_of(cleaned):
    documents = [cleaned("w " * 95, "a", language="en"), cleaned("w " * 5, "b", language="de")]

    assert checks.language_mix(documents).passed
    result = checks.language_mix([*documents, cleaned("w " * 10, "c", language="fr")])
    assert not result.passed
    assert "86% in en" in result.description
    assert result.severity is dg.AssetCheckSeverity.WARN


def test_a_document_that_another_author_published_first_is_warned_of_by_name(context, artifacts, cleaned):
    own = [cleaned(TEXT, "copy")]
    assert checks.told_by_no_other_author(context, own, artifacts=artifacts).passed
    store(artifacts, "cleaned_documents", AUTHOR, own)
    store(artifacts, "cleaned_documents", "ann-reed", [cleaned(TEXT, "original", author="ann-reed")])
    result = checks.told_by_no_other_author(context, own, artifacts=artifacts)
    assert not result.passed
    assert "copy repeats original of ann-reed" in result.description
    assert result.severity is dg.AssetCheckSeverity.WARN

    store(artifacts, "cleaned_documents", "ann-reed", [cleaned("Something else.", "original", author="ann-reed")])
    assert checks.told_by_no_other_author(context, own, artifacts=artifacts).passed
