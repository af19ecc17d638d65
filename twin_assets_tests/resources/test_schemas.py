"""From entities to table schemas: the entity is the only definition."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from upath import UPath

from resources.io_managers import read_rows, write_rows
from resources.schemas import arrow_schema, column_schema
from twin_assets.documents import Chunk, CleanedDocument, InstructRow, PreferenceRow, RawDocument


def test_a_table_has_one_column_per_field_in_the_order_of_the_fields():
    for entity in (CleanedDocument, Chunk, InstructRow, PreferenceRow):
        assert arrow_schema(entity).names == list(entity.model_fields)


def test_columns_have_the_types_of_the_fields_and_only_optional_ones_may_be_null():
    schema = arrow_schema(CleanedDocument)
    assert schema.field("published_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("n_words").type == pa.int64()
    assert schema.field("category").type == pa.string()
    assert arrow_schema(Chunk).field("headings").type == pa.list_(pa.string())
    assert {field.name for field in schema if field.nullable} == {
        "url",
        "title",
        "language",
        "published_at",
        "duplicate_of",
        "duplicate_kind",
    }


def test_the_ui_shows_each_field_with_its_description():
    columns = {column.name: column for column in column_schema(Chunk).columns}
    assert list(columns) == list(Chunk.model_fields)
    assert columns["text"].description == Chunk.model_fields["text"].description
    assert all(column.description for column in columns.values())
    assert columns["text"].constraints.nullable is False


def test_a_field_that_no_column_can_hold_is_refused_by_name():
    with pytest.raises(TypeError, match="files: no column holds"):
        arrow_schema(RawDocument)


def test_a_row_comes_back_from_a_table_as_it_was(tmp_path):
    row = CleanedDocument(
        document_id="d",
        author="ann",
        category="posts",
        platform="folder",
        url=None,
        title=None,
        text="Zero\x00, émoji 😀 and\r\nlines",
        language=None,
        published_at=datetime(2026, 3, 31, 23, 59, 59, 999999, tzinfo=UTC),
        content_hash="h",
        duplicate_of=None,
        n_words=5,
    )
    path = UPath(tmp_path / "table.parquet")
    write_rows(path, [row])
    assert read_rows(path, CleanedDocument) == [row]
