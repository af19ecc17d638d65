"""Whether a retry can help, by steps that really fail in runs; nothing here waits for a retry policy's seconds."""

import errno
import http.server
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from twin_assets.definitions import build_defs
from twin_assets.errors import UserError
from twin_assets.failures import ASKS_THE_NETWORK, RETRY_CAN_HELP, telling_failures, trouble_of, trouble_of_record


class AnswerError(Exception):
    """As clients of HTTP APIs raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status


class CloudError(Exception):
    """As botocore's ClientError."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "can_help"),
    [
        (ConnectionResetError("reset"), True),
        (TimeoutError("too long"), True),
        (sqlite3.OperationalError("database is locked"), True),
        (sqlite3.OperationalError("no such table: pages"), False),
        (RuntimeError("Storage folder x is already accessed by another instance of Qdrant client"), True),
        (AnswerError(503), True),
        (AnswerError(429), True),
        (AnswerError(404), False),
        (CloudError("SlowDown", 503), True),
        (CloudError("ThrottlingException", 400), True),
        (CloudError("AccessDenied", 403), False),
        (UserError("The folder is empty: add a text."), False),
        (ValueError("a mistake"), False),
        (caused(UserError("MongoDB stopped answering: start it."), ConnectionRefusedError("refused")), True),
        (caused(UserError("The disk is full: make room."), OSError(28, "No space left")), False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(error, can_help):
    assert trouble_of(error).retry_can_help is can_help


@pytest.fixture(scope="module")
def busy() -> Iterator[str]:
    """The address of a server that answers everything with 503."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *args: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def raised_by(ask: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which it is, is what is asked
        ask()
    return raised.value


def ask_requests(url: str) -> None:
    import requests

    requests.get(url, timeout=5).raise_for_status()


def ask_httpx(url: str) -> None:
    import httpx2

    httpx2.get(url).raise_for_status()


def ask_the_hub(url: str) -> None:
    import httpx2
    from huggingface_hub.utils import hf_raise_for_status

    hf_raise_for_status(httpx2.get(url))


@pytest.mark.parametrize("ask", [ask_requests, ask_httpx, ask_the_hub])
def test_a_server_that_is_busy_passes_whichever_client_says_so(busy, ask):
    assert trouble_of(raised_by(lambda: ask(busy))).retry_can_help


def test_an_mlflow_server_that_refuses_connections_passes(monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    error = raised_by(lambda: MlflowClient(tracking_uri=address).get_experiment("0"))
    assert trouble_of(error).retry_can_help
    assert trouble_of(error).sentence.startswith("MlflowException")


def test_a_network_that_is_away_passes_and_a_full_disk_does_not():
    assert trouble_of(raised_by(lambda: socket.getaddrinfo("nowhere.invalid", 80))).retry_can_help
    assert trouble_of(OSError(errno.ENETUNREACH, "Network is unreachable")).retry_can_help
    assert not trouble_of(OSError(errno.ENOSPC, "No space left on device")).retry_can_help


def test_what_was_raised_from_none_stands_for_itself():
    def ask() -> None:
        try:
            socket.create_connection(("127.0.0.1", 1))
        except ConnectionRefusedError:
            raise ValueError("a mistake") from None

    assert not trouble_of(raised_by(ask)).retry_can_help


def test_the_sentence_is_that_of_the_user_error_and_not_of_what_caused_it():
    trouble = trouble_of(caused(UserError("MongoDB stopped answering: start it."), ConnectionRefusedError("refused")))
    assert trouble.sentence == "MongoDB stopped answering: start it."
    assert trouble_of(KeyError("author")).sentence == "KeyError: 'author'"


class Failing:
    """An asset that raises these errors, one at each attempt, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0

        @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
        @telling_failures
        def collected(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            """Collected."""
            self.attempts += 1
            if self.errors:
                raise self.errors.pop(0)
            return dg.MaterializeResult(metadata={"run": context.run_id})

        self.result = dg.materialize([collected], instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)

    @property
    def failure(self) -> dg.DagsterEvent:
        (event,) = [event for event in self.result.all_events if event.is_step_failure]
        return event


def test_a_network_that_comes_back_is_asked_again():
    failing = Failing(ConnectionResetError("reset"), TimeoutError("late"))
    assert failing.result.success
    assert failing.attempts == 3


def test_a_user_error_fails_at_once_and_says_what_to_do():
    failing = Failing(UserError("The folder is empty: add a text."))
    assert not failing.result.success
    assert failing.attempts == 1
    failed = failing.failure.step_failure_data
    assert failed.user_failure_data.metadata[RETRY_CAN_HELP].value is False
    assert failed.user_failure_data.metadata["what_to_do"].value == "The folder is empty: add a text."
    assert trouble_of_record(failed.error).sentence == "The folder is empty: add a text."
    assert trouble_of_record(failed.error).retry_can_help is False


def test_a_mistake_in_the_code_fails_at_once_with_its_own_error():
    failing = Failing(KeyError("author"))
    assert failing.attempts == 1
    assert trouble_of_record(failing.failure.step_failure_data.error).sentence == "KeyError: 'author'"


def test_what_lasts_fails_after_the_last_attempt_and_is_still_said_to_pass():
    """Of a recorded error only names are left, and `CloudError` says nothing: what it held is in the metadata."""
    for error in (ConnectionRefusedError("refused"), CloudError("SlowDown", 503)):
        failing = Failing(*(error for _ in range(3)))
        assert not failing.result.success
        assert failing.attempts == 3
        failed = failing.failure.step_failure_data
        assert failed.user_failure_data.metadata[RETRY_CAN_HELP].value is True
        assert trouble_of_record(failed.error).sentence == trouble_of(error).sentence


def test_exactly_the_assets_that_ask_somebody_else_are_tried_again():
    jobs = build_defs().get_implicit_global_asset_job_def()
    policies = {node.name: node.definition.retry_policy for node in jobs.nodes}
    assert {name for name, policy in policies.items() if policy == ASKS_THE_NETWORK} == {
        "raw_documents",
        "instruct_dataset",
        "preference_dataset",
        "base_model",
        "sft_checkpoint",
        "dpo_checkpoint",
    }
