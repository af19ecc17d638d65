"""Fifty authors at once: everything that a tick asks for waits its turn in the pools, and comes to its end.

All of it is real, the queue, the pools, a process per run and the payload in a process of its own, but for two things:
the datasets were not built fifty times, they are copies of one that was, reported with the checks that they passed; and
a training is one step of a small model.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from small_author import AUTHOR, TINY, Place

from twin_assets.training.manifest import read_manifest
from twin_assets_tests.ticking import Platform, ticked

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")

AUTHORS = [f"author-{number:02}" for number in range(50)]
DATASET = dg.AssetKey("instruct_dataset")
ONE_STEP = {"ops": {"sft_checkpoint": {"config": {**TINY["ops"]["sft_checkpoint"]["config"], "max_steps": 1}}}}


@pytest.fixture
def platform(built: Place, tmp_path: Path) -> Iterator[Platform]:
    """Fifty authors whose datasets are there, and whose writings are still to be collected."""
    shutil.copytree(built.artifacts / "base_model", tmp_path / "model")
    place = Place(tmp_path, {"base_model": str(tmp_path / "model")})
    for author in AUTHORS:
        writings = tmp_path / "writings" / author
        writings.mkdir(parents=True)
        (writings / "note.md").write_text(f"# A note\n\nThis is what {author} has to say.\n", encoding="utf-8")
        place.add_author(author, writings)
        shutil.copytree(built.artifacts / "instruct_dataset" / AUTHOR, place.artifacts / "instruct_dataset" / author)
    with ticked(place.settings) as platform:
        platform.configure_runs(ONE_STEP)
        platform.tick()
        base_model = place.definitions().resolve_implicit_global_asset_job_def()
        base_model.execute_in_process(asset_selection=[dg.AssetKey("base_model")], instance=platform.instance)
        for author in AUTHORS:
            report_dataset(platform, author)
        platform.start_sensors("automation_cpu", "automation_gpu")
        yield platform


def test_fifty_authors_at_once_respect_the_pools_and_all_of_them_end(platform):
    assert platform.tick() == {"raw_documents": set(AUTHORS), "sft_checkpoint": set(AUTHORS)}
    platform.run()
    assert {run.status for run in platform.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    trained, collected = (steps(platform, asset) for asset in ("sft_checkpoint", "raw_documents"))
    assert (len(trained), len(collected)) == (50, 50)
    assert at_once(trained) == 1
    assert at_once(collected) == 1
    # Without a limit they would run side by side: a step of one pool does so with one of the other.
    assert at_once(trained + collected) == 2
    folder = platform.home / "artifacts" / "sft_checkpoint"
    assert [read_manifest(folder / author).metrics["steps"] for author in AUTHORS] == [1.0] * 50


def report_dataset(platform: Platform, author: str) -> None:
    """Report a dataset, and that it has passed each of its blocking checks."""
    instance, graph = platform.instance, platform.asset_graph()
    instance.report_runless_asset_event(
        dg.AssetMaterialization(DATASET, partition=author, tags={"dagster/data_version": "that of another author"})
    )
    (record,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=DATASET, asset_partitions=[author]), limit=1
    ).records
    target = AssetCheckEvaluationTargetMaterializationData(
        storage_id=record.storage_id, run_id=record.event_log_entry.run_id, timestamp=record.timestamp
    )
    for key in graph.asset_check_keys:
        if key.asset_key == DATASET and graph.get(key).blocking:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    DATASET, key.name, passed=True, partition=author, blocking=True, target_materialization_data=target
                )
            )


def steps(platform: Platform, asset: str) -> list[tuple[float, float]]:
    """Return when each step of an asset began and ended."""
    spans = []
    for run in platform.instance.get_runs():
        times = {
            entry.dagster_event.event_type: entry.timestamp
            for entry in platform.instance.all_logs(run.run_id)
            if entry.dagster_event and entry.step_key == asset
        }
        if dg.DagsterEventType.STEP_START in times:
            spans.append((times[dg.DagsterEventType.STEP_START], times[dg.DagsterEventType.STEP_SUCCESS]))
    return spans


def at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of the spans lay over one another, at most."""
    moments = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    inside = most = 0
    for _, change in moments:
        inside += change
        most = max(most, inside)
    return most
