"""Builds as `twin build` makes them: what is rebuilt after an edit, what is not, and what an interruption leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from small_author import AUTHOR, TINY, Place
from upath import UPath

from resources.io_managers import read_rows
from twin_assets.console.building import Builder
from twin_assets.console.runs import process_tags
from twin_assets.documents import Chunk
from twin_assets.errors import UserError
from twin_assets.training.manifest import verify_manifest

EDITED = "articles/drop-the-index.md"
DELETED = "posts/runbook-rot.md"


def chunks(place: Place) -> dict[str, Chunk]:
    rows = read_rows(UPath(place.artifacts) / "chunks" / f"{AUTHOR}.parquet", Chunk)
    return {row.chunk_id: row for row in rows}


def edit_one_sentence(place: Place) -> None:
    file = place.writings / EDITED
    text = file.read_text(encoding="utf-8")
    paragraphs = text.split("\n\n")
    middle = next(number for number in range(len(paragraphs) // 2, len(paragraphs)) if len(paragraphs[number]) > 200)
    paragraphs[middle] += " Then I went home and slept."
    file.write_text("\n\n".join(paragraphs), encoding="utf-8")


def test_after_an_edit_only_the_changed_chunks_are_embedded_and_what_is_below_is_stale_and_says_why(place):
    before = chunks(place)
    edit_one_sentence(place)
    outcome = place.build(until="embeddings", run_config=TINY)
    assert outcome.success
    assert set(outcome.built) == {"raw_documents", "cleaned_documents", "chunks", "embeddings"}
    after = chunks(place)
    new = [after[name] for name in after.keys() - before.keys()]
    assert 1 <= len(new) <= 3
    assert len({chunk.document_id for chunk in new}) == 1
    assert any("went home and slept" in chunk.text for chunk in new)
    metadata = place.metadata("embeddings")
    assert metadata["vectors_added"].value == len(new)
    assert metadata["vectors_deleted"].value == len(before.keys() - after.keys())
    assert place.metadata("raw_documents")["links_changed"].value == 1
    with place.states() as reader:
        states = {state.asset: state for state in reader.states(AUTHOR)}
    assert all(states[asset].state == "fresh" for asset in outcome.built)
    # As in the UI, what is made of these in turn becomes stale when they have changed.
    for asset in ("instruct_dataset", "base_model", "style_profile", "eval_report"):
        assert states[asset].state == "stale", asset
        assert "cleaned_documents has a new data version" in states[asset].causes, asset
    assert "embeddings has a new data version" in states["retrieval_report"].causes


def test_after_a_deletion_the_vectors_of_the_document_are_gone_and_no_other_is_touched(place):
    before = chunks(place)
    (place.writings / DELETED).unlink()
    outcome = place.build(until="embeddings", run_config=TINY)
    assert outcome.success
    after = chunks(place)
    gone = [before[name] for name in before.keys() - after.keys()]
    assert gone
    assert len({chunk.document_id for chunk in gone}) == 1
    collected = place.metadata("raw_documents")
    assert (collected["links_gone"].value, collected["links_unchanged"].value) == (1, collected["documents"].value)
    indexed = place.metadata("embeddings")
    assert (indexed["vectors_added"].value, indexed["vectors_deleted"].value) == (0, len(gone))


def test_a_second_build_does_nothing(place):
    outcome = place.build()
    assert (outcome.run_id, outcome.built, outcome.success) == (None, (), True)


def test_another_seed_makes_stale_what_reads_it_and_a_build_settles_it(place, monkeypatch):
    monkeypatch.setenv("TWIN_SEED", "7")
    assert place.build(until="cleaned_documents").run_id is None
    with place.states() as reader:
        states = {state.asset: state for state in reader.states(AUTHOR)}
    for asset in ("chunks", "embeddings", "base_model", "instruct_dataset", "sft_checkpoint", "eval_report"):
        assert "settings has a new data version" in states[asset].causes, asset
    assert states["raw_documents"].state == states["cleaned_documents"].state == "fresh"
    assert place.build(until="style_profile").built == ("style_profile",)
    assert place.build(until="style_profile").run_id is None


def test_a_model_is_not_measured_on_what_it_was_trained_on(place, monkeypatch):
    monkeypatch.setenv("TWIN_TEST_FRACTION", "0.45")
    with place.instance() as instance:
        result = (
            place.definitions()
            .resolve_job_def("twin")
            .execute_in_process(
                partition_key=AUTHOR,
                asset_selection=[dg.AssetKey("eval_report")],
                instance=instance,
                raise_on_error=False,
            )
        )
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "held-out documents were trained on" in failure.step_failure_data.error.cause.message


def test_an_unknown_author_suggests_the_nearest(place):
    with pytest.raises(UserError, match=f"Did you mean '{AUTHOR}'"):
        place.build("ann-red")


def test_an_unknown_asset_names_those_that_there_are(place):
    with pytest.raises(UserError, match=r"no asset 'vectors'; the assets are: .*embeddings"):
        place.build(until="vectors")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"ops": {"sft_checkpoint": {"config": {"max_stepss": 3}}}}, '"max_stepss" at path ops:sft_checkpoint:config'),
        ({"ops": {"sft_checkpoint": {"config": {"max_steps": "many"}}}}, "ops:sft_checkpoint:config:max_steps"),
        ({"ops": {"sft": {"config": {}}}}, '"sft" at path ops'),
        ({"ops": None}, "ops must not be None"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_in_a_sentence_before_anything_is_built(
    empty_place, config, field
):
    with pytest.raises(UserError) as caught:
        empty_place.build(run_config=config)
    assert field in str(caught.value)
    assert len(str(caught.value)) < 250
    with empty_place.states() as reader:
        assert reader.state("raw_documents", AUTHOR).state == "missing"


def test_a_configuration_of_what_is_not_built_is_told(empty_place):
    notices: list[str] = []
    config = {"ops": {"sft_checkpoint": {"config": {"max_steps": 3}}}}
    assert empty_place.build(until="raw_documents", run_config=config, notice=notices.append).success
    assert [notice for notice in notices if "configuration of sft_checkpoint is not used" in notice]


def test_a_build_observes_the_training_policy_too(empty_place):
    assert empty_place.build(until="raw_documents").success
    with empty_place.instance() as instance:
        (record,) = instance.fetch_observations(dg.AssetKey("training_policy"), limit=5).records
    assert record.partition_key == AUTHOR


def test_a_broken_author_file_and_an_empty_folder_of_others_do_not_stop_a_build(empty_place):
    (empty_place.root / "authors" / "zoe.yaml").write_text("name: [", encoding="utf-8")
    empty_place.add_author("yan", "../nowhere")
    notices: list[str] = []
    outcome = empty_place.build(until="cleaned_documents", notice=notices.append)
    assert outcome.success
    assert set(outcome.built) == {"raw_documents", "cleaned_documents"}
    assert len(notices) == 2
    assert any(notice.startswith("zoe is passed over") and "not valid YAML" in notice for notice in notices)
    assert any(notice.startswith("yan is passed over") for notice in notices)


@pytest.mark.parametrize("step", ["collection.assets.collect_links", "features.assets.clean_corpus"])
def test_an_interruption_while_another_author_is_read_ends_the_whole_build(empty_place, monkeypatch, step):
    def ctrl_c(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    empty_place.add_author("bob", "../writings")
    monkeypatch.setattr(f"twin_assets.{step}", ctrl_c)
    with pytest.raises(UserError, match="interrupted while it read the writings of bob; what was finished is kept"):
        empty_place.build(until="base_model", run_config=TINY)
    with empty_place.states() as reader:
        assert reader.state("raw_documents", AUTHOR).state == "missing"


def test_another_author_with_too_little_text_is_passed_over_with_a_notice(place):
    folder = place.root / "little"
    folder.mkdir()
    (folder / "one.md").write_text("# One\n\nA single short text is not enough for a twin.\n", encoding="utf-8")
    place.add_author("bob", "../little")
    edit_one_sentence(place)
    notices: list[str] = []
    outcome = place.build(until="base_model", notice=notices.append, run_config=TINY)
    assert any("bob" in notice for notice in notices)
    assert outcome.success, outcome.failures
    assert "base_model" in outcome.built
    metadata = place.metadata("base_model", None)
    assert (metadata["authors"].value, metadata["authors_left_out"].value) == (1, 1)


def test_a_failed_step_is_told_in_a_sentence_and_leaves_what_was_there(place):
    before = chunks(place)
    for file in [*place.writings.rglob("*.md"), *place.writings.rglob("*.html")][2:]:
        file.unlink()
    outcome = place.build(until="embeddings")
    assert not outcome.success
    assert outcome.failures
    assert chunks(place) == before


@contextmanager
def endless_training(place: Place, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `twin build` with a training that would take many minutes, and enter the block while it trains."""
    model = place.artifacts / "base_model"
    endless = {**TINY["ops"]["base_model"]["config"], "token_budget": 100_000_000, "max_epochs": 100_000.0}
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            twin_build(folder, {"ops": {"base_model": {"config": endless}}}),
            env=environment(place),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while not list(model.parent.glob("base_model.partial-*")):
            assert process.poll() is None, (folder / "stderr").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def twin_build(folder: Path, config: dict[str, Any]) -> list[str]:
    """Return the command that builds the base model with a configuration."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    twin = Path(sys.executable).with_name("twin")
    return [str(twin), "build", AUTHOR, "--until", "base_model", "--config", str(file)]


def environment(place: Place) -> dict[str, str]:
    return {**os.environ, "TWIN_HOME": str(place.settings.home), "TWIN_AUTHORS_DIR": str(place.root / "authors")}


def test_an_interrupted_training_leaves_the_old_model_whole_and_the_next_build_ends_well(place, tmp_path):
    model = place.artifacts / "base_model"
    before = verify_manifest(model).data_version
    edit_one_sentence(place)
    with endless_training(place, tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=90) == 1
    assert "interrupted" in (tmp_path / "stderr").read_text(encoding="utf-8")
    assert verify_manifest(model).data_version == before
    outcome = place.build(until="base_model", run_config=TINY)
    assert outcome.success, outcome.failures
    assert outcome.built == ("base_model",)
    assert verify_manifest(model).data_version != before
    assert list(model.parent.glob("base_model.*-*")) == []


def test_a_build_that_was_killed_in_a_pool_does_not_hold_up_the_next_one(place, tmp_path):
    edit_one_sentence(place)
    with endless_training(place, tmp_path) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)
    done = subprocess.run(
        twin_build(tmp_path, TINY),
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"The build of {AUTHOR} that began at" in done.stderr
    assert "was killed; its place is free again" in " ".join(done.stderr.split())
    with place.instance() as instance:
        killed = instance.get_runs(dg.RunsFilter(tags={"twin/pid": str(process.pid)}))
        assert {run.status for run in killed} <= {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
        assert dg.DagsterRunStatus.FAILURE in {run.status for run in killed}


def occupy(instance: dg.DagsterInstance, pool: str) -> str:
    """Let a living run of another build hold the only place in a pool; return its id."""
    run = dg.DagsterRun(
        job_name="twin", run_id="0" * 32, status=dg.DagsterRunStatus.STARTED, tags={"author": "bob", **process_tags()}
    )
    instance.add_run(run)
    instance.event_log_storage.initialize_concurrency_limit_to_default(pool)
    assert instance.event_log_storage.claim_concurrency_slot(pool, run.run_id, "base_model").is_claimed
    return run.run_id


def test_a_build_that_has_to_wait_for_a_training_says_for_whose_and_goes_on_when_it_is_done(empty_place):
    notices: list[str] = []
    with empty_place.instance() as instance:
        other = occupy(instance, "crawl")

        def notice(sentence: str) -> None:
            notices.append(sentence)
            instance.event_log_storage.free_concurrency_slots_for_run(other)

        builder = Builder(empty_place.definitions(), instance, empty_place.settings)
        outcome = builder.build(AUTHOR, until="raw_documents", notice=notice)
    assert outcome.success, outcome.failures
    (said,) = notices
    assert "raw_documents waits until base_model of the build of bob that began at" in said
    assert f"(process {os.getpid()})" in said


def test_waiting_for_a_place_can_be_interrupted(empty_place):
    with empty_place.instance() as instance:
        occupy(instance, "crawl")
        builder = Builder(empty_place.definitions(), instance, empty_place.settings)
        outcome = builder.build(AUTHOR, until="raw_documents", notice=lambda _: signal.raise_signal(signal.SIGINT))
    assert not outcome.success
    assert outcome.built == ()
    assert "The build was interrupted" in outcome.failures[0]
