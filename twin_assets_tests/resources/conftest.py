"""Warehouses: embedded, and through pymongo against a server on loopback."""

from itertools import count

import pytest
from pydantic import SecretStr

from resources.warehouse import Warehouse
from twin_assets_tests.resources.warehouses import free_port, start_server

databases = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server that speaks MongoDB's wire protocol, on a free port of this machine."""
    port = free_port()
    process = start_server(tmp_path_factory.mktemp("nx"), port)
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def mortal_server(tmp_path):
    """A server of the test's own: where it is, and how to start it, whenever it is not running."""
    port, running = free_port(), []

    def start():
        running.append(start_server(tmp_path / "mortal", port))
        return running[-1]

    yield f"mongodb://127.0.0.1:{port}", start
    for process in running:
        process.kill()
        process.wait(timeout=30)


@pytest.fixture(params=["embedded", "server"])
def warehouse(request, tmp_path):
    """An empty warehouse of either form."""
    if request.param == "embedded":
        return Warehouse(path=str(tmp_path / "deep" / "warehouse.db"))
    url = request.getfixturevalue("server")
    return Warehouse(path=str(tmp_path / "unused.db"), url=SecretStr(url), database=f"twin_{next(databases)}")
