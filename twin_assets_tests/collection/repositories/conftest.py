"""Repositories that the tests make with git, and a git daemon that serves them on loopback."""

import os
import socket
import subprocess
import time

import pytest

from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.repositories.source import RepositoriesSource
from twin_assets.documents import Author, Consent, SourceConfig

IDENTITY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@ann.example",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@ann.example",
    "GIT_AUTHOR_DATE": "2026-03-01T10:00:00Z",
    "GIT_COMMITTER_DATE": "2026-03-01T10:00:00Z",
}


def run_git(folder, *arguments):
    command = ["git", "-C", str(folder), "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(
        command, env={**os.environ, **IDENTITY}, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def served(tmp_path):
    """The folder whose repositories the daemon serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def make_repository(served):
    """Commit files: `make_repository({"a.py": "x = 1"}, name="tool")`; again, to commit an edit. Returns its folder."""

    def commit(files, *, name="tool", links=()):
        folder = served / name
        if not folder.exists():
            folder.mkdir()
            run_git(folder, "init", "--quiet")
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        for path, target in dict(links).items():
            (folder / path).symlink_to(target)
        if files or links:
            run_git(folder, "add", "--all", "--force")
            run_git(folder, "commit", "--quiet", "--message", "An edit")
        return folder

    return commit


@pytest.fixture
def daemon(served):
    """The address of a git daemon on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["git", "daemon", "--listen=127.0.0.1", f"--port={port}", f"--base-path={served}", "--export-all"]
    process = subprocess.Popen(
        command,
        env={**os.environ, **IDENTITY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        else:
            pytest.fail("git daemon does not listen")
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=10)


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(path=str(tmp_path / "warehouse.db"))


@pytest.fixture
def with_source(tmp_path, warehouse):
    """Do something with the source that an author file names."""

    def use(act, *repositories, private=True, **options):
        config = SourceConfig.model_validate(
            {"type": "github", "repositories": [str(name) for name in repositories], **options}
        )
        author = Author(slug="ann", name="Ann", consent=Consent(given_by="Ann"), sources=[config])
        web = Web(user_agent="tests", allow_private_hosts=private, timeout_seconds=20)
        with warehouse.session() as session:
            context = SourceContext(tmp_path, session.imported_documents, session, web)
            return act(RepositoriesSource.from_config(author, config, context))

    return use


@pytest.fixture
def collect(with_source):
    """The links that repositories yield."""

    def links(*repositories, **options):
        return with_source(lambda source: list(source.collect()), *repositories, **options)

    return links


@pytest.fixture
def fingerprint(with_source):
    """The fingerprint of repositories."""

    def look(*repositories, **options):
        return with_source(lambda source: source.fingerprint(), *repositories, **options)

    return look
