"""Addresses of repositories: which may be asked, and under which name each is known."""

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from twin_assets.collection.web.guard import is_public
from twin_assets.errors import UserError

PLATFORMS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "codeberg.org": "codeberg",
}
"""Hosts whose name is that of a platform; compared whole, so that github.com.evil.example is none."""

PROTOCOLS = ("https", "ssh")
PRIVATE_PROTOCOLS = (*PROTOCOLS, "http", "git")
"""Protocols without encryption are for private networks alone, where a setting allows these."""

_SCP_FORM = re.compile(r"\w[\w.-]*@(?P<host>[\w.-]+):(?P<path>(?!/)[^\s]+)")


@dataclass(frozen=True)
class Address:
    """Where a repository is, and what it is called."""

    url: str
    """Canonical address of its page, or the path as the author file names it: its identity."""
    location: str
    """What git is given."""
    platform: str
    name: str
    host: str | None
    """None if it lies on this machine."""


def address_of(written: str, folder: Path, *, private: bool) -> Address:
    """Read an address as it stands in an author file.

    Args:
        written: `https://host/owner/name`, `ssh://...`, `git@host:owner/name`, or a path.
        folder: Where relative paths start.
        private: Whether hosts of a private network may be asked.

    Raises:
        UserError: If it is none of these, or holds a password.
    """
    scp = _SCP_FORM.fullmatch(written)
    parts = urlsplit(f"ssh://{scp['host']}/{scp['path']}" if scp else written)
    if not parts.scheme:
        return _local(written, folder)
    if parts.password or (parts.username and parts.scheme in {"http", "https"}):
        raise UserError(
            f"An address of a repository on {parts.hostname} holds a secret: take it out of the author file."
        )
    allowed = PRIVATE_PROTOCOLS if private else PROTOCOLS
    if parts.scheme not in allowed or not parts.hostname:
        raise UserError(f"{written!r} is no address of a repository: use {' or '.join(allowed)}, or a path.")
    host = parts.hostname.removeprefix("www.")
    path = parts.path.strip("/").removesuffix(".git")
    if not path:
        raise UserError(f"{written!r} names a host, but no repository on it.")
    port = f":{parts.port}" if parts.port and parts.scheme != "ssh" else ""
    return Address(
        url=f"{'https' if parts.scheme == 'ssh' else parts.scheme}://{host}{port}/{path}",
        location=written,
        platform=PLATFORMS.get(host, "git"),
        name=path.rpartition("/")[2],
        host=parts.hostname,
    )


def is_private(host: str) -> bool:
    """Return whether a host has an address that is not public.

    A host that cannot be found is left to git, which may go through a proxy that knows it.
    """
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return not all(is_public(str(entry[4][0])) for entry in found)


def _local(written: str, folder: Path) -> Address:
    path = (folder / written).resolve()
    return Address(url=written, location=str(path), platform="git", name=path.name, host=None)
