"""Reaching Qdrant: a folder that only one process may open, or a server that may be away for a moment."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from twin_assets.errors import UserError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
"""How often a request is tried, and the wait after the first failure; each further wait is twice as long."""

_STORAGE = "collection/{collection}/storage.sqlite"

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


def persistently(request: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
    """Send a request, again if the server did not answer, was overloaded or failed.

    Every request that the store makes may be repeated: what is written twice is written once.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_WAIT_SECONDS),
        reraise=True,
    )
    return retrying(request, *args, **kwargs)


def refusals() -> tuple[type[Exception], ...]:
    """Return what a server, and the embedded store, raise when they cannot do what they are asked."""
    from qdrant_client.http.exceptions import ApiException

    return ApiException, sqlite3.Error


def open_server(url: str, *, api_key: str | None, timeout_seconds: float) -> "QdrantClient":
    """Return a client of a server; nothing is asked of it yet."""
    from qdrant_client import QdrantClient

    return QdrantClient(url=url, api_key=api_key, timeout=max(1, round(timeout_seconds)), check_compatibility=False)


def open_folder(path: Path, *, lock_timeout_seconds: float) -> "QdrantClient":
    """Open an embedded store, waiting for a process that has it open.

    Raises:
        UserError: If it stays in use for longer than the timeout.
    """
    from qdrant_client import QdrantClient

    path.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + lock_timeout_seconds
    while True:
        try:
            return QdrantClient(path=str(path))
        except RuntimeError as error:
            if "already accessed" not in str(error):
                raise
            if time.monotonic() >= deadline:
                raise UserError(
                    f"The vector store {path} is in use by another process, and stayed so for "
                    f"{lock_timeout_seconds:.0f} s: let that run end, or use a server (QDRANT_URL)."
                ) from error
            time.sleep(0.2)


def write_ahead(path: Path, collection: str) -> None:
    """Let the database of an embedded collection keep a write-ahead log, as SQLite recommends for many small commits.

    The embedded store commits each point for itself: with the log that is one append in place of a new journal file,
    and lasts as well. The mode is a property of the file; where the file system cannot share memory, it stays as it is.
    """
    database = path / _STORAGE.format(collection=collection)
    if database.is_file():
        connection = sqlite3.connect(database)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


def _may_pass(error: BaseException) -> bool:
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return error.status_code is not None and (error.status_code == 429 or error.status_code >= 500)
    return isinstance(error, ResponseHandlingException)
