"""One request, one answer: over the network, within limits, and to nobody whom we may not ask.

Redirects are not followed, nothing is asked twice, and no host is spared here; `fetcher` does that.
"""

import ssl
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver

from twin_assets.collection.characters import whole_characters
from twin_assets.collection.contract import WebLimits
from twin_assets.collection.web.answers import Answer, Failed, HostTrouble, Refused, Retryable
from twin_assets.collection.web.clock import Clock
from twin_assets.collection.web.guard import PublicResolver, check_address
from twin_assets.retry_after import seconds_to_wait

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
"""Answers after which asking again may succeed (RFC 6585, section 4; RFC 9110, section 15.6)."""

TAKEN_AS_THEY_ARE = frozenset({"etag", "last-modified", "location"})
"""Headers that are sent back or followed."""

PIECE_BYTES = 64 * 1024


class Transport:
    """An open client; used as a context manager."""

    def __init__(self, limits: WebLimits, clock: Clock, resolver: AbstractResolver | None = None) -> None:
        self._limits = limits
        self._clock = clock
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the client."""
        inner = self._resolver or aiohttp.ThreadedResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=inner if self._limits.allow_private_hosts else PublicResolver(inner),
                limit_per_host=self._limits.connections_per_host,
            ),
            # What one page sets must not change what the next one says.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._limits.timeout_seconds),
            headers={
                "User-Agent": self._limits.user_agent,
                "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            },
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        if self._session:
            await self._session.close()

    async def ask(self, url: str, headers: dict[str, str] | None = None, *, at_most: int | None = None) -> Answer:
        """Ask for one address.

        Args:
            url: Address, not followed further.
            headers: More headers of the request.
            at_most: Longest body that is read, unpacked; the limit of a page without it.

        Raises:
            Refused: If the address is one that we may not ask.
            Failed: If the answer is too long.
            HostTrouble: If the host does not answer, or not in full; `Retryable` if it may next time.
        """
        if self._session is None:
            raise RuntimeError("The transport is not open.")
        check_address(url, allow_private=self._limits.allow_private_hosts)
        limit = self._limits.max_page_bytes if at_most is None else at_most
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                answer = Answer(
                    url=str(response.url),
                    status=response.status,
                    headers=_headers(response),
                )
                if response.status in TRANSIENT_STATUSES:
                    after = seconds_to_wait(answer.headers, self._clock.now())
                    reason = whole_characters(response.reason or "")
                    raise Retryable(f"the server answers {response.status} {reason}", after)
                body = await _body(response, limit) if 200 <= response.status < 300 else b""
        except Refused:
            raise
        except TimeoutError as error:
            raise Retryable(f"no answer within {self._limits.timeout_seconds:g} seconds") from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise HostTrouble(f"the certificate of the server cannot be trusted ({_certificate(error)})") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise HostTrouble("there is no host of that name") from error
        except aiohttp.ClientConnectorError as error:
            raise HostTrouble(f"the server cannot be reached ({error.os_error.strerror or error.os_error})") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError) as error:
            raise Retryable("the connection broke off before the answer was complete") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise Failed(f"the answer cannot be read ({type(error).__name__})") from error
        return Answer(url=answer.url, status=answer.status, headers=answer.headers, body=body)


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers of an answer by lower-case name.

    Bytes that are not UTF-8 come as halves of characters. In most headers they may be replaced; but a validator or an
    address with something else in its place is another one, and worse than none.
    """
    headers = {}
    for name, value in response.headers.items():
        whole = whole_characters(value)
        if whole == value or name.lower() not in TAKEN_AS_THEY_ARE:
            headers[name.lower()] = whole
    return headers


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    too_long = Failed(f"the page is longer than {limit:,} bytes (TWIN_CRAWL_MAX_PAGE_BYTES)")
    # A packed body says how long it is packed: that alone is too long already.
    if response.content_length is not None and response.content_length > limit:
        raise too_long
    pieces = bytearray()
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        pieces += piece
        if len(pieces) > limit:
            raise too_long
    return bytes(pieces)


def _certificate(error: Exception) -> str:
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return str(getattr(inner, "verify_message", "") or getattr(inner, "reason", "") or type(inner).__name__)
