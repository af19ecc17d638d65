"""Opens what `make ui` serves in a real browser and reads what a person would read there."""

import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from twin_assets_tests.end_to_end.conftest import AUTHOR, ROOT, TWIN, Platform

CHROMIUM = shutil.which("chromium")
START_UP_SECONDS = 180

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: `make browser` installs it")


@dataclass(frozen=True)
class Servers:
    dagster: str
    mlflow: str


@pytest.fixture(scope="module")
def servers(built: Platform) -> Iterator[Servers]:
    dagster, mlflow = _free_port(), _free_port()
    process = subprocess.Popen(
        [str(TWIN), "ui", "--port", str(dagster), "--mlflow-port", str(mlflow)],
        env=built.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        urls = Servers(f"http://127.0.0.1:{dagster}", f"http://127.0.0.1:{mlflow}")
        _wait_for(f"{urls.dagster}/server_info", process)
        _wait_for(f"{urls.mlflow}/health", process)
        yield urls
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def page(servers: Servers) -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_the_asset_graph_shows_every_group(page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/asset-groups")

    for group in ("sources", "collection", "features", "datasets", "training", "evaluation", "serving"):
        page.get_by_text(group, exact=True).first.wait_for()


def test_the_built_authors_partition_is_green(page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/assets/dpo_checkpoint?view=partitions&partition={AUTHOR}")

    page.get_by_text(AUTHOR).first.wait_for()
    page.get_by_text("Materialized").first.wait_for()
    assert page.get_by_text("Failed", exact=True).count() == 0


def test_an_asset_says_what_it_is_and_what_happens_if_it_fails(page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/assets/sft_checkpoint")

    page.get_by_text("The base model after supervised fine-tuning").first.wait_for()
    page.get_by_text("If training fails or is cancelled").first.wait_for()


def test_the_checks_of_an_asset_are_listed_as_passed(page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/assets/chunks?view=checks")

    page.get_by_text("within_the_model_limit").first.wait_for()


def test_the_registry_shows_the_authors_model(page, servers: Servers) -> None:
    page.goto(f"{servers.mlflow}/#/models")

    page.get_by_text(f"twin-{AUTHOR}").first.wait_for()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_UP_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "`twin ui` ended by itself"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of our own
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(1)
    pytest.fail(f"{url} did not answer within {START_UP_SECONDS} s")
