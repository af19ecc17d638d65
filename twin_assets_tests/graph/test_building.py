"""Builds as `twin build` makes them: what is rebuilt after an edit, what is not, and what an interruption leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from small_author import AUTHOR, TINY, Place
from upath import UPath

from resources.io_managers import read_rows
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


def test_an_unknown_author_suggests_the_nearest(place):
    with pytest.raises(UserError, match=f"Did you mean '{AUTHOR}'"):
        place.build("ann-red")


def test_an_unknown_asset_names_those_that_there_are(place):
    with pytest.raises(UserError, match=r"no asset 'vectors'; the assets are: .*embeddings"):
        place.build(until="vectors")


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


def test_an_interrupted_training_leaves_the_old_model_whole_and_the_next_build_ends_well(place, tmp_path):
    model = place.artifacts / "base_model"
    before = verify_manifest(model).data_version
    edit_one_sentence(place)
    # A training that would take many minutes, so that the interruption meets it.
    endless = {**TINY["ops"]["base_model"]["config"], "token_budget": 100_000_000, "max_epochs": 100_000.0}
    config = tmp_path / "endless.yaml"
    config.write_text(yaml.safe_dump({"ops": {"base_model": {"config": endless}}}), encoding="utf-8")
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("twin"), "build", AUTHOR, "--until", "base_model", "--config", str(config)],
            env={**os.environ, "TWIN_HOME": str(place.settings.home), "TWIN_AUTHORS_DIR": str(place.root / "authors")},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while not list(model.parent.glob("base_model.partial-*")):
            assert process.poll() is None, (tmp_path / "stderr").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=90) == 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert "interrupted" in (tmp_path / "stderr").read_text(encoding="utf-8")
    assert verify_manifest(model).data_version == before
    outcome = place.build(until="base_model", run_config=TINY)
    assert outcome.success, outcome.failures
    assert outcome.built == ("base_model",)
    assert verify_manifest(model).data_version != before
    assert list(model.parent.glob("base_model.*-*")) == []
