"""What the tests of the graph share: one small author whose whole twin is really built, once, and copies of it.

The build is expensive (it collects, embeds, trains three models and evaluates them), so it happens once in a session.
A test that changes something asks for a copy.
"""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from small_author import TINY, Place, lay_out

from twin_assets.settings import Settings


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The whole twin of one author, built once. A test that changes anything takes `place` instead."""
    place = lay_out(tmp_path_factory.mktemp("built"))
    with pytest.MonkeyPatch.context() as patch:
        # A fixture of the session is made before `own_home` clears the environment for each test.
        for name in [name for name in os.environ if name.startswith("TWIN_")]:
            patch.delenv(name)
        for name in ("MONGODB_URL", "QDRANT_URL", "QDRANT_API_KEY", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, "")
        patch.setitem(Settings.model_config, "env_file", None)
        build = place.build(run_config=TINY)
    assert build.success, build.failures
    return place


@pytest.fixture
def place(built: Place, tmp_path: Path) -> Place:
    """A copy of what was built, to be changed at will."""
    root = tmp_path / "copy"
    shutil.copytree(built.root, root)
    # The only absolute paths that are stored: where the base model lies, and where MLflow keeps its files.
    reference = root / "home" / "artifacts" / "base_model.json"
    reference.write_text(reference.read_text(encoding="utf-8").replace(str(built.root), str(root)), encoding="utf-8")
    with sqlite3.connect(root / "home" / "mlflow" / "mlflow.db") as tracking:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
            ("logged_models", "artifact_location"),
        ):
            tracking.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608 - the names stand above
                (str(built.root), str(root)),
            )
    tracking.close()
    return Place(root)


@pytest.fixture
def empty_place(tmp_path: Path) -> Place:
    """The small author, of whom nothing was built yet."""
    return lay_out(tmp_path / "place")
