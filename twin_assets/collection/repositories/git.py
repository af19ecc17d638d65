"""Asking git, so that nothing of a repository is ever run, checked out or followed.

A repository is read from its objects, never from a working tree: there is nothing that a hook, a filter (LFS), a
submodule or a symbolic link could act on, and code comes byte for byte, whatever line endings this machine prefers.
The configuration of the machine and of the user is left aside, so that every machine collects the same.
"""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twin_assets.errors import UserError

CLONE_TIMEOUT_SECONDS = 600.0
"""Longest clone: with one commit, and without the large files, what takes longer hangs."""
READ_TIMEOUT_SECONDS = 120.0
"""Longest look into a repository on this machine."""

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}
_OPTIONS = (
    "-c", f"core.hooksPath={os.devnull}",
    "-c", "core.fsmonitor=false",
    # A repository that moved may have moved to an address that must not be asked.
    "-c", "http.followRedirects=false",
    "-c", "submodule.recurse=false",
    # Else git would run whatever program the repository names for it.
    "-c", "log.showSignature=false",
)  # fmt: skip

REGULAR_FILE = "100"
"""How the mode of a regular file begins."""
SYMBOLIC_LINK = "120000"
"""The mode of a symbolic link; what is neither of the two is a submodule."""


@dataclass(frozen=True)
class TreeEntry:
    """One path of a commit."""

    mode: str
    object_id: str
    path: str


def remote_head(location: str, *, protocols: Sequence[str], timeout: float) -> str | None:
    """Return the commit that a repository elsewhere stands at; None if it has none yet.

    Raises:
        UserError: If it cannot be asked.
    """
    answer = _git(["ls-remote", "--", location, "HEAD"], timeout=timeout, protocols=protocols)
    return answer.split()[0].decode() if answer.strip() else None


def local_head(folder: str) -> str | None:
    """Return the commit that a repository on this machine stands at; None if it has none yet.

    Raises:
        UserError: If there is no repository.
    """
    top = Path(folder)
    if not (top / ".git").exists() and not (top / "HEAD").is_file():
        raise UserError(f"{folder} is no git repository.")
    answer = _git(["rev-list", "--max-count=1", "--all"], folder=folder, timeout=READ_TIMEOUT_SECONDS)
    if not answer.strip():
        return None
    return (
        _git(["rev-parse", "--verify", "HEAD^{commit}"], folder=folder, timeout=READ_TIMEOUT_SECONDS).decode().strip()
    )


def clone(location: str, folder: str, *, protocols: Sequence[str], largest: int) -> None:
    """Fetch one commit of a repository, without the files that are too large where the server can leave them out.

    Raises:
        UserError: If that fails.
    """
    _git(
        [
            "clone", "--quiet", "--bare", "--depth", "1", "--single-branch", "--no-tags", "--template=",
            "--no-recurse-submodules", f"--filter=blob:limit={largest + 1}", "--", location, folder,
        ],
        timeout=CLONE_TIMEOUT_SECONDS,
        protocols=protocols,
    )  # fmt: skip


def committed_at(folder: str) -> str:
    """Return when the commit at HEAD was made, in ISO 8601."""
    shown = _git(["show", "--no-patch", "--format=%cI", "HEAD"], folder=folder, timeout=READ_TIMEOUT_SECONDS)
    return shown.decode().strip()


def tree(folder: str) -> list[TreeEntry]:
    """Return every path of the commit at HEAD; a name that is not UTF-8 has replacement characters."""
    listed = _git(["ls-tree", "-r", "-z", "--full-tree", "HEAD"], folder=folder, timeout=READ_TIMEOUT_SECONDS)
    entries = []
    for line in listed.decode(errors="replace").split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            mode, _, object_id = facts.split()
            entries.append(TreeEntry(mode, object_id, path))
    return entries


def missing_objects(folder: str) -> set[str]:
    """Return the ids of objects that a clone has left out, without fetching them."""
    listed = _git(
        ["rev-list", "--objects", "--missing=print", "--max-count=1", "HEAD"],
        folder=folder,
        timeout=READ_TIMEOUT_SECONDS,
    )
    return {line[1:] for line in listed.decode(errors="replace").splitlines() if line.startswith("?")}


def sizes(folder: str, object_ids: Sequence[str]) -> dict[str, int]:
    """Return how long each object is, in bytes."""
    asked = "\n".join(object_ids).encode()
    answer = _git(["cat-file", "--batch-check"], folder=folder, stdin=asked, timeout=READ_TIMEOUT_SECONDS)
    lines = [line.split() for line in answer.decode().splitlines()]
    return {line[0]: int(line[2]) for line in lines}


def contents(folder: str, object_ids: Sequence[str]) -> dict[str, bytes]:
    """Return the content of each object; `sizes` tells beforehand how much that is."""
    asked = "\n".join(object_ids).encode()
    answer = _git(["cat-file", "--batch"], folder=folder, stdin=asked, timeout=READ_TIMEOUT_SECONDS)
    found, place = {}, 0
    while place < len(answer):
        end = answer.index(b"\n", place)
        object_id, _, size = answer[place:end].decode().split()
        place = end + 1
        found[object_id] = answer[place : place + int(size)]
        place += int(size) + 1
    return found


def _git(
    arguments: Sequence[str],
    *,
    timeout: float,
    folder: str | None = None,
    stdin: bytes = b"",
    protocols: Sequence[str] = (),
) -> bytes:
    place = ["-C", folder] if folder else []
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        finished = subprocess.run(
            ["git", *_OPTIONS, *place, *arguments],
            env={**inherited, **_ENVIRONMENT, "GIT_ALLOW_PROTOCOL": ":".join(protocols) or "none"},
            # Not in a checkout, the configuration of which would count.
            cwd=Path(tempfile.gettempdir()),
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise UserError("git is not installed: install it to collect repositories.") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"git did not answer within {timeout:g} seconds.") from error
    if finished.returncode:
        said = [line.strip() for line in finished.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise UserError(f"git could not read it: {(said or ['no reason given'])[-1][:200]}")
    return finished.stdout
