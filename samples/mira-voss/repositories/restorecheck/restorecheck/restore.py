"""Turn a backup file into an open database in a scratch directory."""

import contextlib
import gzip
import shutil
import sqlite3
import tempfile
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

DB_SUFFIXES = {".db", ".sqlite", ".sqlite3"}
MAGIC = b"SQLite format 3\x00"


class RestoreError(Exception):
    """The backup didn't turn into a database. There's nothing to check."""


@dataclass
class Restored:
    db: sqlite3.Connection
    size: int       # bytes after the restore
    seconds: float  # how long it took


def _open(path):
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _kind(path):
    inner = Path(path.stem) if path.suffix == ".gz" else path
    if inner.suffix in DB_SUFFIXES:
        return "db"
    if inner.suffix == ".sql":
        return "sql"
    raise RestoreError(f"don't know what {path.name} is")


def _copy(source, target):
    with _open(source) as src, open(target, "wb") as dst:
        shutil.copyfileobj(src, dst, 1024 * 1024)
    with open(target, "rb") as f:
        if f.read(len(MAGIC)) != MAGIC:
            raise RestoreError(f"{source.name} isn't a SQLite file")


def _load(source, target):
    with _open(source) as src:
        script = src.read().decode("utf-8")
    # A cut-off dump still runs. It just never commits.
    if not script.rstrip().endswith("COMMIT;"):
        raise RestoreError(f"{source.name} doesn't end with COMMIT")
    with contextlib.closing(sqlite3.connect(target)) as db:
        db.executescript(script)


@contextlib.contextmanager
def restored(backup):
    """Yield a Restored. The scratch copy's gone when the block ends."""
    backup = Path(backup)
    with tempfile.TemporaryDirectory(prefix="restorecheck-") as scratch:
        target = Path(scratch) / "restored.db"
        started = time.monotonic()
        try:
            if _kind(backup) == "db":
                _copy(backup, target)
            else:
                _load(backup, target)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError,
                sqlite3.Error) as e:
            raise RestoreError(f"{backup.name}: {e}") from e
        seconds = time.monotonic() - started
        with contextlib.closing(sqlite3.connect(target)) as db:
            # The backup can be a WAL file. So no mode=ro. This is enough.
            db.execute("PRAGMA query_only = ON")
            yield Restored(db, target.stat().st_size, seconds)
