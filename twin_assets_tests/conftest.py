"""What every test shares: a home of its own, folders of writings, author files, and the real dump if it is there."""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from twin_assets.settings import PROJECT_ROOT, Settings

# Read when the libraries are imported, so it is set before any test.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads of torch wait for each other by spinning. Of two trainings side by side on two cores, each with two
    # threads, every one takes almost three times as long as with one thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

HANDBOOK = PROJECT_ROOT.parent / "shared" / "data" / "handbook"
TESTS = Path(__file__).parent
SLOW_ROOMS = ("graph", "training", "end_to_end")
"""Begun first, so that no worker is left with a long file when the others have nothing left to do."""
BUILT_ONCE = ("graph", "end_to_end")
"""Their files share a twin that takes minutes to build."""
SERVERS = ("MONGODB_URL", "QDRANT_URL", "QDRANT_API_KEY", "MLFLOW_TRACKING_URI")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes longest first."""

    def place(item: pytest.Item) -> int:
        room = item.path.relative_to(TESTS).parts[0]
        return SLOW_ROOMS.index(room) if room in SLOW_ROOMS else len(SLOW_ROOMS)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Divide the tests among workers by file; the files of a room that share one built twin stay together.

    Not by xdist's own groups: version 3.8 writes them into an attribute that pytest 9.2 does not read any more.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByRoom(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", maxsplit=1)[0]
            room = file.split("/")[1]
            return room if room in BUILT_ONCE else file

    return ByRoom(config, log)


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """No test sees the home, the authors, the servers or the `.env` of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("TWIN_")]:
        monkeypatch.delenv(name)
    for name in SERVERS:
        # Empty, not absent: a program that the test starts reads `.env` itself, and the environment outranks it.
        monkeypatch.setenv(name, "")
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(tmp_path / "authors"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path / "home"


@pytest.fixture
def make_folder(tmp_path):
    """Write files below a folder of the test: `make_folder({"articles/a.md": "text"}, name="writings")`."""

    def write(files: Mapping[str, str | bytes], *, name: str = "writings") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


@pytest.fixture
def make_author(tmp_path):
    """Write an author file whose sources are the given folders: `make_author("ann", folder)`; returns its folder."""

    def write(slug: str, *folders: Path, name: str | None = None) -> Path:
        authors_dir = tmp_path / "authors"
        authors_dir.mkdir(exist_ok=True)
        content = {
            "name": name or slug.replace("-", " ").title(),
            "consent": {"given_by": "the author"},
            "sources": [{"type": "folder", "path": str(folder)} for folder in folders],
        }
        (authors_dir / f"{slug}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return authors_dir

    return write


@pytest.fixture
def full_disk():
    """A disk that is really full: `with full_disk(at=10_000):` the kernel lets no file grow beyond so many bytes."""

    @contextmanager
    def limit(*, at: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture(scope="session")
def handbook():
    """The folder of the real dump; what needs it is skipped where it is not."""
    if not (HANDBOOK / "ArticleDocument.json").is_file():
        pytest.skip(f"the handbook's dump is not at {HANDBOOK.relative_to(PROJECT_ROOT.parent)} beside the checkout")
    return HANDBOOK


@pytest.fixture(scope="session")
def served_objects():
    """An object store on loopback, started once."""
    from twin_assets_tests.object_store import object_store

    with object_store() as store:
        yield store


@pytest.fixture
def bucket(served_objects, monkeypatch) -> Iterator[str]:
    """The address of an empty bucket of a real object store on loopback, which clients find by their environment."""
    import s3fs

    from twin_assets_tests.object_store import BUCKET

    served_objects.empty()
    for name, value in served_objects.environment.items():
        monkeypatch.setenv(name, value)
    # Clients are kept by fsspec, with what they have listed.
    s3fs.S3FileSystem.clear_instance_cache()
    yield f"s3://{BUCKET}"
    s3fs.S3FileSystem.clear_instance_cache()
