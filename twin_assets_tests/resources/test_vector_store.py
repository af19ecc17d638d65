"""The vector store: in step with the chunks, embedding nothing twice, one author and one process at a time."""

import hashlib
import math
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import numpy as np
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from resources.bm25 import Bm25
from resources.embedder import EncodedTexts
from resources.vector_session import SyncCounts, VectorSession
from resources.vector_store import VectorStore
from twin_assets.documents import Chunk, chunk_id_for
from twin_assets.errors import UserError
from twin_assets.settings import Settings

NEVER_SHOWN = "hunter2-do-not-print"


class HashEncoder:
    """Gives each text the same arbitrary direction every time, and counts what it was asked to embed."""

    dimension = 16

    def __init__(self, model="acme/small model"):
        self.parameters = {"model": model, "bm25": Bm25().model_dump()}
        self.embedded = []

    def encode_passages(self, texts):
        self.embedded += texts
        return EncodedTexts(self.directions(texts), [Bm25().passage(text) for text in texts], self.parameters)

    def encode_queries(self, texts):
        return EncodedTexts(self.directions(texts), [Bm25().query(text) for text in texts], self.parameters)

    def directions(self, texts):
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        vectors = np.array([np.random.default_rng(seed).normal(size=self.dimension) for seed in seeds])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def chunk(text, *, author="ann", start=0, document="d", headings=()):
    return Chunk(
        chunk_id=chunk_id_for(document, text, 0),
        document_id=document,
        author=author,
        category="articles",
        position=0,
        headings=list(headings),
        text=text,
        start=start,
        end=start + len(text),
        n_tokens=3,
    )


def texts(*words, **fields):
    return [chunk(word, **fields) for word in words]


def ids(chunks):
    return {chunk.chunk_id for chunk in chunks}


@pytest.fixture
def store(tmp_path):
    return VectorStore(folder=str(tmp_path / "qdrant"), lock_timeout_seconds=0.5)


@pytest.fixture
def small_batches(monkeypatch):
    """Four points per request: the embedded store takes 10 ms for each point."""
    monkeypatch.setattr("resources.vector_session.BATCH_SIZE", 4)


@pytest.fixture
def shared_client():
    """A client of one store for all authors, as a server is."""
    from qdrant_client import QdrantClient

    return QdrantClient(":memory:")


@pytest.fixture
def encoder():
    return HashEncoder()


def sync(store, chunks, encoder, author="ann"):
    with store.session(author) as session:
        return session.sync(chunks, encoder)


def found(session, encoder, text, limit=1, **wanted):
    (hits,) = session.search(encoder.encode_queries([text]), limit=limit, **{"mode": "dense", **wanted})
    return hits


def test_only_texts_without_a_vector_are_embedded(store, encoder):
    assert sync(store, texts("one", "two"), encoder) == SyncCounts(added=2)
    assert sync(store, texts("one", "two", "three"), encoder) == SyncCounts(added=1, kept=2)
    assert encoder.embedded == ["one", "two", "three"]
    assert sync(store, texts("one", "two", "three"), encoder) == SyncCounts(kept=3)
    assert encoder.embedded == ["one", "two", "three"]


def test_the_vectors_of_some_chunks_are_read_without_those_of_the_others(store, encoder, small_batches, monkeypatch):
    chunks = texts(*"abcdefgh")
    with store.session("ann") as session:
        assert session.vectors(ids(chunks)) == {}
        session.sync(chunks, encoder)
        monkeypatch.setattr(session, "_scroll", None)
        wanted = ids(chunks[:6])

        assert session.vectors(wanted | ids(texts("of no chunk"))).keys() == wanted


def test_vanished_chunks_leave_the_store(store, encoder):
    sync(store, texts("one", "two", "three"), encoder)
    assert sync(store, texts("two"), encoder) == SyncCounts(kept=1, deleted=2)
    with store.session("ann") as session:
        assert session.chunk_ids() == ids(texts("two"))
        assert [hit.chunk.text for hit in found(session, encoder, "one", limit=5)] == ["two"]
    assert sync(store, [], encoder) == SyncCounts(deleted=1)


def test_a_chunk_that_has_moved_is_shown_where_it_stands_now_and_is_not_embedded_again(store, encoder):
    sync(store, texts("one", "two"), encoder)
    moved = [chunk("one", start=120, headings=["New heading"]), chunk("two")]
    assert sync(store, moved, encoder) == SyncCounts(kept=2)
    with store.session("ann") as session:
        (hit,) = found(session, encoder, "one")
    assert hit.chunk == moved[0]
    assert encoder.embedded == ["one", "two"]


def test_a_search_returns_the_nearest_chunks_of_each_query_the_best_first(store, encoder):
    sync(store, texts("one", "two", "three"), encoder)
    with store.session("ann") as session:
        hits = session.search(encoder.encode_queries(["two", "three"]), limit=2, mode="dense")
    assert [some[0].chunk.text for some in hits] == ["two", "three"]
    assert [len(some) for some in hits] == [2, 2]
    assert hits[0][0].score == pytest.approx(1, abs=1e-5)
    assert hits[0][0].score > hits[0][1].score
    assert hits[0][0].chunk == chunk("two")


def test_more_chunks_than_fit_into_one_request_are_all_kept(store, encoder, small_batches):
    many = texts(*(f"text {number}" for number in range(11)))
    assert sync(store, many, encoder) == SyncCounts(added=11)
    with store.session("ann") as session:
        assert session.chunk_ids() == ids(many)
    assert sync(store, many[:2], encoder) == SyncCounts(kept=2, deleted=9)


def test_a_search_can_be_held_to_one_category(store, encoder):
    post = chunk("a post on queues").model_copy(update={"category": "posts"})
    sync(store, [*texts("an article on queues"), post], encoder)
    with store.session("ann") as session:
        for mode in ("dense", "sparse", "hybrid"):
            both = found(session, encoder, "queues", limit=5, mode=mode)
            assert {hit.chunk.text for hit in both} == {"a post on queues", "an article on queues"}
            posts = found(session, encoder, "queues", limit=5, mode=mode, category="posts")
            assert [hit.chunk for hit in posts] == [post]


def test_another_model_fills_its_own_collection_and_readers_follow(store, encoder):
    sync(store, texts("one", "two"), encoder)
    wide = HashEncoder("acme/large")
    wide.dimension = 32
    assert sync(store, texts("one", "two"), wide) == SyncCounts(added=2)
    with store.session("ann") as session:
        assert re.fullmatch(r"passages--v2--acme-large--[0-9a-f]{8}", session.collection())
        assert found(session, wide, "two")[0].chunk.text == "two"
        aliases = {a.alias_name: a.collection_name for a in session._client.get_aliases().aliases}
        assert aliases == {"ann--passages": session.collection()}
    assert sync(store, texts("one", "two"), encoder) == SyncCounts(kept=2)
    assert encoder.embedded == ["one", "two"]
    with store.session("ann") as session:
        assert found(session, encoder, "one")[0].chunk.text == "one"


def test_a_parameter_of_the_embedding_function_counts_as_another_function(store, encoder):
    sync(store, texts("one"), encoder)
    other = HashEncoder()
    other.parameters = {**other.parameters, "bm25": Bm25(k1=2).model_dump()}
    assert sync(store, texts("one"), other) == SyncCounts(added=1)


def test_a_query_of_another_function_is_refused_by_what_differs(store, encoder):
    sync(store, texts("one"), encoder)
    with store.session("ann") as session, pytest.raises(UserError) as caught:
        found(session, HashEncoder("acme/large"), "one")
    assert "model: acme/small model and acme/large" in str(caught.value)
    assert "bm25" not in str(caught.value)
    assert "build `embeddings` again, or set TWIN_EMBEDDING_MODEL" in str(caught.value)


def test_an_author_without_an_index_is_said_to_have_none(store, encoder):
    with store.session("ann") as session:
        assert session.chunk_ids() == set()
        with pytest.raises(UserError, match="no index of ann yet: build `embeddings`"):
            found(session, encoder, "one")


def test_the_old_index_answers_until_the_new_model_has_embedded_everything(store, encoder):
    sync(store, texts("one", "two"), encoder)

    class Broken(HashEncoder):
        def encode_passages(self, texts):
            raise MemoryError

    with pytest.raises(MemoryError):
        sync(store, texts("one", "two"), Broken("acme/large"))
    with store.session("ann") as session:
        assert found(session, encoder, "two")[0].chunk.text == "two"
        assert session.chunk_ids() == ids(texts("one", "two"))


def test_an_index_of_the_first_layout_answers_until_it_is_replaced_and_goes_then(store, encoder):
    """Written as the first version of the platform wrote it: one unnamed vector, a collection for each category."""
    from qdrant_client import models

    with store.session("ann") as session:
        client = session._client
        for author in ("ann", "bob"):
            alias = models.CreateAlias(collection_name="articles--acme-small-model", alias_name=f"{author}--articles")
            if author == "ann":
                size = models.VectorParams(size=16, distance=models.Distance.COSINE)
                client.create_collection(alias.collection_name, vectors_config=size)
            point = models.PointStruct(id=chunk(author).chunk_id, vector=[1.0] * 16, payload={"author": author})
            client.upsert(alias.collection_name, [point])
            client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
        assert session.sync(texts("one"), encoder) == SyncCounts(added=1)
        assert {a.alias_name for a in client.get_aliases().aliases} == {"ann--passages", "bob--articles"}
        (left,) = client.scroll("bob--articles")[0]
        assert left.payload == {"author": "bob"}
        VectorSession(client, "bob").sync(texts("two", author="bob", document="e"), encoder)
        assert [c.name for c in client.get_collections().collections] == [session.collection()]


def test_collections_of_other_applications_and_of_later_layouts_stay_as_they_are(encoder, shared_client):
    from qdrant_client import models

    foreign = ["posts--shop-search", "passages--of-a-book", "passages--v3--acme-small-model--00000000"]
    kept = ["passages--v1--of-two-authors"]
    for name in (*foreign, *kept, "passages--v1--of-one-author"):
        shared_client.create_collection(name, models.VectorParams(size=2, distance=models.Distance.COSINE))
    point = models.PointStruct(id=1, vector=[1.0, 1.0], payload={"author": "ann"})
    for name in (*foreign, "passages--v1--of-one-author"):
        shared_client.upsert(name, [point])
    shared_client.upsert("passages--v1--of-two-authors", [point.model_copy(update={"payload": {"author": "bob"}})])
    session = VectorSession(shared_client, "ann")
    session.sync(texts("one"), encoder)

    names = {collection.name for collection in shared_client.get_collections().collections}
    assert names == {*foreign, *kept, session.collection()}
    assert [shared_client.count(name).count for name in (*foreign, *kept)] == [1, 1, 1, 1]


def test_wording_finds_what_meaning_does_not_and_the_fused_ranking_holds_both(store, encoder):
    sync(store, texts("the vacuum finished", "a queue is a loan", "nothing of it"), encoder)
    query = encoder.encode_queries(["queues"])
    # The dense half of this query is next to another passage than the sparse half.
    near = query._replace(dense=encoder.directions(["nothing of it"]))
    with store.session("ann") as session:
        (sparse,) = session.search(near, limit=3, mode="sparse")
        (dense,) = session.search(near, limit=1, mode="dense")
        (hybrid,) = session.search(near, limit=2)
    assert [hit.chunk.text for hit in sparse] == ["a queue is a loan"]
    assert [hit.chunk.text for hit in dense] == ["nothing of it"]
    assert {hit.chunk.text for hit in hybrid} == {"a queue is a loan", "nothing of it"}


def test_a_rare_word_counts_more_than_a_common_one(store, encoder):
    sync(store, texts("queue alpha", "queue beta", "queue gamma", "lantern delta"), encoder)
    with store.session("ann") as session:
        hits = found(session, encoder, "queue lantern", limit=4, mode="sparse")
    idf = {"lantern": math.log((4 - 1 + 0.5) / (1 + 0.5) + 1), "queue": math.log((4 - 3 + 0.5) / (3 + 0.5) + 1)}
    weight = Bm25().passage("queue alpha").values[0]
    assert [hit.score for hit in hits] == pytest.approx(
        [weight * idf["lantern"], *[weight * idf["queue"]] * 3], rel=1e-4
    )


def test_publication_dates_are_in_the_payload_and_a_changed_one_reaches_it(store, encoder):
    day = datetime(2024, 5, 1, tzinfo=UTC)
    with store.session("ann") as session:
        session.sync(texts("one"), encoder, published={"d": day})
        assert session._client.scroll(session.collection())[0][0].payload["published_at"] == "2024-05-01T00:00:00+00:00"
        assert session.sync(texts("one"), encoder, published={}) == SyncCounts(kept=1)
        assert session._client.scroll(session.collection())[0][0].payload["published_at"] is None


def test_what_searches_filter_by_is_indexed_on_a_server(shared_client, encoder, monkeypatch):
    indexed = []
    monkeypatch.setattr(shared_client, "create_payload_index", lambda name, field_name, **_: indexed.append(field_name))
    VectorSession(shared_client, "ann").sync(texts("one"), encoder)
    assert indexed == ["author", "category", "published_at"]


def test_an_embedded_collection_keeps_a_write_ahead_log(store, encoder, tmp_path):
    sync(store, texts("one"), encoder)
    (database,) = (tmp_path / "qdrant" / "ann").glob("collection/*/storage.sqlite")
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_is_deleted_leaves_the_collections_of_earlier_models_too(store, encoder):
    sync(store, texts("one", "two"), encoder)
    with store.session("ann") as session:
        earlier = session.collection()
    sync(store, texts("two"), HashEncoder("acme/large"))
    with store.session("ann") as session:
        assert set(session._fingerprints(earlier)) == ids(texts("two"))


def test_a_run_that_broke_off_leaves_what_it_embedded_to_the_next(store, small_batches):
    class Tiring(HashEncoder):
        def encode_passages(self, texts):
            if self.embedded:
                raise ConnectionError
            return super().encode_passages(texts)

    many = texts(*(f"text {number}" for number in range(11)))
    with pytest.raises(ConnectionError):
        sync(store, many, Tiring())
    fresh = HashEncoder()
    assert sync(store, many, fresh) == SyncCounts(added=7, kept=4)
    assert len(fresh.embedded) == 7


def test_authors_have_stores_of_their_own(store, encoder, tmp_path):
    with store.session("ann") as anns, store.session("bob") as bobs:
        anns.sync(texts("one"), encoder)
        bobs.sync(texts("two", author="bob"), encoder)
        assert anns.chunk_ids() == ids(texts("one"))
        assert bobs.chunk_ids() == ids(texts("two"))
    assert store.uri("ann") == str(tmp_path / "qdrant" / "ann")


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_authors_on_one_server_share_collections_but_see_and_change_only_their_own(encoder, shared_client):
    anns, bobs = VectorSession(shared_client, "ann"), VectorSession(shared_client, "bob")
    anns.sync(texts("one", "two"), encoder)
    assert bobs.sync(texts("three", author="bob", document="e"), encoder) == SyncCounts(added=1)
    assert anns.sync(texts("one"), encoder) == SyncCounts(kept=1, deleted=1)
    assert bobs.chunk_ids() == ids(texts("three", document="e"))
    assert [hit.chunk.text for hit in found(bobs, encoder, "one", limit=5)] == ["three"]
    assert [hit.chunk.text for hit in found(anns, encoder, "three", limit=5)] == ["one"]


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
def test_an_author_who_moves_to_another_model_leaves_the_others_on_one_server_where_they_are(encoder, shared_client):
    anns, bobs = VectorSession(shared_client, "ann"), VectorSession(shared_client, "bob")
    anns.sync(texts("one"), encoder)
    bobs.sync(texts("two", author="bob", document="e"), encoder)
    anns.sync(texts("one"), HashEncoder("acme/large"))
    assert [hit.chunk.text for hit in found(bobs, encoder, "two")] == ["two"]


HOLDER = """
import sys
from qdrant_client import QdrantClient
client = QdrantClient(path=sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
client.close()
"""


@contextmanager
def held_by_another_process(folder):
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate("\n", timeout=30)


def test_a_store_that_another_process_holds_is_waited_for_and_then_said_in_one_sentence(store, encoder, tmp_path):
    sync(store, texts("one"), encoder)
    folder = tmp_path / "qdrant" / "ann"
    with held_by_another_process(folder) as process:
        begin = time.monotonic()
        with pytest.raises(UserError) as caught:
            sync(store, texts("two"), encoder)
        assert time.monotonic() - begin >= 0.5
        assert str(caught.value).startswith(
            f"The vector store {folder} is in use by another process, and stayed so for"
        )
        assert "let that run end, or use a server (QDRANT_URL)" in str(caught.value)
        # Another author's store is not in use, and the wait is over when the other process is.
        sync(store, texts("three", author="bob"), encoder, author="bob")
        patient = VectorStore(folder=store.folder, lock_timeout_seconds=30)
        process.stdin.write("\n")
        process.stdin.flush()
        assert sync(patient, texts("one", "two"), encoder) == SyncCounts(added=1, kept=1)


def test_a_session_that_fails_lets_go_of_the_store(store, encoder):
    with pytest.raises(ZeroDivisionError), store.session("ann"):
        raise ZeroDivisionError
    assert sync(store, texts("one"), encoder) == SyncCounts(added=1)


def test_a_full_disk_keeps_the_vectors_that_were_there(store, encoder, full_disk):
    sync(store, texts("one"), encoder)
    huge = chunk("x" * 1_000_000)
    with full_disk(at=300_000), pytest.raises(UserError, match=r"ann cannot be used: .*(disk|full|I/O)"):
        sync(store, [chunk("one"), huge], encoder)
    with store.session("ann") as session:
        assert ids(texts("one")) <= session.chunk_ids()
        assert found(session, encoder, "one")[0].chunk == chunk("one")


def test_a_server_that_does_not_answer_is_said_in_one_sentence(tmp_path, encoder):
    store = VectorStore(folder=str(tmp_path), url="http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"The vector store http://127\.0\.0\.1:1 cannot be used: .*refused"):
        sync(store, texts("one"), encoder)


@pytest.mark.filterwarnings("ignore:Failed to obtain server version")
def test_neither_a_repr_nor_the_ui_shows_the_key_of_a_server_and_steps_still_get_it(monkeypatch):
    monkeypatch.setenv("QDRANT_URL", "https://qdrant.example")
    monkeypatch.setenv("QDRANT_API_KEY", NEVER_SHOWN)
    seen = []

    @dg.asset
    def reader(vector_store: VectorStore) -> None:
        seen.append((vector_store.api_key.get_secret_value(), repr(vector_store), vector_store.uri("ann")))

    store = VectorStore.from_settings(Settings())
    defs = dg.Definitions(assets=[reader], resources={"vector_store": store})
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process().success
    ((key, shown, uri),) = seen
    assert key == NEVER_SHOWN
    for text in (shown, uri, repr(store), str(RepositorySnap.from_def(defs.get_repository_def()))):
        assert NEVER_SHOWN not in text
