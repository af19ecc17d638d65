"""Opens what `make ui` serves in a real browser and reads what a person would read there."""

import os
import re
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


def test_from_a_version_one_reaches_its_verdict_its_data_its_code_and_its_dagster_run(
    page, servers: Servers, built: Platform
) -> None:
    version = _champion(built)
    page.goto(f"{servers.mlflow}/#/models/twin-{AUTHOR}/versions/{version}")

    page.get_by_role("heading", name="Verdict").wait_for()
    page.get_by_text("There is no champion yet").first.wait_for()
    page.get_by_text("bits per byte saved on").first.wait_for()
    page.locator("strong", has_text="champion").first.wait_for()
    card = {link.inner_text(): link.get_attribute("href") for link in page.locator("td a").all()}
    [run_id] = {href.rsplit("/", 1)[1] for href in card.values() if "/runs/" in href and "#" not in href}
    instruct = _data_version(built, "instruct_dataset")
    assert card[instruct].endswith(f"/assets/instruct_dataset?view=partitions&partition={AUTHOR}")
    _see(page, "version")

    # The links lead to where `make ui` serves Dagster; the servers of this test listen elsewhere.
    page.goto(f"{servers.dagster}/runs/{run_id}")
    page.get_by_text("registered_model").first.wait_for()
    page.goto(f"{servers.dagster}{card[instruct].partition(':3000')[2]}")
    page.get_by_text("Materialized").first.wait_for()


def test_from_a_version_one_reaches_the_run_that_trained_it_with_its_dataset(
    page, servers: Servers, built: Platform
) -> None:
    page.goto(f"{servers.mlflow}/#/models/twin-{AUTHOR}/versions/{_champion(built)}")
    page.get_by_role("link", name="metrics, parameters and plots").wait_for()
    run = page.get_by_role("link", name="metrics, parameters and plots").get_attribute("href")
    page.goto(f"{servers.mlflow}/{run[run.index('#') :]}")

    page.get_by_text(f"instruct_dataset of {AUTHOR}").first.wait_for()
    page.get_by_text("learning_rate").first.wait_for()
    page.get_by_text("git_commit").first.wait_for()
    _see(page, "run")


def test_the_runs_of_an_author_are_a_tree(page, servers: Servers, built: Platform) -> None:
    page.goto(f"{servers.mlflow}/#/models/twin-{AUTHOR}/versions/{_champion(built)}")
    page.get_by_role("link", name="metrics, parameters and plots").wait_for()
    run = page.get_by_role("link", name="metrics, parameters and plots").get_attribute("href")
    experiment = re.search(r"experiments/(\d+)", run)
    assert experiment
    page.goto(f"{servers.mlflow}/#/experiments/{experiment[1]}/runs")

    page.get_by_text(re.compile(r"^build [0-9a-f]{8}$")).first.wait_for()
    page.get_by_role("row").filter(has_text="build").get_by_role("button").first.click()
    for stage in ("sft", "dpo", "evaluation", "retrieval", "registration"):
        page.get_by_role("link", name=stage, exact=True).first.wait_for()
    _see(page, "tree")


def test_from_the_asset_in_dagster_one_gets_back_to_mlflow(page, servers: Servers, built: Platform) -> None:
    page.goto(f"{servers.dagster}/assets/registered_model?view=events&partition={AUTHOR}")
    page.get_by_text("beats the base model").first.wait_for()

    hrefs = [link.get_attribute("href") or "" for link in page.locator("a").all()]
    assert any(f"/#/models/twin-{AUTHOR}/versions/{_champion(built)}" in href for href in hrefs)
    assert any("/#/experiments/" in href and "/runs/" in href for href in hrefs)
    _see(page, "asset")


def _see(page, name: str) -> None:
    """Keep what a person would see, where the environment names a folder for it."""
    if folder := os.environ.get("TWIN_TEST_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def _champion(built: Platform) -> str:
    return next(row["version"] for row in built.rows("models", AUTHOR) if "champion" in row["aliases"])


def _data_version(built: Platform, dataset: str) -> str:
    """Return the data version of a dataset that the champion was trained on."""
    champion = next(row for row in built.rows("models", AUTHOR) if "champion" in row["aliases"])
    return str(champion[dataset.replace("_", " ")])


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
