"""A training that is killed and started again ends where it would have ended."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from twin_assets.training.compute import Saving
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import read_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import holds_files, place
from twin_assets_tests.training.conftest import SMALL, row_of, spec_for, start, train, write_rows

# Three steps an epoch: it is interrupted in the middle of one, with dropout that draws from the random state.
SETTINGS = {
    "sft": SFTHyperparameters(max_steps=40, epochs=40, lora_rank=4, lora_alpha=8, lora_dropout=0.2),
    "dpo": DPOHyperparameters(max_steps=14, epochs=9, batch_size=8, lora_rank=4, lora_alpha=8, lora_dropout=0.2),
}
EVERY_STEP = Saving(every_steps=1)


@pytest.fixture(scope="module")
def sft(base, datasets, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("resuming")
    train(spec_for("sft", datasets["sft"], folder / "sft", base=base), folder)
    return folder / "sft"


def checkpoints_of(spec: TrainingSpec) -> Path:
    return Path(f"{spec.output_uri}.checkpoints-{spec.spec_hash[:12]}")


def kill_after_a_checkpoint(
    spec: TrainingSpec, folder: Path, checkpoints: Path, how: signal.Signals, *, step: int = 1, whole: int = 1
) -> None:
    """Kill a training when so many of its checkpoints are whole, the newest of this step or a later one."""

    def there() -> bool:
        found = whole_ones(checkpoints)
        return len(found) >= whole and any(step_of(path) >= step for path in found)

    process = start(spec, folder)
    wait_until(process, there)
    os.kill(process.pid, signal.SIGSTOP)
    # An old one goes before the mark of a new one comes: looked at again when nothing moves any more.
    while not there():
        os.kill(process.pid, signal.SIGCONT)
        wait_until(process, there)
        os.kill(process.pid, signal.SIGSTOP)
    os.kill(process.pid, how)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode != 0, "it was killed in the middle"


def whole_ones(checkpoints: Path) -> list[Path]:
    return [path.parent for path in checkpoints.glob("checkpoint-*/whole-0.json")]


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def place_holds(address: str, name: str) -> bool:
    path = place(address) / name
    path.fs.invalidate_cache()
    return path.exists()


def wait_until(process: subprocess.Popen[str], there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not there():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.05)


def history_of(folder: Path) -> list[dict[str, float]]:
    """Return the log, without what a clock decides, and without the mean over the steps of one process."""
    rows = json.loads((folder / "history.json").read_text())
    return [
        {
            name: value
            for name, value in row.items()
            if name not in {"train_loss", "total_flos"} and "runtime" not in name and "per_second" not in name
        }
        for row in rows
    ]


@pytest.mark.parametrize("stage", ["sft", "dpo"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(how, stage, sft, base, datasets, tmp_path):
    start_from = base if stage == "sft" else sft
    settings = {"base": start_from, "hyperparameters": SETTINGS[stage]}
    whole = spec_for(stage, datasets[stage], tmp_path / "whole", **settings)
    train(whole, tmp_path)
    spec = spec_for(stage, datasets[stage], tmp_path / "killed", saving=EVERY_STEP, **settings)
    assert spec.spec_hash == whole.spec_hash

    checkpoints = checkpoints_of(spec)
    kill_after_a_checkpoint(spec, tmp_path, checkpoints, how)
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "goes on from step" in said
    for weights in ("model.safetensors", "adapter/adapter_model.safetensors"):
        assert (tmp_path / "killed" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert history_of(tmp_path / "killed") == history_of(tmp_path / "whole")
    assert not checkpoints.exists(), "what a complete run no longer needs is removed"
    assert read_manifest(tmp_path / "killed").metrics["steps"] == SETTINGS[stage].max_steps


def test_a_training_that_goes_on_keeps_its_alarms_and_its_speed(base, datasets, tmp_path):
    # A clip so small that any gradient is a thousand times of it: the first step raises the alarm.
    settings = SETTINGS["sft"].model_copy(update={"max_grad_norm": 1e-6})
    options = {"base": base, "hyperparameters": settings, "saving": EVERY_STEP}
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", **options)
    kill_after_a_checkpoint(spec, tmp_path, checkpoints_of(spec), signal.SIGKILL, step=10)
    newest = max(whole_ones(checkpoints_of(spec)), key=step_of)
    before = json.loads((newest / "log.json").read_text())
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "Gradients exploded" not in said, "it was said before the interruption"
    manifest = read_manifest(tmp_path / "sft")
    assert [warning for warning in manifest.warnings if "exploded at step 1:" in warning]
    rows = [row for row in json.loads((tmp_path / "sft" / "history.json").read_text()) if "loss" in row]
    counted = [0.0, *(row["num_tokens"] for row in rows)]
    in_steps = [
        (new - old) / row["tokens_per_second"] for row, old, new in zip(rows, counted, counted[1:], strict=False)
    ]
    assert manifest.metrics["tokens"] / manifest.metrics["tokens_per_second"] == pytest.approx(sum(in_steps))
    assert manifest.metrics["seconds"] > before["seconds"] + sum(in_steps[step_of(newest) :])


def test_a_half_written_checkpoint_is_left_aside(base, datasets, tmp_path):
    options = {"base": base, "hyperparameters": SETTINGS["sft"]}
    whole = train(spec_for("sft", datasets["sft"], tmp_path / "whole", **options), tmp_path)
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", saving=EVERY_STEP, **options)
    checkpoints = checkpoints_of(spec)
    kill_after_a_checkpoint(spec, tmp_path, checkpoints, signal.SIGKILL, step=3, whole=2)
    # Of the two that are there the newest lost half of a file.
    newest, before = sorted(whole_ones(checkpoints), key=step_of, reverse=True)[:2]
    optimizer = newest / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[: optimizer.stat().st_size // 2])
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert f"goes on from step {step_of(before)}," in said
    assert read_manifest(tmp_path / "sft").data_version == whole.data_version


def test_checkpoints_of_another_spec_are_not_used(base, datasets, tmp_path):
    settings = {"base": base, "hyperparameters": SETTINGS["sft"], "saving": EVERY_STEP}
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", **settings)
    kill_after_a_checkpoint(spec, tmp_path, checkpoints_of(spec), signal.SIGKILL)
    other = spec_for("sft", datasets["sft"], tmp_path / "sft", seed=1, **settings)
    # Even where somebody moved them into the other's place.
    checkpoints_of(spec).rename(checkpoints_of(other))
    process = start(other, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "goes on from" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"sft", "sft.spec.json"}


def test_the_base_model_goes_on_too(datasets, tmp_path):
    settings = SMALL["pretrain"].model_copy(update={"token_budget": 40_000, "max_epochs": 30.0})
    options = {"hyperparameters": settings}
    whole = train(spec_for("pretrain", datasets["pretrain"], tmp_path / "whole", **options), tmp_path)
    spec = spec_for("pretrain", datasets["pretrain"], tmp_path / "base", saving=EVERY_STEP, **options)
    kill_after_a_checkpoint(spec, tmp_path, checkpoints_of(spec), signal.SIGKILL)
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "goes on from step" in said
    assert read_manifest(tmp_path / "base").data_version == whole.data_version


def test_a_run_that_may_end_early_goes_on_with_its_patience(base, datasets, tmp_path):
    rows = [row_of("sft", number, "validation") for number in range(50, 56)]
    dataset = tmp_path / "data"
    shutil.copytree(datasets["sft"], dataset)
    write_rows(dataset, "validation", rows)
    settings = SETTINGS["sft"].model_copy(update={"early_stopping_patience": 2, "learning_rate": 3e-2})
    options = {"base": base, "hyperparameters": settings}
    whole = train(spec_for("sft", dataset, tmp_path / "whole", **options), tmp_path)
    spec = spec_for("sft", dataset, tmp_path / "sft", **options)
    kill_after_a_checkpoint(spec, tmp_path, checkpoints_of(spec), signal.SIGKILL)
    again = train(spec, tmp_path)

    assert again.data_version == whole.data_version
    for figure in ("steps", "best_step", "validation_loss"):
        assert again.metrics[figure] == whole.metrics[figure]


def test_checkpoints_in_an_object_store_outlive_the_machine(bucket, base, datasets, tmp_path):
    options = {"base": base, "hyperparameters": SETTINGS["sft"]}
    whole = train(spec_for("sft", datasets["sft"], tmp_path / "whole", **options), tmp_path)
    first, second = tmp_path / "first machine", tmp_path / "second machine"
    first.mkdir()
    second.mkdir()
    saving = Saving(every_steps=2, root=f"{bucket}/checkpoints")
    spec = spec_for("sft", datasets["sft"], first / "sft", saving=saving, **options)
    remote = f"{bucket}/checkpoints/{spec.spec_hash[:12]}"
    process = start(spec, first)
    wait_until(process, lambda: any(place_holds(remote, f"checkpoint-{step}/whole-0.json") for step in (2, 4, 6)))
    process.kill()
    process.communicate(timeout=60)
    shutil.rmtree(first)
    spec = spec.model_copy(update={"output_uri": str(second / "sft")})
    process = start(spec, second)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "goes on from step" in said
    assert read_manifest(second / "sft").data_version == whole.data_version
    assert not holds_files(remote), "what a complete run no longer needs is removed"


def test_a_store_that_is_away_does_not_end_a_training_that_goes_well(bucket, base, datasets, tmp_path, monkeypatch):
    saving = Saving(every_steps=2, root="s3://no-such-bucket/checkpoints")
    settings = SMALL["sft"]
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings, saving=saving)
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "stays on this machine" in said


class TestWhenToSave:
    """The clock that decides for a run without a number of steps."""

    def test_a_short_run_writes_nothing(self, base, datasets, tmp_path):
        process = start(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base), tmp_path)
        seen = set()
        while process.poll() is None:
            seen |= {path.name for path in tmp_path.glob("sft.checkpoints-*/checkpoint-*")}
            time.sleep(0.02)
        process.communicate(timeout=10)

        assert process.returncode == 0
        assert not seen

    def test_the_clock_does_not_wait_for_a_step_that_is_logged(self, base, datasets, tmp_path):
        # Logged every hundredth step.
        settings = SFTHyperparameters(max_steps=4_000, epochs=4_000, lora_rank=4, lora_alpha=8)
        saving = Saving(every_minutes=0.001)
        spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings, saving=saving)
        kill_after_a_checkpoint(spec, tmp_path, checkpoints_of(spec), signal.SIGKILL)

        assert min(step_of(path) for path in whole_ones(checkpoints_of(spec))) < 100

    def test_a_slow_disk_is_written_to_less_often(self, monkeypatch):
        from twin_assets.training.payload import resuming

        now = [0.0]
        monkeypatch.setattr(resuming.time, "monotonic", lambda: now[0])
        clock = resuming.Clock(Saving(every_minutes=1))
        now[0] = 60.0
        assert clock.is_time()
        clock.begin_save()
        now[0] = 90.0  # Half a minute for a save: 3 % of 1,000 seconds.
        clock.end_save()
        now[0] = 90.0 + 999
        assert not clock.is_time()
        now[0] = 90.0 + 1000
        assert clock.is_time()
