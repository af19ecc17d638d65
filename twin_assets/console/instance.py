"""The Dagster instance that the command line and `make ui` share."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from twin_assets.errors import UserError
from twin_assets.settings import PROJECT_ROOT, Settings


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
        yield instance
