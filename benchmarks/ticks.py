"""Ticks of the sensors with 1,000 authors: each must take less than a tenth of the interval at which it is due.

The instance, the author files, their folders and the daemons' code are real; the code location is in this process, so
that what a deployment pays for the way to its code server is not in the figures. Nothing is run.
"""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import dagster as dg
import yaml

from benchmarks.figures import Figures
from benchmarks.timing import RUNS, seconds_of
from jobs.jobs import build_jobs
from jobs.sensors import build_sensors
from twin_assets.automation.new_rows import ROW_MARKS, row_marks
from twin_assets.automation.training_due import enough_is_new
from twin_assets.observing.recording import DATA_VERSION_TAG
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.settings import Settings
from twin_assets_tests.ticking import AUTOMATION_SENSORS, Platform, ticked

AUTHORS = 1_000
SHARE_OF_INTERVAL = 0.1


def run(figures: Figures) -> None:
    """Measure each sensor's first tick, in which everything is new, and those in which nothing is."""
    slugs = [f"author-{number:04}" for number in range(AUTHORS)]
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(Path(folder))
        sensors = build_sensors(settings, build_jobs())
        intervals = {sensor.name: sensor.minimum_interval_seconds or 30 for sensor in sensors}
        _write_authors(settings, slugs)
        with ticked(settings) as platform:
            platform.start_sensors("author_files")
            first = seconds_of(platform.tick, runs=1)
            registered = len(platform.instance.get_dynamic_partitions(AUTHORS_PARTITION))
            figures.ratio(
                f"author_files, first tick: authors registered, of {AUTHORS:,}", registered / AUTHORS, at_least=1
            )
            figures.note("author_files, first tick", f"{first:.2f} s")
            _quiet_tick(figures, platform, "author_files", intervals)
            platform.stop_sensors("author_files")
            figures.note(
                f"three results of {AUTHORS:,} authors, reported in", f"{_build_datasets(platform, slugs):.1f} s"
            )
            for name in AUTOMATION_SENSORS:
                platform.start_sensors(name)
                figures.note(f"{name}, first tick", f"{seconds_of(platform.tick, runs=1):.2f} s")
                _quiet_tick(figures, platform, name, intervals)
                platform.stop_sensors(name)
            _ask_of_all_that_wait(figures, platform, slugs, intervals["automation_gpu"])


def _ask_of_all_that_wait(figures: Figures, platform: Platform, slugs: list[str], interval: int) -> None:
    """Measure the costliest clause where it costs most: every author has new rows, and too few for a training."""
    report = platform.instance.report_runless_asset_event
    rows = [f"row {number}" for number in range(500)]
    for version, held in (("before", rows), ("now", [*rows, "one more"])):
        marks = {ROW_MARKS: row_marks(held)}
        for slug in slugs:
            tags = {DATA_VERSION_TAG: f"{version} of {slug}"}
            report(dg.AssetMaterialization("instruct_dataset", partition=slug, tags=tags, metadata=marks))
            if version == "before":
                report(dg.AssetMaterialization("sft_checkpoint", partition=slug))
    for slug in slugs:
        patience = {"min_new_samples": 50, "min_hours_between": 0.0}
        report(dg.AssetObservation("training_policy", partition=slug, metadata=patience))
    graph, asset = platform.asset_graph(), dg.AssetKey("sft_checkpoint")
    trained = []
    taken = seconds_of(
        lambda: trained.append(enough_is_new(graph, platform.instance, asset, slugs, now=time.time())), runs=RUNS
    )
    figures.ratio(f"{AUTHORS:,} authors wait for more rows: trained", sum(map(len, trained)), at_most=0)
    figures.ratio(
        f"{AUTHORS:,} authors wait for more rows: asking whether it is enough ({taken:.2f} s), of the interval",
        taken / interval,
        at_most=SHARE_OF_INTERVAL,
    )


def _quiet_tick(figures: Figures, platform: Platform, name: str, intervals: dict[str, int]) -> None:
    asked = []
    taken = seconds_of(lambda: asked.append(platform.tick()), runs=RUNS)
    figures.ratio(f"{name}, nothing new: asked for", sum(map(len, asked)), at_most=0)
    figures.ratio(
        f"{name}, nothing new: tick with {AUTHORS:,} authors ({taken:.2f} s), of its interval",
        taken / intervals[name],
        at_most=SHARE_OF_INTERVAL,
    )


def _settings(folder: Path) -> Settings:
    """Return settings of embedded services, whatever the environment names."""
    return Settings(
        home=folder / "home",
        authors_dir=folder / "authors",
        mongodb_url=None,
        qdrant_url=None,
        mlflow_tracking_uri=None,
        artifacts_uri=None,
    )


def _write_authors(settings: Settings, slugs: Iterable[str]) -> None:
    settings.authors_dir.mkdir(parents=True)
    for slug in slugs:
        writings = settings.authors_dir.parent / "writings" / slug
        writings.mkdir(parents=True)
        for number in range(3):
            (writings / f"{number}.md").write_text(
                f"# Note {number}\n\n{'A sentence of some words. ' * 50}", encoding="utf-8"
            )
        content = {
            "name": slug,
            "consent": {"given_by": "the author"},
            "sources": [{"type": "folder", "path": str(writings)}],
        }
        (settings.authors_dir / f"{slug}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def _build_datasets(platform: Platform, slugs: Iterable[str]) -> float:
    """Report what leads to a training as built for every author; return the seconds it took.

    Not every asset: an event takes some ten milliseconds to store, and a tick reads only those that are new.
    """
    started = time.perf_counter()
    for asset in ("raw_documents", "cleaned_documents", "instruct_dataset"):
        for slug in slugs:
            platform.instance.report_runless_asset_event(
                dg.AssetMaterialization(asset, partition=slug, tags={DATA_VERSION_TAG: f"of {slug}"})
            )
    return time.perf_counter() - started
