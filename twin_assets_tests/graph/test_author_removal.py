"""Removing an author from every store, all of them real: after a dry run, and also in two goes."""

import json
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from small_author import AUTHOR, Place, lay_out
from typer.testing import CliRunner

from jobs.sensors import author_files
from resources.tracker import CHAMPION, Tracker, registered_name
from twin_assets.cli import app
from twin_assets.console.removing import held
from twin_assets.console.runs import process_tags
from twin_assets.documents import content_hash
from twin_assets.inference.promoting import report_check
from twin_assets.removal.holdings import Holding
from twin_assets.settings import Settings
from twin_assets.training.corpus import CORPUS
from twin_assets.training.storage import cache_of

OTHER = "ann"
"""An author whose slug is the beginning of that of the one who is removed."""


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The small author, built up to the vectors."""
    place = lay_out(tmp_path_factory.mktemp("collected"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MONGODB_URL", "QDRANT_URL", "QDRANT_API_KEY", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, "")
        patch.setitem(Settings.model_config, "env_file", None)
        assert place.build(until="embeddings").success
    return place


@pytest.fixture
def twin(collected: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A copy of it, with two registered models, feedback, an export, logged calls, and an author of a shorter slug."""
    shutil.copytree(collected.root, tmp_path / "copy")
    place = Place(tmp_path / "copy")
    monkeypatch.setenv("TWIN_HOME", str(place.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(place.settings.authors_dir))
    place.add_author(OTHER, place.writings)
    home = place.settings.home
    write(home / "feedback" / f"{AUTHOR}.jsonl", "{}\n")
    write(home / "exports" / AUTHOR / "chatml" / "train.jsonl", "{}\n")
    write(place.artifacts / "chunks" / f"{OTHER}.parquet", "of the other")
    write(place.artifacts / "base_model" / "manifest.json", "{}")
    for job, author in (("his-1", AUTHOR), ("other-1", OTHER)):
        write(place.artifacts / "launches" / job / "spec.json", json.dumps({"author": author, "stage": "sft"}))
        write(place.artifacts / "launches" / job / "checkpoints" / "checkpoint-9" / "model.safetensors", "half")
    cache = cache_of(str(place.artifacts / "sft_checkpoint" / AUTHOR), home / "cache" / "checkpoints")
    write(cache / "0123" / "model.safetensors", "weights")
    for slug in (AUTHOR, OTHER):
        write(place.artifacts / "sweeps" / slug / "rows-1" / "train.parquet", "rows")
        write(place.artifacts / "sweeps" / slug / "ab12.partial-7" / "model.safetensors", "half")
    sentence = longest_line(place.writings / "articles" / "drop-the-index.md")
    for name, text in (("his", f"Explain this:\n{sentence}\n"), ("foreign", "Explain the weather of tomorrow to me.")):
        call = {"user": text, "raw": "{}"}
        write(call_file(place, name), json.dumps(call))
    register_models(place)
    with place.instance() as instance:
        for asset in ("base_model", "leaderboard"):
            instance.report_runless_asset_event(dg.AssetMaterialization(asset))
    return place


def register_models(place: Place) -> None:
    """Register two checkpoints, as `registered_model` does, one of them with what a killed training left beside it."""
    tracker = Tracker.from_settings(place.settings)
    for stage in ("sft", "dpo"):
        checkpoint = place.artifacts / f"{stage}_checkpoint" / AUTHOR
        write(checkpoint / "manifest.json", "{}")
        write(checkpoint / "model.safetensors", "w" * 20_000)
        write(checkpoint / "config.json", '{"architectures": ["LlamaForCausalLM"]}')
        write(checkpoint / "tokenizer_config.json", '{"tokenizer_class": "PreTrainedTokenizerFast"}')
        run_id = tracker.start_run(f"{stage}_checkpoint", author=AUTHOR, tags={"stage": stage})
        tracker.register(
            registered_name(AUTHOR),
            checkpoint,
            run_id=run_id,
            tags={},
            description="A model.",
            base_model="tiny",
            licence="none",
            trained_on={},
        )
        tracker.finish_run(run_id)
    tracker.set_alias(registered_name(AUTHOR), CHAMPION, "1")
    write(place.artifacts / "sft_checkpoint" / f"{AUTHOR}.partial-7" / "model.safetensors", "half")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def longest_line(path: Path) -> str:
    return max(path.read_text(encoding="utf-8").splitlines(), key=len)


def call_file(place: Place, name: str) -> Path:
    key = content_hash(name)
    return place.artifacts / "llm_calls" / key[:2] / f"{key}.json"


def twin_command(*arguments: str) -> Any:
    result = CliRunner().invoke(app, ["author", "remove", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def holdings(place: Place) -> list[Holding]:
    with place.instance() as instance:
        return held(AUTHOR, place.settings, instance)


def files(place: Place) -> set[str]:
    return {
        str(path.relative_to(place.root))
        for path in place.root.rglob("*")
        if path.is_file() and "dagster" not in path.parts and not path.name.endswith(("-wal", "-shm"))
    }


def test_a_dry_run_shows_everything_with_counts_and_bytes_and_changes_nothing(twin):
    before = files(twin)
    result = twin_command(AUTHOR, "--dry-run", "--json")
    rows = {row["what"]: row for row in json.loads(result.stdout)}
    assert {
        "author file",
        "calls of language models",
        "cleaned_documents",
        "sft_checkpoint",
        "dpo_checkpoint",
        "sweeps",
        "exports",
        "feedback",
        "documents",
        "vectors",
        "models and runs",
        "runs and their events",
        "partition",
    } <= rows.keys()
    assert rows["calls of language models"]["count"] == 1
    assert rows["launches"]["count"] == 2
    assert rows["sft_checkpoint, fetched"]["count"] == 1
    assert rows["documents"]["count"] == 12
    assert rows["sweeps"]["count"] == 2
    assert rows["sft_checkpoint"]["bytes"] > 10_000
    assert rows["models and runs"]["bytes"] > 10_000
    assert "base_model" not in rows
    assert files(twin) == before
    assert [one.what for one in holdings(twin)] == list(rows)


def test_afterwards_nothing_of_the_author_is_anywhere_and_the_others_have_lost_nothing(twin):
    twin_command(AUTHOR, "--yes")
    assert holdings(twin) == []
    left = {path for path in files(twin) if AUTHOR in path}
    assert left == set()
    assert [path.name for path in (twin.artifacts / "launches").iterdir()] == ["other-1"]
    assert not list((twin.settings.home / "cache").rglob("*.safetensors"))
    assert call_file(twin, "foreign").exists()
    assert (twin.artifacts / "chunks" / f"{OTHER}.parquet").exists()
    assert (twin.artifacts / "sweeps" / OTHER / "rows-1" / "train.parquet").exists()
    assert (twin.settings.authors_dir / f"{OTHER}.yaml").exists()
    tracker = Tracker.from_settings(twin.settings)
    assert tracker.versions(registered_name(AUTHOR)) == []
    with twin.instance() as instance:
        assert instance.get_dynamic_partitions("authors") == []
        for asset in ("cleaned_documents", "embeddings"):
            assert not instance.get_materialized_partitions(dg.AssetKey(asset))


def holding_text(place: Place) -> set[str]:
    """Return the files of the home that hold something of an article, in plain text."""
    text = (place.writings / "articles" / "a-queue-is-a-loan.md").read_text(encoding="utf-8")
    # What no encoding of JSON changes.
    piece = max(re.split(r"[^A-Za-z ,.]", text), key=len).encode()
    home = place.settings.home
    files = {path.relative_to(home): path for path in home.rglob("*") if path.is_file()}
    return {str(name) for name, path in files.items() if piece in path.read_bytes()}


def test_no_file_holds_text_that_was_deleted(twin):
    """Also where SQLite was compiled, or told, to leave deleted text in its free pages."""
    database = twin.settings.home / "warehouse.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM articles")
        connection.commit()
    assert "warehouse.db" in holding_text(twin)
    twin_command(AUTHOR, "--yes")
    assert holding_text(twin) == set()


def test_a_database_that_stays_in_use_is_said_and_the_removal_goes_on_when_run_again(twin, monkeypatch):
    monkeypatch.setenv("TWIN_LOCK_TIMEOUT_SECONDS", "0")
    runs = twin.settings.home / "dagster" / "history" / "runs.db"
    with closing(sqlite3.connect(runs)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchone()
        refused = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes"])
    assert "runs.db still holds what was deleted in it" in str(refused.exception)
    assert [one.what for one in holdings(twin)] == ["partition"]
    twin_command(AUTHOR, "--yes")
    assert holdings(twin) == []


def sentences(place: Place) -> list[str]:
    """Return what the author wrote in lines that read the same in JSON."""
    texts = [path.read_text(encoding="utf-8") for path in place.writings.rglob("*.md")]
    lines = {line.strip() for text in texts for line in text.splitlines() if len(line) > 40}
    return [line for line in lines if json.dumps(line) == f'"{line}"']


def found_in_dagster(place: Place, wanted: list[str]) -> set[str]:
    """Return the tables of Dagster, by file, in which one of some texts stands."""
    found = set()
    for file in (place.settings.home / "dagster").rglob("*.db"):
        with sqlite3.connect(file) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                rows = "\n".join(str(row) for row in connection.execute(f'SELECT * FROM "{table}"'))  # noqa: S608
                if any(one in rows for one in wanted):
                    found.add(f"{file.name}: {table}")
        connection.close()
    return found


def test_no_table_of_dagster_holds_a_sentence_of_the_author_any_more(twin):
    said = "He was born in a house by the harbour, which nobody else will ever say."
    told = {"sample": dg.MetadataValue.md(said)}
    with twin.instance() as instance:
        for asset in ("features_of_nobody", "registered_model"):
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=OTHER))
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset, partition=AUTHOR, metadata=told, tags={"dagster/data_version": "by-the-harbour"}
                )
            )
        instance.report_runless_asset_event(dg.AssetObservation("author_sites", partition=AUTHOR, metadata=told))
        check = dg.AssetCheckKey(dg.AssetKey("registered_model"), "no_version_knows_a_deleted_document")
        for author in (AUTHOR, OTHER):
            report_check(instance, check, author, passed=False, blocking=False, description=f"{author}: {said[:-1]}")
    wanted = [*sentences(twin), said, "by-the-harbour", f"{AUTHOR}: {said[:-1]}"]
    tables = ("asset_keys", "event_logs", "asset_event_tags", "asset_check_executions")
    assert {".db: event_logs", *(f"index.db: {table}" for table in tables)} <= found_in_dagster(twin, wanted)
    twin_command(AUTHOR, "--yes")
    assert found_in_dagster(twin, wanted) == set()
    assert found_in_dagster(twin, [f"{OTHER}: {said[:-1]}"])
    with twin.instance() as instance:
        newest = instance.get_latest_materialization_event(dg.AssetKey("registered_model"))
        assert newest.asset_materialization.partition == OTHER


def test_what_was_made_of_all_authors_counts_as_not_built_and_that_is_said(twin):
    result = twin_command(AUTHOR, "--yes")
    assert "base_model" in result.output
    assert "until" in result.output.lower()
    with twin.states() as reader:
        assert reader.state("base_model", None).state == "missing"
        assert reader.state("leaderboard", None).state == "missing"


def test_the_sensor_does_not_register_a_removed_author_again_and_a_new_one_of_the_name_begins_anew(twin):
    file = (twin.settings.authors_dir / f"{AUTHOR}.yaml").read_text(encoding="utf-8")
    twin_command(AUTHOR, "--yes")
    resources = {name: twin.resource(name) for name in ("project", "warehouse", "web")}
    with twin.instance() as instance, dg.build_sensor_context(instance=instance, resources=resources) as context:
        requests = author_files(context).dynamic_partitions_requests
    assert [list(request.partition_keys) for request in requests] == [[OTHER]]
    write(twin.settings.authors_dir / f"{AUTHOR}.yaml", file)
    tracker = Tracker.from_settings(twin.settings)
    run_id = tracker.start_run("sft_checkpoint", author=AUTHOR, tags={})
    tracker.finish_run(run_id)
    assert tracker.versions(registered_name(AUTHOR)) == []


def test_an_archive_holds_what_was_removed_and_is_not_written_over(twin, tmp_path):
    archive = tmp_path / "archive"
    versions = Tracker.from_settings(twin.settings).versions(registered_name(AUTHOR))
    twin_command(AUTHOR, "--yes", "--archive", str(archive))
    kept = archive / AUTHOR
    assert (kept / f"{AUTHOR}.yaml").is_file()
    assert len((kept / "documents.jsonl").read_text(encoding="utf-8").splitlines()) == 12
    assert (kept / "artifacts" / "sft_checkpoint" / AUTHOR / "manifest.json").is_file()
    assert (kept / "artifacts" / "cleaned_documents" / f"{AUTHOR}.parquet").is_file()
    assert len(list((kept / "models").glob("version-*"))) == len(versions)
    assert list((kept / "models").rglob("manifest.json"))
    twin.add_author(AUTHOR, twin.writings)
    result = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes", "--archive", str(archive)])
    assert "earlier archive" in str(result.exception)
    assert (twin.settings.authors_dir / f"{AUTHOR}.yaml").exists()


@pytest.mark.parametrize("at", ["documents", "models and runs", "partition"])
def test_a_removal_that_is_interrupted_goes_on_when_run_again_and_keeps_its_archive(twin, tmp_path, monkeypatch, at):
    archive = tmp_path / "archive"
    real = held

    def interrupted(*arguments: Any) -> list[Holding]:
        found = real(*arguments)

        def stop() -> None:
            raise KeyboardInterrupt

        return [
            Holding(one.what, one.where, one.count, one.bytes, stop, one.archive) if one.what == at else one
            for one in found
        ]

    with monkeypatch.context() as patch:
        patch.setattr("twin_assets.console.removing.held", interrupted)
        CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes", "--archive", str(archive)])
    left = {one.what for one in holdings(twin)}
    assert at in left
    assert "author file" not in left
    twin_command(AUTHOR, "--yes", "--archive", str(archive))
    assert holdings(twin) == []
    assert (archive / AUTHOR / f"{AUTHOR}.yaml").is_file()
    assert (archive / AUTHOR / "artifacts" / "sft_checkpoint" / AUTHOR / "manifest.json").is_file()


def test_nothing_is_removed_while_a_run_of_the_author_goes_on_or_without_a_yes(twin):
    before = files(twin)
    with twin.instance() as instance:
        job = twin.definitions().resolve_job_def("collection")
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": AUTHOR})
    refused = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes"])
    assert "has not ended" in str(refused.exception)
    with twin.instance() as instance:
        instance.report_run_canceled(run)
    refused = CliRunner().invoke(app, ["author", "remove", AUTHOR], input="n\n")
    assert "Nothing was removed" in str(refused.exception)
    assert files(twin) == before


def begin(
    place: Place, assets: set[str], author: str | None = None, tags: Mapping[str, str] | None = None
) -> dg.DagsterRun:
    """Begin a run of some assets, of the author or of all."""
    job = place.definitions().resolve_job_def("twin").get_subset(asset_selection={dg.AssetKey(name) for name in assets})
    with place.instance() as instance:
        return instance.create_run_for_job(
            job,
            status=dg.DagsterRunStatus.STARTED,
            tags={**(tags or {}), **({"dagster/partition": author} if author else {})},
        )


def cancel(place: Place, run: dg.DagsterRun) -> None:
    with place.instance() as instance:
        instance.report_run_canceled(run)


@pytest.mark.parametrize(("asset", "author"), [("base_model", None), ("base_model", OTHER), ("leaderboard", OTHER)])
def test_nothing_is_removed_while_something_is_made_of_all_authors(twin, asset, author):
    before = files(twin)
    begin(twin, {asset}, author)
    refused = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes"])
    assert re.search(f"of {asset} has not ended", str(refused.exception))
    assert files(twin) == before


def test_a_build_whose_process_was_killed_is_not_waited_for(twin):
    begin(twin, {"base_model"}, OTHER, tags={**process_tags(), "twin/process_began": "1"})
    said = twin_command(AUTHOR, "--yes")
    assert "was killed" in said.stderr
    assert holdings(twin) == []


def test_a_run_of_another_author_alone_is_not_waited_for(twin):
    begin(twin, {"chunks", "sft_checkpoint"}, OTHER)
    twin_command(AUTHOR, "--yes")
    assert holdings(twin) == []


def test_what_of_all_authors_began_to_be_made_during_the_removal_is_waited_for(twin, monkeypatch):
    runs = []
    with monkeypatch.context() as patch:
        patch.setattr("twin_assets.removal.holdings._unlink", lambda _: runs.append(begin(twin, {"base_model"})))
        refused = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes"])
    assert "base_model has not ended" in str(refused.exception)
    cancel(twin, runs[0])
    twin_command(AUTHOR, "--yes")
    assert holdings(twin) == []


def test_a_removal_that_could_not_say_what_is_not_built_any_more_says_it_when_run_again(twin, monkeypatch):
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(dg.DagsterInstance, "wipe_assets", locked)
        refused = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes"])
    assert "database is locked" in str(refused.exception)
    twin_command(AUTHOR, "--yes")
    assert holdings(twin) == []
    with twin.states() as reader:
        assert reader.state("base_model", None).state == "missing"
        assert reader.state("leaderboard", None).state == "missing"


def test_calls_about_text_that_the_author_has_deleted_since_go_too_and_those_of_others_stay(twin):
    for name, authors in (("deleted", [AUTHOR]), ("shared", [OTHER, AUTHOR]), ("other's", [OTHER])):
        write(call_file(twin, name), json.dumps({"authors": authors, "user": "Of this nothing is left.", "raw": "{}"}))
    twin_command(AUTHOR, "--yes")
    assert not call_file(twin, "deleted").exists()
    assert not call_file(twin, "shared").exists()
    assert call_file(twin, "other's").exists()


@pytest.mark.parametrize("content", ["not JSON", "[]"])
def test_a_call_that_cannot_be_read_is_named_and_nothing_is_removed(twin, content):
    write(call_file(twin, "his"), content)
    before = files(twin)
    refused = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--yes"])
    assert f"{call_file(twin, 'his')} is damaged" in str(refused.exception)
    assert files(twin) == before


def test_the_text_that_a_killed_training_of_the_base_model_left_goes_too(twin):
    corpus = twin.artifacts / f"{CORPUS}0123456789ab" / "train.parquet"
    write(corpus, "half a table")
    rows = {row["what"]: row for row in json.loads(twin_command(AUTHOR, "--dry-run", "--json").stdout)}
    assert (rows["corpora of all authors"]["count"], rows["corpora of all authors"]["bytes"]) == (1, 12)
    twin_command(AUTHOR, "--yes")
    assert not corpus.parent.exists()


def test_such_a_text_makes_nobody_an_author(twin):
    write(twin.artifacts / f"{CORPUS}0123456789ab" / "train.parquet", "half a table")
    refused = CliRunner().invoke(app, ["author", "remove", "ann-read", "--yes"])
    assert "There is no author 'ann-read'" in str(refused.exception)


def test_the_question_is_no_part_of_the_json_and_a_run_that_began_meanwhile_is_seen(twin, monkeypatch):
    before = files(twin)
    asked = CliRunner().invoke(app, ["author", "remove", AUTHOR, "--json"], input="n\n")
    # The answer is an echo of the runner's.
    assert {row["what"] for row in json.loads(asked.stdout.removesuffix("n\n"))} == {one.what for one in holdings(twin)}
    assert "for good?" in asked.stderr

    def think(*_: object, **__: object) -> bool:
        with twin.instance() as instance:
            job = twin.definitions().resolve_job_def("collection")
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": AUTHOR})
        return True

    monkeypatch.setattr("typer.confirm", think)
    refused = CliRunner().invoke(app, ["author", "remove", AUTHOR])
    assert "has not ended" in str(refused.exception)
    assert files(twin) == before


def test_nobody_of_that_name_is_said_with_the_nearest_name(twin):
    refused = CliRunner().invoke(app, ["author", "remove", "ann-read", "--yes"])
    assert "There is no author 'ann-read'. Did you mean 'ann" in str(refused.exception)
