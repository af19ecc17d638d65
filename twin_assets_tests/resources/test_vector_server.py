"""A Qdrant server that is down, hangs, fails or dies half-way: a clear sentence, and nothing that was done is lost.

Served on loopback, so that the requests, time limits and repetitions are the real client's.
"""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from resources import vector_connection
from resources.vector_store import VectorStore
from twin_assets.errors import UserError
from twin_assets_tests.resources.test_vector_store import HashEncoder, texts

OK = {"result": True, "status": "ok", "time": 0.0}


class FailingQdrant:
    """Answers as a server with one empty collection does, until an upsert that `fails` says to fail."""

    def __init__(self):
        self.fails = lambda number: None
        self.upserts = []
        self.stored = {}
        self.released = threading.Event()

    def answer(self, method, path, body):
        if method == "PUT" and path.endswith("/points"):
            self.upserts.append(len(body["points"]))
            failure = self.fails(len(self.upserts))
            if failure:
                return failure
            self.stored |= {point["id"]: point["payload"] for point in body["points"]}
            return 200, {**OK, "result": {"operation_id": 1, "status": "completed"}}
        results = {
            "exists": {"exists": True},
            "scroll": {
                "points": [{"id": name, "payload": payload} for name, payload in self.stored.items()],
                "next_page_offset": None,
            },
            "index": {"operation_id": 1, "status": "completed"},
            "aliases": {"aliases": []} if method == "GET" else True,
            "collections": {"collections": []},
        }
        return 200, {**OK, "result": results[path.rsplit("/", 1)[-1]]}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(vector_connection, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("resources.vector_session.BATCH_SIZE", 2)
    qdrant = FailingQdrant()

    class Handler(BaseHTTPRequestHandler):
        def do_any(self):
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, content = qdrant.answer(self.command, self.path.partition("?")[0], body)
            if status == "hang":
                qdrant.released.wait(20)
                return
            if status == "close":
                self.close_connection = True
                return
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = do_any  # noqa: N815

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        qdrant.store = VectorStore(folder="unused", url=url, timeout_seconds=1)
        yield qdrant
        qdrant.released.set()


@contextmanager
def serving(handler):
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def sync(server, chunks, encoder):
    with server.store.session("ann") as session:
        return session.sync(chunks, encoder)


MANY = texts("alpha", "beta", "gamma", "delta", "epsilon")


@pytest.mark.parametrize("failure", [(503, {"status": "busy"}), (429, {"status": "slow down"}), ("close", None)])
def test_a_request_that_fails_once_is_repeated_and_nothing_is_embedded_twice(server, failure):
    server.fails = lambda number: failure if number == 2 else None
    encoder = HashEncoder()
    assert sync(server, MANY, encoder).added == 5
    assert server.upserts == [2, 2, 2, 1]
    assert sorted(encoder.embedded) == sorted(chunk.text for chunk in MANY)


@pytest.mark.parametrize(
    ("failure", "said"), [((500, {"status": "out of disk"}), "out of disk"), (("close", None), "disconnected")]
)
def test_a_server_that_dies_half_way_is_said_and_the_next_run_embeds_only_the_rest(server, failure, said):
    server.fails = lambda number: failure if number >= 2 else None
    encoder, more = HashEncoder(), texts(*"abcdefghi")
    with pytest.raises(UserError, match=r"The vector store http://.* cannot be used: ") as caught:
        sync(server, more, encoder)
    assert said in str(caught.value)
    assert "run again, and only the rest is embedded" in str(caught.value)
    assert len(server.upserts) == 1 + vector_connection.ATTEMPTS
    # A batch is computed while the one before it is stored, and no more than that one ahead of what failed.
    assert len(encoder.embedded) == 6
    server.fails = lambda _: None
    fresh = HashEncoder()
    assert sync(server, more, fresh).added == 7
    assert set(fresh.embedded).isdisjoint(encoder.embedded[:2])


def test_what_a_server_refuses_for_good_is_not_repeated(server):
    server.fails = lambda _: (400, {"status": {"error": "Wrong input: vector dimension"}})
    with pytest.raises(UserError, match="Wrong input"):
        sync(server, MANY, HashEncoder())
    assert len(server.upserts) == 1


def test_a_server_that_hangs_is_given_up_after_the_timeout(server, monkeypatch):
    monkeypatch.setattr(vector_connection, "ATTEMPTS", 2)
    server.fails = lambda _: ("hang", None)
    begin = time.monotonic()
    with pytest.raises(UserError, match="timed out"):
        sync(server, MANY, HashEncoder())
    assert 2 <= time.monotonic() - begin < 6
    assert len(server.upserts) == 2
