"""What went wrong in a step: in one sentence, with what to do, and whether doing the same again can help.

A retry helps against what passes by itself: a network, a server that is busy or restarts, a store that another process
holds. It cannot help against an input, a setting, a full disk or a mistake in the code, and a retried training costs
money. So only assets that ask somebody else have a retry policy (`ASKS_THE_NETWORK`), and `telling_failures` keeps the
policy from what cannot pass.
"""

import errno
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from twin_assets.errors import UserError

ASKS_THE_NETWORK = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For assets that ask a site, a language model or a machine elsewhere: again after 10, 30 and 70 s, each more or less
by chance, so that fifty authors do not ask again in the same second. The clients try single requests again by
themselves; what lasts longer than these two minutes is an outage, which a person should hear of."""

RETRY_CAN_HELP = "retry_can_help"
"""Metadata key of a failure."""

_PASSING = {
    # Python
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "ConnectionAbortedError",
    "BrokenPipeError",
    "TimeoutError",
    "BlockingIOError",
    "IncompleteRead",
    "gaierror",
    # MongoDB: the first is the base of the others, which are named for errors of which only the name is left
    "ConnectionFailure",
    "AutoReconnect",
    "NetworkTimeout",
    "ServerSelectionTimeoutError",
    "NotPrimaryError",
    # Qdrant, OpenAI, httpx, aiohttp, requests
    "ResponseHandlingException",
    "APIConnectionError",
    "APITimeoutError",
    "RateLimitError",
    "InternalServerError",
    "TransportError",
    "ConnectError",
    "ConnectTimeout",
    "ReadTimeout",
    "ReadError",
    "RemoteProtocolError",
    "ClientConnectionError",
    "ServerDisconnectedError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    # botocore
    "HTTPClientError",
    "EndpointConnectionError",
    "ConnectionClosedError",
    "ResponseStreamingError",
}
"""Names of the classes of errors that pass by themselves; names, because their libraries are not to be imported."""

_PASSING_CODES = {"Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown", "RequestTimeout"}
"""Codes of AWS for what passes, and may come with a status below 500."""

_HELD = re.compile(r"database is locked|already accessed by another instance", re.IGNORECASE)
"""What SQLite and the embedded Qdrant say of a store that another process holds."""

_TRANSIENT_STATUSES = {408, 425, 429}

_NO_WAY_THERE = {errno.ENETUNREACH, errno.EHOSTUNREACH}
"""What the system says of a network that is away; Python has no classes of their own for it."""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Trouble:
    """A failure, for a person."""

    sentence: str
    retry_can_help: bool
    written_for_the_user: bool
    """Whether the sentence says what to do; else it is what a library or the code raised."""


def telling_failures(function: Function) -> Function:
    """Decorate an asset's function that has a retry policy: what cannot pass by itself fails at once, and says so.

    What can pass is left to the policy.

    Raises:
        dg.Failure: In place of any error, caused by it. Its metadata say what to do, and whether a retry can help:
            that the error itself knows, and what Dagster records of it does not.
    """

    @functools.wraps(function)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (dg.Failure, dg.RetryRequested):
            raise
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as error:
            # Dagster would try again what somebody has stopped.
            raise dg.Failure(
                description="It was interrupted.", metadata={RETRY_CAN_HELP: False}, allow_retries=False
            ) from error
        except Exception as error:
            trouble = trouble_of(error)
            raise dg.Failure(
                description=trouble.sentence,
                metadata={
                    "what_to_do": trouble.sentence if trouble.written_for_the_user else "Read the log of this step.",
                    RETRY_CAN_HELP: trouble.retry_can_help,
                },
                allow_retries=trouble.retry_can_help,
            ) from error

    return told  # type: ignore[return-value]


def trouble_of(error: BaseException) -> Trouble:
    """Return an error as a person should hear of it."""
    chain = list(_causes(error))
    written = next((one for one in chain if isinstance(one, UserError)), None)
    return Trouble(
        sentence=str(written) if written else _in_words(type(chain[-1]).__name__, str(chain[-1])),
        retry_can_help=any(_passes(one) for one in _causes(error, with_contexts=True)),
        written_for_the_user=written is not None,
    )


def trouble_of_record(error: SerializableErrorInfo | None) -> Trouble:
    """Return an error that Dagster recorded, of which only names and messages are left, as `trouble_of` would."""
    if error is None:
        return Trouble("It failed without a message.", retry_can_help=False, written_for_the_user=False)
    chain = [error]
    while chain[-1].cause:
        chain.append(chain[-1].cause)
    users = _names(UserError)
    written = next((one for one in chain if one.cls_name in users), None)
    return Trouble(
        sentence=_message(written) if written else _in_words(chain[-1].cls_name or "Error", _message(chain[-1])),
        retry_can_help=any(one.cls_name in _PASSING or bool(_HELD.search(one.message)) for one in chain),
        written_for_the_user=written is not None,
    )


def _causes(error: BaseException, *, with_contexts: bool = False) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, the innermost last.

    With contexts, also what it was raised in the face of: MLflow's client says in no other way that a server was away.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        in_the_face_of = cause.__context__ if with_contexts and not cause.__suppress_context__ else None
        cause = cause.__cause__ or in_the_face_of


def _passes(error: BaseException) -> bool:
    if any(kind.__name__ in _PASSING for kind in type(error).__mro__) or _HELD.search(str(error)):
        return True
    if getattr(error, "again", False) is True or getattr(error, "unreachable", False) is True:
        # The trouble of a language model's endpoint says itself whether it passes.
        return True
    if isinstance(error, OSError) and error.errno in _NO_WAY_THERE:
        return True
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = response.get("Error", {}).get("Code")
        return code in _PASSING_CODES or _is_transient(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    statuses = (
        getattr(response, "status_code", None),
        *(getattr(error, name, None) for name in ("status_code", "status")),
    )
    return any(_is_transient(status) for status in statuses)


def _is_transient(status: object) -> bool:
    return isinstance(status, int) and (status in _TRANSIENT_STATUSES or 500 <= status < 600)


def _in_words(name: str, message: str) -> str:
    first = message.strip().partition("\n")[0]
    return f"{name}: {first}" if first else name


def _message(error: SerializableErrorInfo) -> str:
    """Return the message of a recorded error without the name of its class, which Dagster writes before it."""
    _, separator, sentence = error.message.strip().partition(": ")
    return sentence if separator else error.message.strip()


def _names(kind: type[UserError]) -> set[str]:
    return {kind.__name__}.union(*(_names(child) for child in kind.__subclasses__()))
