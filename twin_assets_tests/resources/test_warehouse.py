"""The warehouse: every promise twice, on embedded neosqlite and through pymongo against a server on loopback."""

import json
import socket
import sqlite3
import subprocess
import sys
import time
import tracemalloc
import weakref
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from pydantic import SecretStr

from resources.records import MAX_CHANGES
from resources.warehouse import BATCH_SIZE, Warehouse, WriteCounts
from twin_assets.collection.dump import DumpUser, read_dump, write_dump
from twin_assets.documents import RawDocument
from twin_assets.errors import UserError
from twin_assets.settings import Settings

NEVER_SHOWN = "hunter2-do-not-print"
databases = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server that speaks MongoDB's wire protocol, on a free port of this machine."""
    port = _free_port()
    process = _start_server(tmp_path_factory.mktemp("nx"), port)
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def mortal_server(tmp_path):
    """A server of the test's own: where it is, and how to start it, whenever it is not running."""
    port, running = _free_port(), []

    def start():
        running.append(_start_server(tmp_path / "mortal", port))
        return running[-1]

    yield f"mongodb://127.0.0.1:{port}", start
    for process in running:
        process.kill()
        process.wait(timeout=30)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start_server(folder, port):
    folder.mkdir(exist_ok=True)
    places = [f"--data-dir={folder / 'data'}", f"--log-file={folder / 'log'}", f"--pid-file={folder / 'pid'}"]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("nx-27017")), "--port", str(port), *places],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    _wait_for(port, process, folder / "output")
    return process


def _wait_for(port, process, output):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"nx-27017 does not listen on port {port}: {output.read_text()[-2000:]}")


@pytest.fixture(params=["embedded", "server"])
def warehouse(request, tmp_path):
    """An empty warehouse of either form."""
    if request.param == "embedded":
        return Warehouse(path=str(tmp_path / "deep" / "warehouse.db"))
    url = request.getfixturevalue("server")
    return Warehouse(path=str(tmp_path / "unused.db"), url=SecretStr(url), database=f"twin_{next(databases)}")


def raw(name, category="articles", author="ann", **fields):
    known = {"title": f"Title of {name}", "text": f"Text of {name}.", "platform": "folder", "source": "folder"}
    return RawDocument(document_id=name, author=author, category=category, **{**known, **fields})


def replace(warehouse, documents, author="ann"):
    with warehouse.session() as session:
        return session.replace_documents(author, documents)


def stored(warehouse, author="ann"):
    with warehouse.session() as session:
        return session.documents(author)


def record_of(warehouse, name, category="articles"):
    with warehouse.session() as session:
        return session._database[category].find_one({"_id": name})


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
            session._database["articles"].update_one({"_id": name}, {"$set": {"untouched": True}})
    assert replace(warehouse, [raw("a"), raw("b", text="Edited.")]) == WriteCounts(changed=1, unchanged=1)
    assert "untouched" in record_of(warehouse, "a")
    assert "untouched" not in record_of(warehouse, "b")


def test_a_deleted_document_leaves_a_tombstone_without_its_text(warehouse):
    words = "Nobody shall read this."
    deleted = raw("a", text=words, native={"text": words})
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


def test_a_refused_write_names_the_record_without_its_text_and_loses_nothing(warehouse):
    replace(warehouse, [raw("a"), raw("b")])
    with warehouse.session() as session:
        session._database["articles"].create_index("title", unique=True)
    documents = [raw("a"), raw("c"), raw("d", title="Title of a", text=NEVER_SHOWN)]
    with pytest.raises(UserError, match="The warehouse refused to write d to articles") as caught:
        replace(warehouse, documents)
    assert NEVER_SHOWN not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {document.document_id for document in stored(warehouse)} >= {"a", "b"}


def test_a_document_of_5_mb_is_kept_whole(warehouse):
    document = raw("a", text="Zehn Wörter über Bücher und Türen, und noch zwei. " * 100_000)
    assert len(document.text) == 5_000_000
    replace(warehouse, [document, raw("b")])
    assert stored(warehouse) == [document, raw("b")]
    assert replace(warehouse, [document, raw("b")]) == WriteCounts(unchanged=2)


def test_more_documents_than_fit_into_one_write_are_all_kept(warehouse):
    documents = [raw(f"{number:04}", "posts", position=number) for number in range(BATCH_SIZE + 1)]
    assert replace(warehouse, documents) == WriteCounts(new=BATCH_SIZE + 1)
    assert stored(warehouse) == documents
    assert replace(warehouse, documents[:-2]) == WriteCounts(unchanged=BATCH_SIZE - 1, gone=2)


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
        session.open_crawl("ann", "web")


def test_the_first_write_creates_the_indexes_and_reading_creates_nothing(warehouse):
    read_everything(warehouse)
    with warehouse.session() as session:
        assert session._database.list_collection_names() == []
    replace(warehouse, [raw("a")])
    read_everything(warehouse)
    with warehouse.session() as session:
        assert session._database.list_collection_names() == ["articles"]
        indexes = session._database["articles"].index_information().values()
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


def test_every_refused_record_is_named_and_the_others_are_written(warehouse):
    replace(warehouse, [raw("a")])
    with warehouse.session() as session:
        session._database["articles"].create_index("title", unique=True)
    twins = [raw(f"twin-{number}", title="Title of a", text=NEVER_SHOWN) for number in range(8)]
    with pytest.raises(UserError) as caught:
        replace(warehouse, [raw("a"), *twins, raw("z")])
    assert "refused to write twin-0, twin-1, twin-2, twin-3, twin-4 and 3 more to articles" in str(caught.value)
    assert NEVER_SHOWN not in str(caught.value)
    assert [document.document_id for document in stored(warehouse)] == ["a", "z"]


def test_documents_of_one_source_are_replaced_and_those_of_others_stay(warehouse):
    replace(warehouse, [raw("a"), raw("b", source="import"), raw("c", "posts", source="import")])
    with warehouse.session() as session:
        counts = session.replace_documents("ann", [raw("b", source="import", text="Edited.")], source="import")
    assert counts == WriteCounts(changed=1, gone=1)
    assert [document.document_id for document in stored(warehouse)] == ["a", "b"]


class Stream:
    """Documents that exist one at a time, and how many of them there were at once."""

    def __init__(self, number):
        self.number = number
        self.alive = self.most = 0

    def __iter__(self):
        for number in range(self.number):
            document = raw(f"{number:05}", "posts", position=number)
            self.alive += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(document, self._died)
            yield document

    def _died(self):
        self.alive -= 1


def test_a_long_import_holds_a_batch_at_a_time(warehouse):
    stream = Stream(4 * BATCH_SIZE + 1)
    with warehouse.session() as session:
        assert session.replace_documents("ann", stream) == WriteCounts(new=stream.number)
        assert session.replace_documents("ann", stream) == WriteCounts(unchanged=stream.number)
    assert stream.most <= 2 * BATCH_SIZE + 2


def test_memory_does_not_grow_with_the_length_of_an_import(tmp_path, monkeypatch):
    monkeypatch.setattr("resources.warehouse_session.BATCH_SIZE", 50)

    def peak(number):
        warehouse = Warehouse(path=str(tmp_path / f"{number}.db"))
        documents = Generated(number)
        with warehouse.session() as session:
            session.replace_documents("ann", documents)
            tracemalloc.start()
            try:
                assert session.replace_documents("ann", documents).unchanged == number
                assert session.replace_documents("ann", Generated(number - 60)).gone == 60
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert peak(600) < 1.5 * peak(150)


class Generated:
    """Documents of 6 kB that are made as they are asked for."""

    def __init__(self, number):
        self.number = number

    def __iter__(self):
        return (raw(f"{n:05}", "posts", text=f"{n} " + "word " * 1_200, position=n) for n in range(self.number))


class Killing:
    """Documents in the midst of which the server dies."""

    def __init__(self, documents, process, at):
        self.documents, self.process, self.at = documents, process, at
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        for number, document in enumerate(self.documents):
            if (self.passes, number) == (2, self.at):
                self.process.kill()
                self.process.wait(timeout=30)
            yield document


def test_a_server_that_dies_half_way_loses_nothing_and_the_next_run_completes(mortal_server, monkeypatch):
    monkeypatch.setattr("resources.warehouse.SERVER_TIMEOUT_MS", 1_000)
    url, start = mortal_server
    process = start()
    warehouse = Warehouse(path="unused.db", url=SecretStr(url))
    old = [raw(f"{number:04}", "posts", position=number) for number in range(BATCH_SIZE + 10)]
    replace(warehouse, old)
    new = [raw(f"{number:04}", "posts", position=number, text="Edited.") for number in range(3 * BATCH_SIZE)]
    with pytest.raises(UserError, match=r"MongoDB stopped answering.*: start it, then run this again") as caught:
        replace(warehouse, Killing(new, process, at=2 * BATCH_SIZE - 1))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="MongoDB does not answer at MONGODB_URL: start it"):
        stored(warehouse)
    start()
    kept = stored(warehouse)
    assert [document.document_id for document in kept[: len(old)]] == [document.document_id for document in old]
    assert kept[0].text == "Edited."
    counts = replace(warehouse, new)
    assert counts.new + counts.changed + counts.unchanged == len(new)
    assert counts.unchanged >= BATCH_SIZE
    assert stored(warehouse) == new


def test_a_server_that_dies_while_it_is_read_is_said_in_one_sentence(mortal_server, monkeypatch):
    monkeypatch.setattr("resources.warehouse.SERVER_TIMEOUT_MS", 1_000)
    url, start = mortal_server
    process = start()
    warehouse = Warehouse(path="unused.db", url=SecretStr(url))

    def read_from_a_dead_server():
        with warehouse.session() as session:
            process.kill()
            process.wait(timeout=30)
            session.documents("ann")

    with pytest.raises(UserError, match="MongoDB stopped answering: start it, then run this again"):
        read_from_a_dead_server()


def test_only_imported_documents_are_handed_to_the_import_source(warehouse):
    replace(warehouse, [raw("a"), raw("b", source="import")])
    assert [document.document_id for document in warehouse.imported_documents("ann")] == ["b"]


def test_users_stay_in_their_order_of_arrival_and_are_replaced_by_id(warehouse):
    def users(*names):
        return [{"_id": name, "first_name": name.title(), "last_name": "Lee"} for name in names]

    with warehouse.session() as session:
        session.add_users(users("zoe", "ann"))
        session.add_users([*users("ann", "bob"), {"_id": "zoe", "first_name": "Zoë", "last_name": "Lee"}])
        session.add_users(users("cy"))
        found = session.users()
    assert [user["_id"] for user in found] == ["zoe", "ann", "bob", "cy"]
    assert found[0]["first_name"] == "Zoë"


def test_the_handbook_s_dump_comes_out_of_the_warehouse_as_it_went_in(warehouse, handbook, tmp_path):
    dump = read_dump(handbook)
    with warehouse.session() as session:
        session.add_users([{"_id": u.user_id, **u.model_dump(exclude={"user_id"})} for u in dump.users])
        for user in dump.users:
            session.replace_documents(user.slug, [d for d in dump.documents if d.author == user.slug])
    with warehouse.session() as session:
        documents = [document for author in session.authors() for document in session.documents(author)]
        users = [
            DumpUser(user_id=u["_id"], first_name=u["first_name"], last_name=u["last_name"]) for u in session.users()
        ]
    write_dump(tmp_path / "out", users, documents)
    for path in handbook.glob("*.json"):
        written = json.loads((tmp_path / "out" / path.name).read_text())
        assert json.dumps(written) == json.dumps(json.loads(path.read_text())), path.name


def test_a_file_that_is_no_warehouse_is_said_in_one_sentence(tmp_path):
    path = tmp_path / "warehouse.db"
    path.write_bytes(b"Dear diary, " * 100)
    with pytest.raises(UserError, match=r"warehouse\.db\) cannot be used: file is not a database"):
        stored(Warehouse(path=str(path)))
    assert path.read_bytes() == b"Dear diary, " * 100


def test_a_full_disk_refuses_the_new_document_and_keeps_the_old_ones(tmp_path, full_disk):
    warehouse = Warehouse(path=str(tmp_path / "warehouse.db"))
    replace(warehouse, [raw("a"), raw("b")])
    with (
        full_disk(at=1_000_000),
        pytest.raises(UserError, match=r"write c to articles .*no document was lost"),
    ):
        replace(warehouse, [raw("a"), raw("c", text="word " * 1_000_000)])
    assert stored(warehouse) == [raw("a"), raw("b")]
    assert replace(warehouse, [raw("a"), raw("c")]) == WriteCounts(new=1, unchanged=1, gone=1)


@pytest.mark.parametrize("url", ["http://mongo.example", f"mongodb://user:{NEVER_SHOWN}@@host:port"])
def test_an_address_that_is_none_is_refused_without_showing_it(url):
    with pytest.raises(UserError, match="MONGODB_URL is not an address of MongoDB") as caught:
        stored(Warehouse(path="unused.db", url=SecretStr(url)))
    assert NEVER_SHOWN not in str(caught.value)


def test_a_server_that_does_not_answer_is_said_in_one_sentence_without_its_password(monkeypatch):
    monkeypatch.setattr("resources.warehouse.SERVER_TIMEOUT_MS", 300)
    warehouse = Warehouse(path="unused.db", url=SecretStr(f"mongodb://user:{NEVER_SHOWN}@127.0.0.1:1"))
    with pytest.raises(UserError, match="MongoDB does not answer at MONGODB_URL: start it, or unset") as caught:
        stored(warehouse)
    assert NEVER_SHOWN not in str(caught.value)


def test_neither_a_repr_nor_the_ui_shows_the_password_of_a_server_and_steps_still_get_it(monkeypatch):
    monkeypatch.setenv("MONGODB_URL", f"mongodb://user:{NEVER_SHOWN}@mongo.example")
    seen = []

    @dg.asset
    def reader(warehouse: Warehouse) -> None:
        seen.append((warehouse.url.get_secret_value(), repr(warehouse), warehouse.uri))

    warehouse = Warehouse.from_settings(Settings())
    defs = dg.Definitions(assets=[reader], resources={"warehouse": warehouse})
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process().success
    ((url, shown, uri),) = seen
    assert NEVER_SHOWN in url
    for text in (shown, uri, repr(warehouse), str(warehouse), warehouse.uri):
        assert NEVER_SHOWN not in text
    assert NEVER_SHOWN not in str(RepositorySnap.from_def(defs.get_repository_def()))
