"""One request to an OpenAI-compatible endpoint, in whatever dialect it understands, and what its refusals mean.

How often something is asked, and what it may cost, is decided in `language_model`.
"""

import asyncio
import ipaddress
import json
import re
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from resources.answers import RawAnswer, raw_answer_of
from resources.dialect import Dialect, Format, Request, parameters_of, simpler_than
from twin_assets.asking import NO_ANSWER, NOT_TAKEN
from twin_assets.errors import UserError
from twin_assets.retry_after import seconds_to_wait
from twin_assets.settings import without_userinfo

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError

ADAPTABLE = frozenset({400, 422})
"""Answers to a request that is not understood, in part or at all."""

TRANSIENT = frozenset({408, 409, 429})
"""Answers, beside all from 500, after which asking again may succeed (RFC 9110, section 15; RFC 6585, section 4)."""

NO_KEY = "no-key"
"""What the client sends to a server on this machine that wants no key: it refuses to send nothing."""

SHORTEST_SECRET = 16
"""Characters of a key that is one. Servers at home are content with words like "ollama", which answers may hold."""

_NO_SUCH_MODEL = re.compile(
    r"model_not_found|invalid model|not a valid model|unknown model|pinned to|"
    r"model\b.{0,80}\b(?:not found|not exist|not available|not supported)",
    re.IGNORECASE | re.DOTALL,
)
_OUT_OF_CREDIT = re.compile(r"insufficient_quota|billing_hard_limit|exceeded your current quota", re.IGNORECASE)


class Trouble(Exception):  # noqa: N818 - not an error yet: it may be asked again
    """A request without an answer.

    Attributes:
        failure: The sentence that counts it.
        detail: What happened.
        again: Whether asking again may succeed.
        unreachable: Whether there was no server at all.
        billed: Whether the server may have done its work, and charge for it.
        after: Seconds that the server asks to be left alone; None if it does not say.
    """

    def __init__(
        self,
        failure: str,
        detail: str,
        *,
        again: bool = False,
        unreachable: bool = False,
        billed: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.again = again
        self.unreachable = unreachable
        self.billed = billed
        self.after = after


class Endpoint:
    """A model behind an address. It learns what dialect is spoken there; it is opened for each batch of requests."""

    def __init__(
        self, *, url: str, key: SecretStr | None, model: str, model_setting: str, timeout_seconds: float
    ) -> None:
        """Check the address; nothing is asked.

        Args:
            url: Base address of the API, such as https://api.openai.com/v1.
            key: Key of the API; a server on this machine may do without.
            model: Name of the model there.
            model_setting: Setting that names the model, for messages.
            timeout_seconds: How long an answer may take, from the request to its last byte.

        Raises:
            UserError: If the address is none, or there is no key for it.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UserError(
                f"TWIN_TEACHER_URL is not an address ({without_userinfo(url)}): it begins with http:// or https://, as "
                "in http://127.0.0.1:8000/v1."
            )
        self._local = _is_this_machine(parts.hostname)
        # A key that was read from a file often ends with its line break.
        secret = key.get_secret_value().strip() if key else ""
        if not secret and not self._local:
            raise UserError(f"{without_userinfo(url)} wants a key: set TWIN_TEACHER_KEY (or OPENAI_API_KEY).")
        self._url, self._key, self._model, self._setting = url, SecretStr(secret), model, model_setting
        self._timeout = timeout_seconds
        self._dialect = Dialect()
        self._formats: dict[type[BaseModel], Format] = {}
        self._client: Any = None

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return without_userinfo(self._url)

    async def __aenter__(self) -> Self:
        """Open connections, which belong to the running event loop."""
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        self._client = AsyncOpenAI(
            base_url=self._url,
            api_key=self._key.get_secret_value() or NO_KEY,
            max_retries=0,
            timeout=self._timeout,
            # A proxy of the environment leads away from this machine.
            http_client=DefaultAsyncHttpxClient(timeout=self._timeout, trust_env=not self._local),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.close()

    async def send(self, request: Request) -> RawAnswer:
        """Return what the model answers.

        A parameter that the server does not know is left out, and the form is asked for in simpler ways, down to
        words in the prompt. What was understood is tried first from then on.

        Raises:
            Trouble: If there is no answer.
            UserError: If there will be none to any request: a wrong key, no such model, no credit.
        """
        dialect = replace(self._dialect, format=self._formats.get(request.form, Format.SCHEMA))
        while True:
            try:
                raw = await self._send(request, dialect)
            except _NotUnderstoodError as refusal:
                simpler = simpler_than(dialect, refusal.says)
                if simpler is None:
                    raise Trouble(NOT_TAKEN, refusal.says) from refusal
                dialect = simpler
            else:
                self._dialect = dialect
                # Another request may have found out meanwhile that this format is taken and ignored.
                self._formats[request.form] = max(dialect.format, self._formats.get(request.form, dialect.format))
                return raw

    def schema_was_ignored(self, form: type[BaseModel]) -> None:
        """Put the schema of a form into the prompt from now on: the server took it, and the model never saw it."""
        if self._formats.get(form) is Format.SCHEMA:
            self._formats[form] = Format.OBJECT

    def redacted(self, text: str) -> str:
        """Return a text without the key, which a server may say back."""
        return text.replace(self._key.get_secret_value(), "***") if len(self._key) >= SHORTEST_SECRET else text

    async def _send(self, request: Request, dialect: Dialect) -> RawAnswer:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        try:
            # The client's own limit is for each piece that arrives: a server that drips would never reach it.
            async with asyncio.timeout(self._timeout):
                response = await self._client.chat.completions.with_raw_response.create(
                    **parameters_of(self._model, request, dialect)
                )
                body = response.text
        except (TimeoutError, APITimeoutError) as error:
            if _never_connected(error):
                raise self._unreachable("it does not answer") from error
            detail = f"no answer within {self._timeout:g} seconds (TWIN_TEACHER_TIMEOUT_SECONDS)"
            raise Trouble(NO_ANSWER, detail, again=True, billed=True) from error
        except APIConnectionError as error:
            raise self._broken(error) from error
        except APIStatusError as error:
            self._refused(error)
        try:
            raw = raw_answer_of(body)
        except ValueError as error:
            raise Trouble(NO_ANSWER, self.redacted(str(error)), billed=True) from error
        return replace(raw, text=self.redacted(raw.text), refusal=self.redacted(raw.refusal))

    def _unreachable(self, why: str) -> Trouble:
        return Trouble(NO_ANSWER, why, again=True, unreachable=True)

    def _broken(self, error: "APIConnectionError") -> Trouble:
        cause = error.__cause__ or error
        if _never_connected(error):
            return self._unreachable(str(cause) or type(cause).__name__)
        return Trouble(NO_ANSWER, f"the connection broke ({type(cause).__name__})", again=True, billed=True)

    def _refused(self, error: "APIStatusError") -> NoReturn:
        """Say what a status means.

        Raises:
            Trouble: If it concerns this request.
            UserError: If it concerns every request.
        """
        status, says = error.status_code, self.redacted(_said(error))
        if status in {401, 403}:
            raise UserError(
                f"{self.address} does not accept the key ({status}): set TWIN_TEACHER_KEY (or OPENAI_API_KEY) to one "
                f"that may use {self._model}. It says: {says}"
            ) from error
        if status == 402 or (status == 429 and _OUT_OF_CREDIT.search(says)):
            raise UserError(f"The account at {self.address} has no credit left: top it up. It says: {says}") from error
        if status == 404 or (status in ADAPTABLE and _NO_SUCH_MODEL.search(says)):
            raise UserError(
                f"There is no model {self._model} at {self.address} ({status}): mend {self._setting} or "
                f"TWIN_TEACHER_URL. It says: {says}"
            ) from error
        if status in TRANSIENT or status >= 500:
            after = seconds_to_wait(error.response.headers, datetime.now(UTC))
            raise Trouble(NO_ANSWER, f"HTTP {status}: {says}", again=True, after=after) from error
        if status in ADAPTABLE:
            raise _NotUnderstoodError(f"HTTP {status}: {says}") from error
        raise Trouble(NOT_TAKEN, f"HTTP {status}: {says}") from error


class _NotUnderstoodError(Exception):
    def __init__(self, says: str) -> None:
        super().__init__(says)
        self.says = says


def _said(error: "APIStatusError") -> str:
    """Return what a server says of its refusal, in one line."""
    body: Any = error.body
    inner = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(inner, dict):
        parts = [inner.get("message") or inner.get("detail"), inner.get("code"), inner.get("type")]
        said = " / ".join(str(part) for part in parts if part) or json.dumps(inner)
    else:
        said = str(inner or error.response.text)
    return " ".join(said.split())[:500] or "nothing"


def _never_connected(error: BaseException) -> bool:
    """Return whether a request ended before it was sent."""
    import httpx2

    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    never = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError, ssl.SSLError)
    return any(isinstance(cause, never) for cause in causes)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
