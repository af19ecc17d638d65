"""The daily housekeeping: its decisions by themselves, and its job on real stores, with and without a dry run."""

import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from jobs.housekeeping import housekeeping
from resources.artifacts import ArtifactStore
from resources.registry_cleaning import RegistryCleaner, RegistryCopy
from resources.tracker import CHAMPION, Tracker, registered_name
from twin_assets.housekeeping.leftovers import leftovers, old_launches, old_trials
from twin_assets.housekeeping.versions import removable_versions
from twin_assets.settings import Settings
from twin_assets.training.corpus import CORPUS
from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets.training.manifest import write_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import publish_checkpoint

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MONTH = timedelta(days=30)


def copies(count: int, *, days_old: int = 100, aliases: dict[int, str] | None = None) -> list[RegistryCopy]:
    return [
        RegistryCopy(
            name="twin-ann",
            version=str(number),
            created_at=NOW - timedelta(days=days_old),
            aliases=((aliases or {})[number],) if number in (aliases or {}) else (),
            checkpoint=f"checkpoint {number}",
            source=f"/registry/{number}",
            bytes=10,
        )
        for number in range(1, count + 1)
    ]


def removable(found: list[RegistryCopy], *, present: tuple[str, ...] = (), newest: int = 2) -> list[str]:
    gone = removable_versions(found, present=present, newest=newest, younger_than=MONTH, now=NOW)
    return [copy.version for copy in gone]


def test_all_but_the_newest_go_when_they_are_old():
    assert removable(copies(12)) == [str(number) for number in range(1, 11)]
    assert removable(copies(2)) == []


@pytest.mark.parametrize("alias", ["champion", "candidate", "previous", "the-one-i-like"])
def test_a_version_with_an_alias_never_goes(alias):
    assert removable(copies(5, aliases={1: alias})) == ["2", "3"]


def test_what_is_young_and_what_is_a_copy_of_a_present_checkpoint_stays():
    assert removable(copies(5, days_old=29)) == []
    assert removable(copies(5), present=("checkpoint 2",)) == ["1", "3"]


def test_the_newest_are_counted_for_each_model():
    others = [copy.model_copy(update={"name": "twin-bob"}) for copy in copies(3)]
    assert removable([*copies(3), *others]) == ["1", "1"]


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    for one in [*path.rglob("*"), path]:
        os.utime(one, (then, then))


def put(path: Path, *, days: float = 0, text: str = "12345") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    age(path, days)
    return path


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def root(settings) -> Path:
    """Artifacts with what killed runs left, ten days and one day ago."""
    root = Path(settings.artifacts_root)
    for name in ("ann.partial-17", "ann.replaced-17", "ann.checkpoints-ab12"):
        put(root / "sft_checkpoint" / name / "model.safetensors")
        age(root / "sft_checkpoint" / name, 10)
    put(root / "chunks" / ".ann.parquet.0f0f.partial", days=10)
    put(root / "base_model.partial-3" / "model.safetensors")
    age(root / "base_model.partial-3", 10)
    put(root / f"{CORPUS}ab12" / "train.parquet")
    age(root / f"{CORPUS}ab12", 10)
    put(root / "dpo_checkpoint" / "ann.partial-18" / "model.safetensors", days=1)
    put(root / "sft_checkpoint" / "ann" / "model.safetensors", days=400)
    put(root / "chunks" / "ann.parquet", days=400)
    return root


TEN_DAYS_AGO = int((time.time() - 10 * 86_400) * 1000)


def week_ago() -> float:
    return time.time() - 7 * 86_400


def test_what_killed_runs_left_is_found_by_name_and_age_with_its_size(root):
    found = leftovers(str(root), older_than=week_ago())
    assert [(str(left.path.relative_to(root)), left.bytes) for left in found] == [
        ("base_model.corpus-ab12", 5),
        ("base_model.partial-3", 5),
        ("chunks/.ann.parquet.0f0f.partial", 5),
        ("sft_checkpoint/ann.checkpoints-ab12", 5),
        ("sft_checkpoint/ann.partial-17", 5),
        ("sft_checkpoint/ann.replaced-17", 5),
    ]


def test_a_folder_into_which_a_training_still_writes_is_young(root):
    put(root / "sft_checkpoint" / "ann.checkpoints-ab12" / "checkpoint-9" / "rng.pt")
    found = leftovers(str(root), older_than=week_ago())
    assert "ann.checkpoints-ab12" not in {left.path.name for left in found}


def test_launches_are_found_when_nothing_in_them_was_touched_for_long(root):
    put(root / "launches" / "old" / "spec.json")
    age(root / "launches" / "old", 40)
    put(root / "launches" / "new" / "spec.json", days=40)
    put(root / "launches" / "new" / "messages" / "1.json")
    assert [left.path.name for left in old_launches(str(root / "launches"), older_than=week_ago())] == ["old"]
    assert old_launches(str(root / "nowhere"), older_than=week_ago()) == []


def test_of_the_trials_of_each_author_what_nobody_touched_for_long_is_found(root):
    for slug, days in (("ann", 40), ("bob", 1)):
        for name in ("rows-1/train.parquet", "ab12.json", "cd34.partial-7/model.safetensors"):
            put(root / "sweeps" / slug / name)
        for path in (root / "sweeps" / slug).iterdir():
            age(path, days)
    put(root / "sweeps" / "ann" / "rows-2" / "train.parquet")
    found = old_trials(str(root / "sweeps"), older_than=week_ago())
    assert [(str(left.path.relative_to(root / "sweeps")), left.bytes) for left in found] == [
        ("ann/ab12.json", 5),
        ("ann/cd34.partial-7", 5),
        ("ann/rows-1", 5),
    ]
    assert old_trials(str(root / "nowhere"), older_than=week_ago()) == []


def keep_house(settings: Settings, instance: dg.DagsterInstance, *, dry_run: bool) -> dg.ExecuteInProcessResult:
    policy = {"config": {"dry_run": dry_run}}
    return housekeeping.execute_in_process(
        instance=instance,
        resources={"tracker": Tracker.from_settings(settings), "artifacts": ArtifactStore.from_settings(settings)},
        run_config={
            "ops": {
                "old_versions": {"config": {"dry_run": dry_run, "keep_newest": 1, "keep_days": 0}},
                **dict.fromkeys(
                    ("left_by_killed_runs", "files_of_launches", "trials_of_sweeps", "runs_never_closed"), policy
                ),
            }
        },
    )


def report(result: dg.ExecuteInProcessResult, op: str) -> dict[str, object]:
    (event,) = [event for event in result.events_for_node(op) if event.is_successful_output]
    return {key: value.value for key, value in event.step_output_data.metadata.items()}


def register(tracker: Tracker, checkpoint: Path, data_version: str) -> None:
    put(checkpoint / "model.safetensors")
    (checkpoint / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (checkpoint / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    run_id = tracker.start_run("sft_checkpoint", author="ann", tags={})
    tracker.register(
        registered_name("ann"),
        checkpoint,
        run_id=run_id,
        tags={"checkpoint": data_version},
        description="A version.",
        base_model="tiny",
        licence="none",
        trained_on={},
    )
    tracker.finish_run(run_id)


@pytest.fixture
def tracker(settings, tmp_path) -> Tracker:
    """Four versions of a model, of which the second is the champion."""
    tracker = Tracker.from_settings(settings)
    for number in range(1, 5):
        register(tracker, tmp_path / f"checkpoint-{number}", f"v{number}")
    tracker.set_alias(registered_name("ann"), CHAMPION, "2")
    return tracker


def test_the_job_deletes_old_versions_with_their_copies_and_never_the_champion(settings, root, tracker):
    before = {copy.version: Path(copy.source) for copy in RegistryCleaner(tracker).copies()}
    trial = put(root / "sweeps" / "ann" / "ab12.json", days=31)
    young = put(root / "sweeps" / "ann" / "cd34.json", days=29)
    with dg.DagsterInstance.ephemeral() as instance:
        looked = keep_house(settings, instance, dry_run=True)
        assert [version.version for version in tracker.versions("twin-ann")] == ["1", "2", "3", "4"]
        assert (root / "sft_checkpoint" / "ann.partial-17").exists()
        assert trial.exists()
        done = keep_house(settings, instance, dry_run=False)
    assert [version.version for version in tracker.versions("twin-ann")] == ["2", "4"]
    assert {version for version, path in before.items() if path.exists()} == {"2", "4"}
    assert not (root / "sft_checkpoint" / "ann.partial-17").exists()
    assert (root / "sft_checkpoint" / "ann" / "model.safetensors").exists()
    assert (root / "dpo_checkpoint" / "ann.partial-18").exists()
    assert not trial.exists()
    assert young.exists()
    for op, at_least in (("old_versions", 10), ("left_by_killed_runs", 25)):
        assert report(looked, op)["bytes"] == report(done, op)["bytes"] >= at_least
        assert report(looked, op)["dry_run"] is True


def test_a_version_that_becomes_champion_after_the_listing_stays(settings, tracker, monkeypatch):
    listed = RegistryCleaner.copies

    def copies_and_then_a_promotion(cleaner, name=None):
        found = listed(cleaner, name)
        tracker.set_alias("twin-ann", CHAMPION, "1")
        return found

    monkeypatch.setattr(RegistryCleaner, "copies", copies_and_then_a_promotion)
    with dg.DagsterInstance.ephemeral() as instance:
        done = keep_house(settings, instance, dry_run=False)
    assert {version.version: version.aliases for version in tracker.versions("twin-ann")} == {
        "1": [CHAMPION],
        # Champion when it was listed: the next run looks at it anew.
        "2": [],
        "4": [],
    }
    assert Path(tracker._client.get_model_version("twin-ann", "1").source.removeprefix("file://")).is_dir()
    assert report(done, "old_versions")["deleted"] == 1


def test_whoever_deletes_waits_until_the_database_is_made_by_whoever_began(settings):
    folder = Path(Tracker.from_settings(settings).folder)
    # Complete, so that the answer would come at once.
    Tracker.from_settings(settings).client.search_experiments(max_results=1)
    with ThreadPoolExecutor(1) as elsewhere:
        with FileLock(folder / "mlflow.db.lock"):
            copies = elsewhere.submit(RegistryCleaner(Tracker.from_settings(settings)).copies)
            with pytest.raises(TimeoutError):
                copies.result(timeout=3)
        assert copies.result(timeout=60) == []


def test_a_copy_whose_files_cannot_be_deleted_is_not_reported_as_freed(settings, tracker, tmp_path):
    [first, *_] = RegistryCleaner(tracker).copies()
    files = Path(first.source).rename(tmp_path / "on another disk")
    Path(first.source).symlink_to(files)
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(OSError, match="symbolic link"):
        keep_house(settings, instance, dry_run=False)
    # It goes on being listed, until somebody mends that.
    assert first.model_id in {package.model_id for package in RegistryCleaner(tracker).packages()}


def test_of_checkpoints_in_an_object_store_only_the_manifests_are_read(bucket, own_home, tracker, tmp_path):
    artifacts = f"{bucket}/artifacts"
    checkpoint = tmp_path / "trained"
    put(checkpoint / "model.safetensors")
    spec = TrainingSpec(
        stage="pretrain",
        dataset_uri="nowhere",
        dataset_version="rows-1",
        output_uri=str(checkpoint),
        hyperparameters=PretrainHyperparameters(),
        chat_template_hash="0",
        code_version="1",
    )
    written = write_manifest(checkpoint, spec=spec, libraries={}, metrics={})
    publish_checkpoint(checkpoint, f"{artifacts}/sft_checkpoint/ann")
    for number, data_version in enumerate([written.data_version, "v6", "v7"]):
        register(tracker, tmp_path / f"registered-{number}", data_version)
    with dg.DagsterInstance.ephemeral() as instance:
        keep_house(Settings(artifacts_uri=artifacts), instance, dry_run=False)
    kept = [version.tags["checkpoint"] for version in tracker.versions("twin-ann")]
    assert kept == ["v2", written.data_version, "v7"]
    assert not list((own_home / "cache").rglob("*.safetensors"))


def test_launches_are_deleted_where_the_settings_say_that_they_lie(tmp_path):
    launches = tmp_path / "elsewhere"
    put(launches / "old" / "spec.json")
    age(launches / "old", 40)
    with dg.DagsterInstance.ephemeral() as instance:
        done = keep_house(Settings(launches_uri=str(launches)), instance, dry_run=False)
    assert list(launches.iterdir()) == []
    assert report(done, "files_of_launches")["deleted"] == 1


def test_the_models_of_others_on_the_same_mlflow_are_left_alone(settings, tracker):
    client = tracker._client
    client.create_registered_model("weather")
    for _ in range(3):
        client.create_model_version("weather", source="/somewhere/else")
    with dg.DagsterInstance.ephemeral() as instance:
        keep_house(settings, instance, dry_run=False)
    assert [version.version for version in tracker.versions("weather")] == ["1", "2", "3"]


def test_what_killed_registrations_stored_is_deleted_after_a_week(settings, tracker, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tracker._client, "create_model_version", killed)
        for name in ("lost long ago", "lost today"):
            with pytest.raises(KeyboardInterrupt):
                register(tracker, tmp_path / name, name)
    packages = {Path(package.source) for package in RegistryCleaner(tracker).packages()}
    of_versions = {Path(copy.source) for copy in RegistryCleaner(tracker).copies()}
    assert len(packages) == len(of_versions) + 2
    today = max(packages - of_versions, key=lambda path: path.stat().st_mtime)
    [long_ago] = packages - of_versions - {today}
    with sqlite3.connect(settings.home / "mlflow" / "mlflow.db") as database:
        # All but one were stored ten days ago, those of the versions, too.
        ten_days = 10 * 86_400_000
        database.execute(
            "UPDATE logged_models SET creation_timestamp_ms = creation_timestamp_ms - ? WHERE model_id != ?",
            (ten_days, today.parent.name),
        )
    with dg.DagsterInstance.ephemeral() as instance:
        keep_house(settings, instance, dry_run=True)
        assert long_ago.is_dir()
        done = keep_house(settings, instance, dry_run=False)
        again = keep_house(settings, instance, dry_run=False)
    kept = {Path(copy.source) for copy in RegistryCleaner(tracker).copies()}
    assert len(kept) == 2
    assert {path for path in packages if path.exists()} == {*kept, today}
    # The others are marked as deleted in MLflow: that is what its `mlflow gc` goes by, on a server.
    assert {Path(package.source) for package in RegistryCleaner(tracker).packages()} == {*kept, today}
    assert report(done, "old_versions")["deleted"] == 3
    assert report(again, "old_versions")["deleted"] == 0


def test_a_run_of_mlflow_whose_dagster_run_has_ended_is_marked_killed_and_one_that_goes_on_is_left(settings, tracker):
    with dg.DagsterInstance.ephemeral() as instance:

        @dg.asset
        def training() -> None: ...

        ended = dg.materialize([training], instance=instance).run_id
        going = instance.create_run_for_job(
            dg.Definitions(assets=[training]).resolve_implicit_global_asset_job_def(),
            status=dg.DagsterRunStatus.STARTED,
        ).run_id
        open_runs = {
            name: tracker.start_run(name, author="ann", tags=tags)
            for name, tags in (
                ("killed", {"dagster_run": ended}),
                ("going", {"dagster_run": going}),
                ("by hand", {}),
            )
        }
        done = keep_house(settings, instance, dry_run=False)
    assert {run.run_id for run in RegistryCleaner(tracker).open_runs()} == {open_runs["going"], open_runs["by hand"]}
    assert report(done, "runs_never_closed")["deleted"] == 1
    assert report(done, "runs_never_closed")["looked_at"] == 3


def test_the_open_runs_of_others_on_the_same_mlflow_are_left_alone(settings, tracker):
    foreign = tracker.client.create_experiment("weather")
    theirs = tracker.client.create_run(foreign, start_time=TEN_DAYS_AGO).info.run_id
    of_all = tracker.start_run("base_model", author=None, tags={})
    with sqlite3.connect(settings.home / "mlflow" / "mlflow.db") as database:
        database.execute("UPDATE runs SET start_time = ? WHERE run_uuid = ?", (TEN_DAYS_AGO, of_all))
    with dg.DagsterInstance.ephemeral() as instance:
        done = keep_house(settings, instance, dry_run=False)
    assert tracker.client.get_run(theirs).info.status == "RUNNING"
    assert tracker.client.get_run(of_all).info.status == "KILLED"
    assert report(done, "runs_never_closed")["looked_at"] == 1


def test_open_runs_are_found_in_more_experiments_than_one_page_holds(tracker, monkeypatch):
    monkeypatch.setattr("resources.registry_cleaning.PAGE", 1)
    started = {tracker.start_run("by hand", author=author, tags={}) for author in ("ann", "bob", "cid")}
    assert {run.run_id for run in RegistryCleaner(tracker).open_runs()} >= started
