"""Fifty authors at once: everything that a tick asks for waits its turn in the pools, and comes to its end.

The instance, its pools, the queue, the conditions, a process per run and every step of it are real. Two things are not:
the datasets were not built, they are reported with the checks that they pass; and a training rests where it would train
(`RestingTrainer`).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from small_author import Place
from upath import UPath

from resources.io_managers import DatasetIOManager, ReportIOManager, TableIOManager
from twin_assets.documents import BaseModelRef, CleanedDocument, InstructRow
from twin_assets.training.manifest import read_manifest
from twin_assets_tests.recorded_checks import record_check
from twin_assets_tests.ticking import Platform, ticked

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")

AUTHORS = [f"author-{number:02}" for number in range(50)]
DOCUMENT = CleanedDocument(
    document_id="note",
    author=AUTHORS[0],
    category="articles",
    platform="blog",
    url=None,
    title=None,
    text="What there is to say.",
    language="en",
    published_at=None,
    content_hash="0",
    duplicate_of=None,
    n_words=5,
)
ROWS = [
    InstructRow(
        instruction="Say it.",
        answer=DOCUMENT.text,
        author=DOCUMENT.author,
        category=DOCUMENT.category,
        document_id=DOCUMENT.document_id,
        start=0,
        end=len(DOCUMENT.text),
        generator="test",
        prompt_hash="0",
        split=split,
    )
    for split in ("train", "test")
]
MODEL = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 64,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
}

BEGINNING_AND_END = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Fifty authors whose datasets are there, and whose writings are still to be collected."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(MODEL), encoding="utf-8")
    place = Place(tmp_path, {"base_model": str(model)})
    for author in AUTHORS:
        writings = tmp_path / "writings" / author
        writings.mkdir(parents=True)
        (writings / "note.md").write_text(f"# A note\n\nThis is what {author} has to say.\n", encoding="utf-8")
        place.add_author(author, writings)
    lay_out_artifacts(place, model)
    with ticked(place.settings, definitions="resting_defs") as platform:
        platform.configure_runs({"ops": {}})
        platform.tick()
        report(platform, "base_model")
        for author in AUTHORS:
            report(platform, "instruct_dataset", author)
        platform.start_sensors("automation_cpu", "automation_gpu")
        yield platform


def test_fifty_authors_at_once_respect_the_pools_and_all_of_them_end(platform):
    asked = platform.tick()
    assert asked["sft_checkpoint"] == asked["raw_documents"] == set(AUTHORS)
    platform.run()
    trained, collected = (steps(platform, asset) for asset in ("sft_checkpoint", "raw_documents"))
    assert len(trained) == len(collected) == len(AUTHORS)
    assert at_once(trained) == at_once(collected) == 1
    # Without a limit they would run side by side: a step of one pool does so with one of the other.
    assert at_once(trained + collected) == 2
    assert {run.status for run in platform.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    checkpoints = platform.home / "artifacts" / "sft_checkpoint"
    assert {read_manifest(checkpoints / author).spec.author for author in AUTHORS} == set(AUTHORS)
    assert "sft_checkpoint" not in platform.tick()


def lay_out_artifacts(place: Place, model: Path) -> None:
    """Write what a training and its checks read: once, and a link to it for every author."""
    shared = place.root / "shared"
    DatasetIOManager(root=str(shared)).write(UPath(shared / "rows"), ROWS)
    TableIOManager(root=str(shared)).write(UPath(shared / "documents.parquet"), [DOCUMENT])
    base = BaseModelRef(location=str(model), revision=None, licence="of the test", version="1", n_parameters=2_000)
    ReportIOManager(root=str(shared)).write(UPath(place.artifacts / "base_model.json"), base)
    for folder in ("instruct_dataset", "cleaned_documents"):
        (place.artifacts / folder).mkdir()
    for author in AUTHORS:
        (place.artifacts / "instruct_dataset" / author).symlink_to(shared / "rows")
        (place.artifacts / "cleaned_documents" / f"{author}.parquet").symlink_to(shared / "documents.parquet")


def report(platform: Platform, asset: str, author: str | None = None) -> None:
    """Report that an asset was built, and has passed each of its blocking checks."""
    instance, graph, key = platform.instance, platform.asset_graph(), dg.AssetKey(asset)
    version = {"dagster/data_version": f"that of {author}"}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=author, tags=version))
    for check in graph.get_check_keys_for_assets({key}):
        if graph.get(check).blocking:
            record_check(instance, check, author)


def steps(platform: Platform, asset: str) -> list[tuple[float, float]]:
    """Return when each step of an asset began and ended."""
    spans = []
    for run in platform.instance.get_runs():
        logs = platform.instance.all_logs(run.run_id, of_type=BEGINNING_AND_END)
        times = sorted(entry.timestamp for entry in logs if entry.step_key == asset)
        if times:
            spans.append((times[0], times[-1]))
    return spans


def at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of the spans lay over one another, at most."""
    moments = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    inside = most = 0
    for _, change in moments:
        inside += change
        most = max(most, inside)
    return most
