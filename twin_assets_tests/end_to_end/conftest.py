"""The platform as a user has it: the `twin` command in processes of its own, on a home that is built once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AUTHOR = "mira-voss"
TWIN = Path(sys.executable).with_name("twin")


class Platform:
    """One TWIN_HOME with its author files, and the command that works on it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.authors = folder / "authors"
        self.samples = folder / "samples"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("TWIN_", "DAGSTER_", "MLFLOW_"))},
            "TWIN_HOME": str(self.home),
            "TWIN_AUTHORS_DIR": str(self.authors),
            "HF_HUB_OFFLINE": "1",
        }

    def twin(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(TWIN), *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=1200
        )
        assert done.returncode == expect, f"twin {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.twin(*arguments, "--json").stdout)
        return found

    def artifact(self, name: str) -> Path:
        return self.home / "artifacts" / name


def new_platform(folder: Path) -> Platform:
    platform = Platform(folder)
    shutil.copytree(ROOT / "authors", platform.authors)
    shutil.copytree(ROOT / "samples", platform.samples)
    return platform


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Return a home in which the sample author was built with the default settings, as `make twin` does."""
    platform = new_platform(tmp_path_factory.mktemp("platform"))
    platform.twin("build", AUTHOR)
    return platform
