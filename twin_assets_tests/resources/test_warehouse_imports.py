"""Imports into the warehouse: of any length, and beside other sources."""

import json
import tracemalloc
import weakref

from resources.warehouse import BATCH_SIZE, Warehouse, WriteCounts
from twin_assets.collection.dump import DumpUser, read_dump, write_dump
from twin_assets_tests.resources.warehouses import raw, replace, stored


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
    monkeypatch.setattr("resources.record_store.BATCH_SIZE", 50)

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


def test_more_documents_than_fit_into_one_write_are_all_kept(warehouse):
    documents = [raw(f"{number:04}", "posts", position=number) for number in range(BATCH_SIZE + 1)]
    assert replace(warehouse, documents) == WriteCounts(new=BATCH_SIZE + 1)
    assert stored(warehouse) == documents
    assert replace(warehouse, documents[:-2]) == WriteCounts(unchanged=BATCH_SIZE - 1, gone=2)


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
