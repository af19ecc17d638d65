"""`twin sweep` on an author who was really built: real trainings, what MLflow shows of them, the author file after."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_author import AUTHOR, Place

from twin_assets.settings import PROJECT_ROOT

GRID = {"stage": "sft", "method": "grid", "parameters": {"learning_rate": [2e-3, 1e-5], "lora_rank": [4]}}
OWN = """\
training:
  # small, to be quick; a trial has nothing to stop early by
  {stage}: {{max_steps: 3, batch_size: 4, max_length: 96, max_eval_rows: 8, early_stopping_patience: 2}}
"""


def twin(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a `twin` command as a person does, in a process of its own."""
    program = "from twin_assets.cli import main; main()"
    environment = {"TWIN_HOME": str(place.settings.home), "TWIN_AUTHORS_DIR": str(place.settings.authors_dir)}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        timeout=500,
        check=False,
    )


def asked_for(place: Place, content: dict[str, Any]) -> str:
    file = place.root / "sweep.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(file)


def swept(place: Place, content: dict[str, Any], *options: str) -> list[dict[str, Any]]:
    done = twin(place, "sweep", AUTHOR, asked_for(place, content), "--json", *options)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def author_file(place: Place, stage: str) -> Path:
    """Let the author file say what makes a trial small; return it."""
    file = place.settings.authors_dir / f"{AUTHOR}.yaml"
    file.write_text(file.read_text(encoding="utf-8") + OWN.format(stage=stage), encoding="utf-8")
    return file


def trials_in_mlflow(place: Place) -> dict[str, list[Any]]:
    """Return the runs of trials by the name of the sweep's run that they stand in."""
    from mlflow import MlflowClient

    client = MlflowClient(place.settings.tracking_uri)
    experiment = client.get_experiment_by_name(f"twin-{AUTHOR}")
    runs = client.search_runs([experiment.experiment_id])
    names = {run.info.run_id: run.info.run_name for run in runs}
    found: dict[str, list[Any]] = {name: [] for name in names.values() if name.startswith("sweep ")}
    for run in runs:
        if run.data.tags.get("stage") == "sweep_trial":
            found[names[run.data.tags["mlflow.parentRunId"]]].append(run)
    return found


def test_a_sweep_trains_each_trial_once_compares_them_and_stores_the_best(place):
    file = author_file(place, "sft")
    before = file.read_text(encoding="utf-8")
    checkpoint = (place.artifacts / "sft_checkpoint" / AUTHOR / "manifest.json").read_bytes()
    rows = swept(place, GRID)

    assert {(row["learning_rate"], row["state"]) for row in rows} == {(2e-3, "built"), (1e-5, "built")}
    assert rows[0]["eval_loss"] < rows[1]["eval_loss"]
    assert (place.artifacts / "sft_checkpoint" / AUTHOR / "manifest.json").read_bytes() == checkpoint

    after = file.read_text(encoding="utf-8")
    assert "# small, to be quick; a trial" in after
    assert yaml.safe_load(after)["training"]["sft"] == {
        **yaml.safe_load(before)["training"]["sft"],
        "learning_rate": rows[0]["learning_rate"],
        "lora_rank": 4,
    }

    ((name, trials),) = trials_in_mlflow(place).items()
    assert {run.data.params["learning_rate"] for run in trials} == {"0.002", "1e-05"}
    assert {round(run.data.metrics["eval_loss"], 4) for run in trials} == {row["eval_loss"] for row in rows}
    assert {run.info.status for run in trials} == {"FINISHED"}

    held_out = {row["document_id"] for row in side(place, "instruct_dataset", "test")}
    used = {row["document_id"] for split in ("train", "test") for row in side(place, "sweeps", split)}
    assert used
    assert not used & held_out

    # The same sweep again, its file said otherwise: nothing is trained, and nothing is written.
    file.write_text(before, encoding="utf-8")
    again = swept(place, GRID, "--no-store")
    assert [row["state"] for row in again] == ["reused", "reused"]
    assert [row["eval_loss"] for row in again] == [row["eval_loss"] for row in rows]
    assert file.read_text(encoding="utf-8") == before
    assert len(trials_in_mlflow(place)[name]) == 2

    # A wider one trains what is new, and shows all of it together.
    wider = swept(place, {**GRID, "parameters": {"learning_rate": [2e-3, 1e-5, 3e-4], "lora_rank": [4]}}, "--no-store")
    assert {row["learning_rate"]: row["state"] for row in wider} == {2e-3: "reused", 1e-5: "reused", 3e-4: "built"}
    found = trials_in_mlflow(place)
    assert sorted(len(trials) for trials in found.values()) == [2, 3]


def test_a_trial_that_fails_is_told_and_the_others_are_compared(place):
    author_file(place, "dpo")
    content = {
        "stage": "dpo",
        "method": "random",
        "runs": 2,
        "parameters": {"learning_rate": [1e-4, 1e30], "max_grad_norm": [1e30]},
    }
    done = twin(place, "sweep", AUTHOR, asked_for(place, content), "--json", "--no-store")
    rows = json.loads(done.stdout)

    assert done.returncode == 1
    assert [(row["learning_rate"], row["state"]) for row in rows] == [(1e-4, "built"), (1e30, "failed")]
    assert 0 <= rows[0]["reward_accuracy"] <= 1
    assert "learning_rate 1e+30" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (GRID, ["--max-runs", "1"], "asks for 2 trials, more than 1"),
        ({**GRID, "parameters": {"rank": [4]}}, [], "sft has no setting 'rank'"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_trained(content, options, sentence, empty_place):
    done = twin(empty_place, "sweep", AUTHOR, asked_for(empty_place, content), *options)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_author_without_a_dataset_is_told_what_to_build(empty_place):
    done = twin(empty_place, "sweep", AUTHOR, asked_for(empty_place, GRID))

    assert done.returncode == 1
    assert f"twin build {AUTHOR}" in done.stderr


def side(place: Place, asset: str, split: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    folder = place.artifacts / asset / AUTHOR
    files = [folder / f"{split}.parquet"] if asset != "sweeps" else list(folder.glob(f"rows-*/{split}.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]
