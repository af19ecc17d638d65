"""The warehouse when something is wrong: what is said, and that nothing is lost."""

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from pydantic import SecretStr
from pymongo.errors import DocumentTooLarge

from resources.record_store import _refusal
from resources.warehouse import BATCH_SIZE, Warehouse, WriteCounts
from twin_assets.errors import UserError
from twin_assets.settings import Settings
from twin_assets_tests.resources.warehouses import NEVER_SHOWN, raw, replace, stored


def test_a_refused_write_names_the_record_without_its_text_and_loses_nothing(warehouse):
    replace(warehouse, [raw("a"), raw("b")])
    with warehouse.session() as session:
        session._store._database["articles"].create_index("title", unique=True)
    documents = [raw("a"), raw("c"), raw("d", title="Title of a", text=NEVER_SHOWN)]
    with pytest.raises(UserError, match="The warehouse refused to write d to articles") as caught:
        replace(warehouse, documents)
    assert NEVER_SHOWN not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {document.document_id for document in stored(warehouse)} >= {"a", "b"}


def test_every_refused_record_is_named_and_the_others_are_written(warehouse):
    replace(warehouse, [raw("a")])
    with warehouse.session() as session:
        session._store._database["articles"].create_index("title", unique=True)
    twins = [raw(f"twin-{number}", title="Title of a", text=NEVER_SHOWN) for number in range(8)]
    with pytest.raises(UserError) as caught:
        replace(warehouse, [raw("a"), *twins, raw("z")])
    assert "refused to write twin-0, twin-1, twin-2, twin-3, twin-4 and 3 more to articles" in str(caught.value)
    assert NEVER_SHOWN not in str(caught.value)
    assert [document.document_id for document in stored(warehouse)] == ["a", "z"]


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


def test_a_document_that_is_too_long_for_mongodb_is_named():
    batch = [{"_id": name, "text": text} for name, text in (("a", "x"), ("b", NEVER_SHOWN * 10), ("c", "x"))]
    sentence = _refusal("articles", batch, DocumentTooLarge("BSON document too large"))
    assert sentence.startswith("The warehouse refused to write b to articles (it is longer than 16 MB")
    assert NEVER_SHOWN not in sentence
