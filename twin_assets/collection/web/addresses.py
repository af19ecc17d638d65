"""Addresses of pages: their one form, the host they name, and the platform that publishes there."""

import posixpath
import re
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

DEFAULT_PORTS = {"http": 80, "https": 443}

_TRACKING = re.compile(
    r"utm_\w+|mc_[ce]id|fbclid|gclid|dclid|msclkid|yclid|igshid|_hsenc|_hsmi|mkt_tok|ref_src", re.IGNORECASE
)
"""Parameters that tell where a reader came from: they change nothing on the page."""

_TRACKING_OF_PLATFORMS = {
    "medium": re.compile(r"source|sk|gi"),
    "substack": re.compile(r"r|publication_id|post_id|triedRedirect|isFreemail|showWelcomeOnShare"),
}
"""The same, of one platform: elsewhere `source` or `r` may name the page."""

PLATFORMS: dict[str, str] = {
    "medium.com": "medium",
    "substack.com": "substack",
    "dev.to": "devto",
    "hashnode.dev": "hashnode",
    "github.io": "github pages",
    "wordpress.com": "wordpress",
    "blogspot.com": "blogger",
    "ghost.io": "ghost",
}
"""Platforms by their domain; a subdomain of it is the platform too."""


def is_web_address(url: str) -> bool:
    """Whether `url` is one that a browser would ask a server for."""
    try:
        parts = urlsplit(url)
        return parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return the host that a URL names, lower-case, without user, port or a final dot."""
    return (urlsplit(url).hostname or "").rstrip(".")


def belongs_to(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or a subdomain of it: `x.medium.com` is, `medium.com.evil.org` is not."""
    return host == domain or host.endswith(f".{domain}")


def platform_of(url: str) -> str:
    """Return the name of the platform that publishes at a URL; where none is known the host, without `www.`."""
    host = host_of(url)
    for domain, platform in PLATFORMS.items():
        if belongs_to(host, domain):
            return platform
    return host.removeprefix("www.")


def web_address(url: str, base: str) -> str | None:
    """Return the one form of an address that a page, a feed or a sitemap at `base` gives; None if it is none."""
    try:
        address = normalised(url, base)
        address.encode()
    except ValueError:
        # What stands there may be anything: an open bracket, a port of ten digits, half a character.
        return None
    return address if is_web_address(address) else None


def normalised(url: str, base: str = "") -> str:
    """Return the one form of a URL: absolute, without fragment, default port and tracking parameters.

    The order of the other parameters stays, because it may matter to the server (RFC 3986, section 6).
    """
    parts = urlsplit(urljoin(base, url.strip()))
    host = host_of(parts.geturl())
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    query = _without_tracking(parts.query, platform_of(parts.geturl()))
    return urlunsplit((parts.scheme, host + port, _path(parts.path), query, ""))


def _without_tracking(query: str, platform: str) -> str:
    kept = [
        (key, value)
        for key, value in parse_qsl(query, keep_blank_values=True)
        if not _TRACKING.fullmatch(key)
        and not (platform in _TRACKING_OF_PLATFORMS and _TRACKING_OF_PLATFORMS[platform].fullmatch(key))
    ]
    # A query that needs no change stays as it is written, because a server may read it in a form of its own.
    return query if len(kept) == len(parse_qsl(query, keep_blank_values=True)) else urlencode(kept)


def _path(path: str) -> str:
    """Return a path without `.` and `..` segments; a final slash stays, because it is another page to some servers."""
    if "/." not in path and "//" not in path:
        return path or "/"
    clean = posixpath.normpath(path)
    return clean + "/" if path.endswith("/") and clean != "/" else clean
