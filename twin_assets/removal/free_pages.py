"""What SQLite keeps of deleted rows: their pages count as free, and hold the text until they are written over."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from twin_assets.errors import UserError
from twin_assets.settings import Settings


def drop_free_pages(settings: Settings) -> None:
    """Write the databases that lie in the home anew, without their free pages: of documents, of MLflow, of Dagster.

    Whether SQLite overwrites what it deletes depends on how it was compiled, and on who deleted it.

    Raises:
        UserError: If one of them stays in use.
    """
    for path in _databases(settings.home):
        try:
            with closing(sqlite3.connect(path, timeout=settings.lock_timeout_seconds)) as database:
                database.execute("VACUUM")
                (in_use, *_) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            raise _in_use(path, str(error)) from error
        if in_use:
            raise _in_use(path, "somebody reads it")


def _databases(home: Path) -> Iterator[Path]:
    for path in (home / "warehouse.db", home / "mlflow" / "mlflow.db", *sorted((home / "dagster").rglob("*.db"))):
        if path.is_file():
            yield path


def _in_use(path: Path, why: str) -> UserError:
    return UserError(
        f"{path} still holds what was deleted in it ({why}): stop what uses it, such as `make ui`, then run this again."
    )
