"""The Dagster instance that the command line and `make ui` share."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

from twin_assets.errors import UserError
from twin_assets.settings import PROJECT_ROOT, Settings

ONE_STEP_A_PLACE = """
CREATE TRIGGER IF NOT EXISTS one_step_a_place BEFORE UPDATE ON concurrency_slots
WHEN OLD.step_key IS NOT NULL AND NEW.step_key IS NOT NULL
BEGIN SELECT RAISE(IGNORE); END
"""
"""Dagster takes a place in a pool by looking for a free row, locked for the update, and writing its name into it.
SQLite knows no such lock: of two steps that begin within the same milliseconds both find it free, and both train. Here
the second one's update changes nothing, which Dagster takes for what it is, no place."""


def prepare_dagster_home(settings: Settings) -> Path:
    """Create the instance's folder, put the project's `dagster.yaml` there, and return the folder.

    Raises:
        UserError: If the folder cannot be written.
    """
    home = settings.home / "dagster"
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT_ROOT / "dagster.yaml", home / "dagster.yaml")
    except OSError as error:
        raise UserError(f"{home} cannot be written ({error.strerror}): set TWIN_HOME to a folder of yours.") from error
    return home


@contextmanager
def local_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance for the length of a `with` block."""
    home = prepare_dagster_home(settings)
    # Steps that Dagster starts in processes of their own find the instance by this variable.
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        keep_pools_exact(instance)
        yield instance


def keep_pools_exact(instance: dg.DagsterInstance) -> None:
    """Let no two steps have one place in a pool, where Dagster's events are kept in SQLite."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        with storage.index_connection() as connection:
            connection.exec_driver_sql(ONE_STEP_A_PLACE)
