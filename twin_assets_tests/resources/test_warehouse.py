"""The warehouse: every promise twice, on embedded neosqlite and through pymongo against a server on loopback."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import pytest

from resources.records import MAX_CHANGES
from resources.warehouse import Warehouse, WriteCounts
from twin_assets.errors import UserError
from twin_assets_tests.resources.warehouses import NEVER_SHOWN, raw, record_of, replace, stored


def test_an_empty_warehouse_holds_nobody_and_nothing(warehouse):
    with warehouse.session() as session:
        assert session.authors() == []
        assert session.documents("ann") == []
        assert session.users() == []


def test_documents_come_back_in_a_later_session_as_they_were(warehouse):
    documents = [
        raw("a", url="https://ann.example/a", subtitle="S", language="en", media_type="text/html"),
        raw("b", "posts", title=None, published_at=datetime(2026, 3, 31, 23, 59, 59, 123456, tzinfo=UTC)),
        raw("c", "repositories", text=None, files={"src/a.test.b.py": "x", "$set": "y", "a..b/.c": "", "d": "z"}),
    ]
    assert replace(warehouse, documents) == WriteCounts(new=3)
    assert stored(warehouse) == documents
    assert list(stored(warehouse)[2].files) == ["src/a.test.b.py", "$set", "a..b/.c", "d"]


@pytest.mark.parametrize("name", ["507f1f77bcf86cd799439011", "42", "042", "a/b.c$d", "{'$oid': 1}", "naïve 😀"])
def test_an_id_of_any_form_keeps_its_form(warehouse, name):
    assert replace(warehouse, [raw(name)]).new == 1
    assert replace(warehouse, [raw(name, text="Edited.")]) == WriteCounts(changed=1)
    assert [document.document_id for document in stored(warehouse)] == [name]


@pytest.mark.parametrize(
    "text", ["nul \x00 inside", "😀 \ufffe", '{"$date": 1}', "2026-03-31T00:00:00Z", "507f1f77bcf86cd799439011", "\r\n"]
)
def test_a_text_of_any_form_keeps_its_form(warehouse, text):
    replace(warehouse, [raw("a", text=text, title=text)])
    assert stored(warehouse) == [raw("a", text=text, title=text)]


def test_an_imported_record_keeps_every_key_in_its_order(warehouse):
    native = {"z": 1, "_id": "a", "a": {"x.y": None, "$z": [1.5, True]}, "author_id": "é", "": {}}
    replace(warehouse, [raw("a", native=native, source="import")])
    assert json.dumps(stored(warehouse)[0].native) == json.dumps(native)


def test_new_changed_unchanged_and_gone_are_counted(warehouse):
    assert replace(warehouse, [raw("a"), raw("b"), raw("c"), raw("p", "posts")]) == WriteCounts(new=4)
    counts = replace(warehouse, [raw("a"), raw("b", text="Edited."), raw("d")])
    assert counts == WriteCounts(new=1, changed=1, unchanged=1, gone=2)
    assert [document.text for document in stored(warehouse)] == ["Text of a.", "Edited.", "Text of d."]


def test_what_is_unchanged_is_not_written_again(warehouse):
    replace(warehouse, [raw("a"), raw("b")])
    with warehouse.session() as session:
        for name in ("a", "b"):
            session._store._database["articles"].update_one({"_id": name}, {"$set": {"untouched": True}})
    assert replace(warehouse, [raw("a"), raw("b", text="Edited.")]) == WriteCounts(changed=1, unchanged=1)
    assert "untouched" in record_of(warehouse, "a")
    assert "untouched" not in record_of(warehouse, "b")


def test_a_deleted_document_leaves_a_tombstone_without_its_text(warehouse):
    words = "Nobody shall read this."
    deleted = raw("a", subtitle=words, text=words, native={"text": words})
    replace(warehouse, [deleted, raw("r", "repositories", text=None, files={"a.py": words}), raw("b")])
    assert replace(warehouse, [raw("b")]) == WriteCounts(unchanged=1, gone=2)
    assert [document.document_id for document in stored(warehouse)] == ["b"]
    for name, category in (("a", "articles"), ("r", "repositories")):
        tombstone = record_of(warehouse, name, category)
        assert tombstone["gone"] is True
        assert words not in str(tombstone)
    assert record_of(warehouse, "a")["content_hash"] == deleted.content_hash
    assert replace(warehouse, [raw("b")]) == WriteCounts(unchanged=1)


def test_an_author_without_documents_left_is_still_known(warehouse):
    replace(warehouse, [raw("a")])
    assert replace(warehouse, []) == WriteCounts(gone=1)
    with warehouse.session() as session:
        assert session.authors() == ["ann"]
        assert session.documents("ann") == []


def test_a_document_that_returns_is_new_again(warehouse):
    replace(warehouse, [raw("a")])
    replace(warehouse, [])
    assert replace(warehouse, [raw("a")]) == WriteCounts(new=1)
    assert stored(warehouse) == [raw("a")]


def test_documents_come_by_category_and_by_their_place_in_the_source(warehouse):
    places = [raw("x", position=2), raw("z", position=0), raw("y", position=1), raw("p", "posts", position=0)]
    replace(warehouse, [places[3], *places[:3]])
    assert [document.document_id for document in stored(warehouse)] == ["z", "y", "x", "p"]
    moved = [document.model_copy(update={"position": 9 - document.position}) for document in places]
    assert replace(warehouse, moved) == WriteCounts(unchanged=4)
    assert [document.document_id for document in stored(warehouse)] == ["x", "y", "z", "p"]


def test_authors_are_kept_apart(warehouse):
    replace(warehouse, [raw("a")])
    replace(warehouse, [raw("b", author="bob")], author="bob")
    assert replace(warehouse, [raw("c")]) == WriteCounts(new=1, gone=1)
    assert stored(warehouse, "bob") == [raw("b", author="bob")]
    with warehouse.session() as session:
        assert session.authors() == ["ann", "bob"]


def test_a_document_of_another_author_is_refused_and_nobody_loses_anything(warehouse):
    replace(warehouse, [raw("a", url="https://shared.example/")])
    both = [raw("b", "posts", author="bob"), raw("a", author="bob", url="https://shared.example/")]
    with pytest.raises(UserError, match=r"https://shared\.example/, a document of bob, is one of ann already"):
        replace(warehouse, both, author="bob")
    assert stored(warehouse) == [raw("a", url="https://shared.example/")]
    assert stored(warehouse, "bob") == []


def test_a_document_of_5_mb_is_kept_whole(warehouse):
    document = raw("a", text="Zehn Wörter über Bücher und Türen, und noch zwei. " * 100_000)
    assert len(document.text) == 5_000_000
    replace(warehouse, [document, raw("b")])
    assert stored(warehouse) == [document, raw("b")]
    assert replace(warehouse, [document, raw("b")]) == WriteCounts(unchanged=2)


def test_history_tells_what_changed_and_when_beyond_the_deletion(warehouse):
    first, edited = raw("a"), raw("a", text="Edited.")
    for day, documents in enumerate([[first], [first], [edited], [], [edited]], start=1):
        with warehouse.session(now=partial(datetime, 2026, 3, day, tzinfo=UTC)) as session:
            session.replace_documents("ann", documents)
    with warehouse.session() as session:
        history = session.history("a")
        assert session.history("nobody") == []
    assert [(change.state, change.content_hash, change.seen_at.day) for change in history] == [
        ("new", first.content_hash, 1),
        ("changed", edited.content_hash, 3),
        ("gone", edited.content_hash, 4),
        ("new", edited.content_hash, 5),
    ]


def test_history_keeps_the_latest_changes_and_not_the_texts(warehouse):
    for number in range(MAX_CHANGES + 2):
        replace(warehouse, [raw("a", text=f"{NEVER_SHOWN} {number}")])
    replace(warehouse, [raw("a", text="Clean.", position=1)])
    replace(warehouse, [raw("a", text="Clean.", position=2)])
    with warehouse.session() as session:
        history = session.history("a")
    assert len(history) == MAX_CHANGES
    assert history[-1].content_hash == raw("a", text="Clean.").content_hash
    assert NEVER_SHOWN not in str(record_of(warehouse, "a")["history"])


def read_everything(warehouse):
    with warehouse.session() as session:
        session.authors()
        session.users()
        session.documents("ann")
        session.imported_documents("ann")
        session.known_documents("ann")
        session.history("a")
        session.pages("ann", "web")
        session.sources_of_pages("ann")
        session.open_crawl("ann", "web")


def test_the_first_write_creates_the_indexes_and_reading_creates_nothing(warehouse):
    read_everything(warehouse)
    with warehouse.session() as session:
        assert session._store._database.list_collection_names() == []
    replace(warehouse, [raw("a")])
    read_everything(warehouse)
    with warehouse.session() as session:
        assert session._store._database.list_collection_names() == ["articles"]
        indexes = session._store._database["articles"].index_information().values()
    # MongoDB gives pairs of field and order, neosqlite a dictionary.
    assert {field for index in indexes for field in dict(index["key"])} >= {"author", "url"}


def test_reading_changes_nothing_in_the_file(tmp_path):
    path = tmp_path / "warehouse.db"
    warehouse = Warehouse(path=str(path))
    replace(warehouse, [raw("a"), raw("r", "repositories", text=None, files={"a.py": "x"})])

    def content():
        with closing(sqlite3.connect(path)) as database:
            return list(database.iterdump())

    before = content()
    read_everything(warehouse)
    assert content() == before
