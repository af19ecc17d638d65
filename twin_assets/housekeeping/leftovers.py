"""What killed runs left among the artifacts, and files of launches and trials long past."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from upath import UPath

LEFTOVER = re.compile(r"\.(partial|replaced|checkpoints|corpus)(-[^/]+)?$")
"""Names that no finished artifact has: what is being written, or being replaced, checkpoints on the way, a corpus in
use."""

LAUNCHES = "launches"
"""Folder of what is handed to and brought back from training machines."""


@dataclass(frozen=True)
class Leftover:
    """Something that was left behind."""

    path: UPath
    bytes: int
    changed_at: float
    """Time of the newest change of it or of anything in it, seconds since 1970."""


def leftovers(root: str, *, older_than: float) -> list[Leftover]:
    """Return what killed runs left below a root of artifacts.

    A folder counts as young as the newest thing in it: a training that is still going on writes into one.

    Args:
        root: Folder or s3:// address of the artifacts.
        older_than: Time of the last change before which something counts, seconds since 1970.
    """
    found = [
        left
        for asset in _in(UPath(root))
        for path in [asset, *(_in(asset) if _is_folder_of_an_asset(asset) else ())]
        if LEFTOVER.search(path.name) and (left := _measured(path)).changed_at < older_than
    ]
    return sorted(found, key=lambda left: str(left.path))


def old_launches(launches: str, *, older_than: float) -> list[Leftover]:
    """Return the launches in a folder that nobody has touched for long; each is a folder of its own."""
    return _untouched(UPath(launches), older_than)


def old_trials(sweeps: str, *, older_than: float) -> list[Leftover]:
    """Return what trials left that nobody has touched for long: rows, results, and checkpoints of those killed.

    Args:
        sweeps: Folder that holds a folder for each author.
        older_than: Time of the last change before which something counts, seconds since 1970.
    """
    return [left for author in _in(UPath(sweeps)) for left in _untouched(author, older_than)]


def delete(left: Leftover) -> None:
    """Delete what was left; what is gone already is no fault."""
    if left.path.is_dir():
        left.path.fs.rm(left.path.path, recursive=True)
    else:
        left.path.unlink(missing_ok=True)


def _in(folder: UPath) -> list[UPath]:
    return sorted(folder.iterdir(), key=str) if folder.is_dir() else []


def _untouched(folder: UPath, older_than: float) -> list[Leftover]:
    return [left for path in _in(folder) if (left := _measured(path)).changed_at < older_than]


def _is_folder_of_an_asset(path: UPath) -> bool:
    # A leftover is listed as a whole, and launches have an age of their own.
    return path.is_dir() and not LEFTOVER.search(path.name) and path.name != LAUNCHES


def _measured(path: UPath) -> Leftover:
    size, changed = 0, 0.0
    for one in _all_of(path):
        stat = one.stat()
        size += int(stat.st_size) if one.is_file() else 0
        changed = max(changed, float(stat.st_mtime or 0.0))
    return Leftover(path, size, changed)


def _all_of(path: UPath) -> Iterator[UPath]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")
