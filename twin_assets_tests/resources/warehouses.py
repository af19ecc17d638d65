"""What the tests of the warehouse share: documents, and a server that speaks MongoDB's wire protocol."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twin_assets.documents import RawDocument

NEVER_SHOWN = "hunter2-do-not-print"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(folder, port):
    folder.mkdir(exist_ok=True)
    places = [f"--data-dir={folder / 'data'}", f"--log-file={folder / 'log'}", f"--pid-file={folder / 'pid'}"]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("nx-27017")), "--port", str(port), *places],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    _wait_for(port, process, folder / "output")
    return process


def _wait_for(port, process, output):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"nx-27017 does not listen on port {port}: {output.read_text()[-2000:]}")


def raw(name, category="articles", author="ann", **fields):
    known = {"title": f"Title of {name}", "text": f"Text of {name}.", "platform": "folder", "source": "folder"}
    return RawDocument(document_id=name, author=author, category=category, **{**known, **fields})


def replace(warehouse, documents, author="ann"):
    with warehouse.session() as session:
        return session.replace_documents(author, documents)


def stored(warehouse, author="ann"):
    with warehouse.session() as session:
        return session.documents(author)


def record_of(warehouse, name, category="articles"):
    with warehouse.session() as session:
        return session._store._database[category].find_one({"_id": name})
