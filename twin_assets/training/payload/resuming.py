"""Checkpoints on the way, from which a run that was interrupted goes on as if nothing had happened.

They are the Hugging Face trainer's own: weights or adapter, optimizer, scheduler, random states, trainer state. Here
stands where they lie, which one is whole, when one is written, and that the log goes on, too. The checkpoint at the end
of a run belongs to `checkpoint`; what order the rows have, to `order`.

Checkpoints of one spec lie in one folder, which is removed when the run is complete. A signal to stop saves nothing: it
may come in the middle of a step, and what it costs is bounded by the time between two saves.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from twin_assets.training.compute import Saving
from twin_assets.training.payload.distributed import check_group
from twin_assets.training.payload.launcher import is_first_process
from twin_assets.training.payload.reporting import Progress, ReportingCallback
from twin_assets.training.payload.runtime import library_versions
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import (
    StorageError,
    fetch_folder,
    folders_at,
    holds_files,
    is_remote,
    local_folder,
    publish_folder,
    remove_folder,
)

INFIX = ".checkpoints-"
HASH_LENGTH = 12
LOG = "log.json"
TRAINER_STATE = "trainer_state.json"
LARGEST_SHARE = 0.03
"""Share of a run's time that saving by the clock may take: a slow disk is written to less often."""


class Whole(BaseModel):
    """What a node writes last into a checkpoint: without it, or with other files than it names, it is not whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec_hash: str
    libraries: dict[str, str] = Field(description="Other versions would not train on to the same bits")
    nodes: int = Field(ge=1, description="How many of these there must be")
    files: dict[str, int] = Field(description="Bytes of every file")


def checkpoints_folder(spec: TrainingSpec) -> Path:
    """Return the folder for the checkpoints of a spec, on this machine."""
    root = spec.saving.root
    if root and not is_remote(root):
        return local_folder(root) / spec.spec_hash[:HASH_LENGTH]
    output = local_folder(spec.output_uri)
    return output.with_name(f"{output.name}{INFIX}{spec.spec_hash[:HASH_LENGTH]}")


def remote_checkpoints(spec: TrainingSpec) -> str | None:
    """Return where the checkpoints of a spec lie in an object store, if they do."""
    root = spec.saving.root
    return f"{root.rstrip('/')}/{spec.spec_hash[:HASH_LENGTH]}" if root and is_remote(root) else None


@contextmanager
def checkpoints_of(spec: TrainingSpec) -> Iterator[None]:
    """Remove the checkpoints of a spec when the block ends without an error; else keep what is whole.

    Those of other specs for the same output go, too: it has been replaced.
    """
    folder = checkpoints_folder(spec)
    try:
        yield
    except BaseException:
        if is_first_process() and not list(_checkpoints(folder)):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if is_first_process():
        shutil.rmtree(folder, ignore_errors=True)
        if remote := remote_checkpoints(spec):
            remove_folder(remote)
        output = local_folder(spec.output_uri)
        for obsolete in output.parent.glob(f"{output.name}{INFIX}*"):
            shutil.rmtree(obsolete, ignore_errors=True)


def train_resumably(trainer: Any, spec: TrainingSpec, callback: ReportingCallback) -> None:
    """Train to the end, from the newest whole checkpoint of this spec if there is one.

    Args:
        trainer: A Hugging Face trainer whose `output_dir` is `checkpoints_folder(spec)`.
        spec: The run.
        callback: What the trainer reports to; its log goes on where it was interrupted.
    """
    check_group(trainer, spec.compute)
    saving = SavingCallback(spec, callback)
    trainer.add_callback(saving)
    if is_first_on_node() and (remote := remote_checkpoints(spec)) and holds_files(remote):
        fetch_folder(remote, checkpoints_folder(spec))
    wait_for_all()
    checkpoint = agreed(newest_whole(spec) if is_first_process() else None)
    if is_first_on_node():
        remove_other_checkpoints(spec, newer_than=checkpoint)
    wait_for_all()
    if checkpoint is None:
        trainer.train()
        return
    # The loss before the first step stands in the log already.
    trainer.args.eval_on_start = False
    resume_log(trainer, callback, checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint))


def newest_whole(spec: TrainingSpec) -> Path | None:
    """Return the newest checkpoint of a spec that is whole and leaves something to train.

    One that names another as the best so far is of use only with that one.
    """
    whole = {_step(path): path for path in _checkpoints(checkpoints_folder(spec)) if is_whole(path, spec)}
    usable = (path for path in whole.values() if not is_last(path) and best_step(path) in {None, *whole})
    return max(usable, key=_step, default=None)


def is_whole(checkpoint: Path, spec: TrainingSpec) -> bool:
    """Return whether every node finished writing this checkpoint, for this spec, with these libraries."""
    marks = [_read_mark(path) for path in sorted(checkpoint.glob("whole-*.json"))]
    return bool(marks) and all(
        mark is not None
        and mark.nodes == len(marks)
        and mark.spec_hash == spec.spec_hash
        and mark.libraries == library_versions()
        and all(_size(checkpoint / name) == size for name, size in mark.files.items())
        for mark in marks
    )


def is_last(checkpoint: Path) -> bool:
    """Return whether a whole checkpoint was written after the last step: a trainer that starts there would add one."""
    state = _trainer_state(checkpoint)
    control = state["stateful_callbacks"]["TrainerControl"]["args"]
    return bool(state["global_step"] >= state["max_steps"] or control["should_training_stop"])


def best_step(checkpoint: Path) -> int | None:
    """Return the step whose weights were the best when a checkpoint was written, if any was chosen."""
    step: int | None = _trainer_state(checkpoint)["best_global_step"]
    return step or None


def remove_other_checkpoints(spec: TrainingSpec, *, newer_than: Path | None) -> None:
    """Remove the half-written checkpoints of a spec, and those that training will write again."""
    for path in _checkpoints(checkpoints_folder(spec)):
        if newer_than is None or _step(path) > _step(newer_than):
            shutil.rmtree(path)


def resume_log(trainer: Any, callback: ReportingCallback, checkpoint: Path) -> None:
    """Put the log, and TRL's count of tokens, back to where they stood when the checkpoint was written."""
    progress: Progress = json.loads((checkpoint / LOG).read_text(encoding="utf-8"))
    tokens = [row["num_tokens"] for row in progress["history"] if "num_tokens" in row]
    if tokens:
        trainer._total_train_tokens = tokens[-1]  # noqa: SLF001  TRL counts from nothing when it goes on
    if not is_first_process():
        return
    callback.go_on(progress, trainer.args)
    callback.say(f"goes on from step {_step(checkpoint)}, which was saved before the interruption")


class SavingCallback(TrainerCallback):  # type: ignore[misc]
    """Decides when a checkpoint is written, and marks it as whole.

    The step is logged then, too: the losses since the last log would otherwise be lost to the mean of the next.
    """

    def __init__(self, spec: TrainingSpec, reporting: ReportingCallback) -> None:
        """Save as the spec says."""
        self._spec = spec
        self._reporting = reporting
        self._clock = Clock(spec.saving)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock, and look for the best weights so far where they lie on this machine."""
        self._clock.restart()
        if state.best_global_step:
            state.best_model_checkpoint = str(Path(args.output_dir) / f"checkpoint-{state.best_global_step}")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a checkpoint if it is time; not after the last step, when the run is over."""
        self._clock.begin_save()
        if control.should_save:  # These weights may turn out to be the best: see `early_stopping`.
            control.should_log = True
            return
        if state.global_step >= state.max_steps:
            return
        every = self._spec.saving.every_steps
        control.should_save = state.global_step % every == 0 if every else agreed(self._clock.is_time())
        control.should_log |= control.should_save

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Add the log and the mark to a checkpoint that all processes have written."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        wait_for_all()
        if is_first_process():
            (checkpoint / LOG).write_text(json.dumps(self._reporting.progress()), encoding="utf-8")
        if is_first_on_node():
            write_mark(checkpoint, self._spec)
            self._publish(checkpoint)
        self._clock.end_save()

    def _publish(self, checkpoint: Path) -> None:
        remote = remote_checkpoints(self._spec)
        if remote is None:
            return
        try:
            publish_folder(checkpoint, f"{remote}/{checkpoint.name}")
            kept = {path.name for path in _checkpoints(checkpoint.parent)}
            for name in folders_at(remote) - kept:
                remove_folder(f"{remote}/{name}")
        except StorageError as error:
            # The training goes well: the next checkpoint may find the store again.
            self._reporting.say(f"The checkpoint of step {_step(checkpoint)} stays on this machine: {error}")


class Clock:
    """Says when a run is saved that has no number of steps for it."""

    def __init__(self, saving: Saving) -> None:
        """Wait `every_minutes`, and longer if a save takes more than its share."""
        self._seconds = 60 * saving.every_minutes
        self._last = self._begun = time.monotonic()

    def restart(self) -> None:
        """Begin to wait."""
        self._last = time.monotonic()

    def is_time(self) -> bool:
        """Return whether the wait is over."""
        return time.monotonic() - self._last >= self._seconds

    def begin_save(self) -> None:
        """Note that a save may begin now."""
        self._begun = time.monotonic()

    def end_save(self) -> None:
        """Note what a save took, and begin to wait."""
        self._last = time.monotonic()
        self._seconds = max(self._seconds, (self._last - self._begun) / LARGEST_SHARE)


def write_mark(checkpoint: Path, spec: TrainingSpec) -> None:
    """Mark a checkpoint as whole, in one act."""
    node = int(os.environ.get("GROUP_RANK", "0"))
    files = [path for path in checkpoint.rglob("*") if path.is_file() and not path.name.startswith("whole-")]
    mark = Whole(
        spec_hash=spec.spec_hash,
        libraries=library_versions(),
        nodes=spec.compute.nodes,
        files={path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in sorted(files)},
    )
    partial = checkpoint / f".whole-{node}.partial"
    partial.write_text(mark.model_dump_json(), encoding="utf-8")
    partial.rename(checkpoint / f"whole-{node}.json")


def is_first_on_node() -> bool:
    """Return whether this is the first, or the only, process on its machine (`LOCAL_RANK`, as torchrun sets it)."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def agreed(value: Any) -> Any:
    """Return the first process's value in all processes."""
    if not torch.distributed.is_initialized():
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values, src=0)
    return values[0]


def wait_for_all() -> None:
    """Wait until all processes are here."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def _checkpoints(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit())


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _trainer_state(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((checkpoint / TRAINER_STATE).read_text(encoding="utf-8"))
    return state


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _read_mark(path: Path) -> Whole | None:
    try:
        return Whole.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        return None
