"""The whole graph by itself: real sensors, ticks, queue and runs, from a new document to a promotion.

The tests share one platform and follow one another in its life; each of them leaves it with nothing to ask for.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from small_author import AUTHOR, SAMPLE, TINY, Place, lay_out

from resources.tracker import ModelVersion, Tracker
from twin_assets.settings import PROJECT_ROOT, Settings
from twin_assets_tests.ticking import Asked, Platform, ticked, total
from twin_assets_tests.worker_processes import FORBIDDEN

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")

OTHER = "tobias-fenn"
OF_AN_AUTHOR = (
    "raw_documents",
    "cleaned_documents",
    "chunks",
    "embeddings",
    "style_profile",
    "instruct_dataset",
    "preference_dataset",
    "sft_checkpoint",
    "dpo_checkpoint",
    "eval_report",
    "retrieval_report",
    "registered_model",
)
READS_EVERY_AUTHOR = {"eval_report", "registered_model"}
"""What may be asked for again because of another author: likeness is held against everybody's style."""
TRAINED = ("sft_checkpoint", "dpo_checkpoint")


@pytest.fixture(scope="module")
def platform(built: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two authors whose twins the platform has built by itself, on a base model that no new document changes."""
    root = tmp_path_factory.mktemp("ticked")
    shutil.copytree(built.artifacts / "base_model", root / "model")
    lay_out(root)
    place = Place(root, {"base_model": str(root / "model"), "base_model_licence": "of the test"})
    (root / "others" / "articles").mkdir(parents=True)
    for article in sorted((PROJECT_ROOT / "samples" / OTHER / "articles").iterdir())[:7]:
        shutil.copyfile(article, root / "others" / "articles" / article.name)
    place.add_author(OTHER, "../others")
    with ticked(place.settings) as platform:
        platform.configure_runs(TINY)
        platform.start_sensors()
        platform.history = platform.settle()
        yield platform


def test_two_authors_are_built_from_nothing_and_nothing_is_made_twice(platform):
    asked = total(platform.history)
    assert all(asked[asset] == {AUTHOR, OTHER} for asset in OF_AN_AUTHOR)
    for asset in TRAINED:
        for author in (AUTHOR, OTHER):
            assert len(platform.versions(asset, author)) == 1
    assert failed(platform) == []


def test_a_new_document_waits_for_enough_of_them_and_leads_to_a_promotion_of_its_author_only(platform):
    versions_before = len(versions(platform))
    ask_for_new_samples(platform, 10_000)
    write(platform, "disks-fill-at-night.md")
    waited = platform.settle()
    assert AUTHOR in total(waited)["preference_dataset"]
    assert not total(waited).keys() & {"base_model", *TRAINED}
    ask_for_new_samples(platform, 1)
    trained = platform.settle()
    asked = total([*waited, *trained])
    assert all(AUTHOR in asked[asset] for asset in OF_AN_AUTHOR)
    assert {asset for asset, partitions in asked.items() if OTHER in partitions} <= READS_EVERY_AUTHOR
    # Asked again what it is, because there are more documents; it is a folder, and still the same one.
    assert len(set(platform.versions("base_model"))) == 1
    follow_one_another(waited, "raw_documents", "cleaned_documents", "instruct_dataset", "preference_dataset")
    follow_one_another(trained, *TRAINED, "eval_report", "registered_model")
    assert len(versions(platform)) == versions_before + 2
    assert failed(platform) == []


def test_the_same_writings_collected_again_trigger_nothing(platform):
    before = {asset: platform.versions(asset, AUTHOR)[-1] for asset in OF_AN_AUTHOR}
    runs = platform.pass_to_schedule("weekly_collection")
    assert {run.tags["dagster/partition"] for run in runs} == {AUTHOR, OTHER}
    assert failed(platform) == []
    assert [platform.tick() for _ in range(4)] == [{}] * 4
    assert {asset: platform.versions(asset, AUTHOR)[-1] for asset in OF_AN_AUTHOR} == before


def test_a_failed_blocking_check_holds_the_gpu_and_once_it_passes_it_trains_once(platform):
    trained = {asset: len(platform.versions(asset, AUTHOR)) for asset in TRAINED}
    document = write(platform, "your-average-is-lying.md")
    text = document.read_text(encoding="utf-8")
    document.write_text(text.replace(". ", f", as {FORBIDDEN} learnt. "), encoding="utf-8")
    history = [platform.tick_and_run() for _ in range(8)]
    asked = total(history)
    assert history[-2:] == [{}, {}]
    assert not asked.keys() & {*TRAINED, "preference_dataset"}
    assert {"instruct_dataset", "chunks", "embeddings", "retrieval_report"} <= asked.keys()
    assert failed(platform)
    document.write_text(text, encoding="utf-8")
    asked = total(platform.settle())
    for asset in TRAINED:
        assert OTHER not in asked[asset]
        assert len(platform.versions(asset, AUTHOR)) == trained[asset] + 1


def ask_for_new_samples(platform: Platform, number: int) -> None:
    """Let the author's file say how many samples have to be new before anything is trained again."""
    file = platform.home.parent / "authors" / f"{AUTHOR}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["training"] = {"min_new_samples": number}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")


def write(platform: Platform, name: str) -> Path:
    """Let the author write another article, and return its file."""
    return Path(shutil.copyfile(SAMPLE / "articles" / name, platform.home.parent / "writings" / "articles" / name))


def failed(platform: Platform) -> list[dg.DagsterRun]:
    return list(platform.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])))


def versions(platform: Platform) -> list[ModelVersion]:
    return Tracker.from_settings(Settings(home=platform.home)).versions(f"twin-{AUTHOR}")


def follow_one_another(history: list[Asked], *assets: str) -> None:
    """Assert that assets of the author were first asked for in this order."""
    ticks = [next(tick for tick, asked in enumerate(history) if AUTHOR in asked.get(asset, ())) for asset in assets]
    assert ticks == sorted(ticks)
