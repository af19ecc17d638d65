"""Which addresses of the network may be asked: public ones, unless a setting allows private ones.

The resolver decides about the very addresses that are then connected to. So a name that points to a private address,
now or after it was looked at once, is refused, and so is a redirect to one.
"""

import ipaddress
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from twin_assets.collection.web.addresses import host_of, is_web_address
from twin_assets.collection.web.answers import Refused

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that hold an IPv4 address in their last 32 bits (RFC 6052)."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet.

    Private, loopback, link-local, multicast and reserved ones are not (IANA's special-purpose registries, RFC 6890),
    nor is one of these in the form of an IPv6 address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def check_address(url: str, *, allow_private: bool) -> None:
    """Make sure that a URL is one that may be asked.

    Raises:
        Refused: If it is not http or https, or names a private address by number.
    """
    if not is_web_address(url):
        raise Refused(f"{url[:200]} is not an address of the web (http:// or https://)")
    host = _host_connected_to(url)
    if not allow_private and _is_number(host) and not is_public(host):
        raise Refused(_private(host_of(url)))


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses alone."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            Refused: If one of them is not public.
        """
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(address["host"]) for address in found):
            raise Refused(_private(host))
        return found

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()


def _host_connected_to(url: str) -> str:
    """Return the host as the client reads it: of digits in another script, it makes ASCII ones (UTS 46)."""
    try:
        return (URL(url).raw_host or "").rstrip(".")
    except ValueError as error:
        raise Refused(f"{url[:200]} is not an address of the web (http:// or https://)") from error


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _private(host: str) -> str:
    return f"{host} lies in a private network: set TWIN_CRAWL_PRIVATE_HOSTS=true if it may be asked"
