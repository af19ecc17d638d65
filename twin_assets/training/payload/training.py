"""One training run from its spec to a checkpoint that took its predecessor's place.

The order matters: everything that can be refused is refused before a model is loaded, and the checkpoint is read back
and hashed before it replaces anything.
"""

import json
import time
from collections.abc import Callable

from twin_assets.training.chat_template import chat_template
from twin_assets.training.manifest import HISTORY, Manifest, write_manifest
from twin_assets.training.payload.checkpoint import replacing
from twin_assets.training.payload.doubts import Trained, read_back
from twin_assets.training.payload.launcher import Launcher, is_first_process
from twin_assets.training.payload.machine import refuse_what_cannot_run
from twin_assets.training.payload.reporting import ReportingCallback, TrackingLog
from twin_assets.training.payload.resuming import checkpoints_of
from twin_assets.training.payload.rows import Rows
from twin_assets.training.payload.runtime import library_versions, prepare_process, without_special_tokens
from twin_assets.training.spec import Stage, TrainingError, TrainingSpec
from twin_assets.training.storage import is_remote, local_folder, publish_checkpoint

Train = Callable[..., Trained]


def train_checkpoint(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    launcher: Launcher,
    *,
    asked: TrainingSpec | None = None,
    validation: Rows | None = None,
) -> Manifest | None:
    """Train what the spec asks for and put it in its place, and then where it was asked for, if that is elsewhere.

    Args:
        spec: The run, with addresses on this machine.
        train: Rows to train on.
        test: Rows to take the evaluation loss on.
        launcher: Who is told of the progress.
        validation: Rows by which a training that may end early chooses its weights.
        asked: The spec as it was given, which the manifest names; `spec` itself without it.

    Returns:
        The manifest of the checkpoint; None in the second and later processes of one training, which write nothing.

    Raises:
        TrainingError: On any doubt about the result; the previous checkpoint then stays as it is.
        StorageError: If the checkpoint cannot be published; a second try goes on from the last one on the way.
    """
    started = time.monotonic()
    refuse_what_cannot_run(spec.hyperparameters)
    prepare_process(spec.seed)
    readable, test = _readable(spec, train, launcher), _readable(spec, test, launcher)
    if not readable:
        raise TrainingError("Every row spells out a special token of the tokenizer: add others to the dataset.")
    left_out, train = len(train) - len(readable), readable
    tracking = TrackingLog(spec.tracking, launcher.warn) if spec.tracking and is_first_process() else None
    callback = ReportingCallback(launcher, tracking, began=started)
    stage = _stage(spec.stage)
    validation = _readable(spec, validation or [], launcher)
    choosing = {"validation": validation} if validation else {}
    if not is_first_process():
        stage(spec, train, test, folder=local_folder(spec.output_uri), callback=callback, **choosing)
        return None
    with checkpoints_of(spec):
        with replacing(local_folder(spec.output_uri)) as folder:
            trained = stage(spec, train, test, folder=folder, callback=callback, **choosing)
            if tracking:
                tracking.close()
            parameters = read_back(folder, trained.probe, chat_template=chat_template(spec.chat_template))
            (folder / HISTORY).write_text(json.dumps(callback.history, indent=1) + "\n", encoding="utf-8")
            manifest = write_manifest(
                folder,
                spec=asked or spec,
                libraries=library_versions(),
                # A general row, or a correction that the author signed, stands in no document.
                trained_on=[row["document_id"] for row in train if row["document_id"]],
                warnings=callback.alarms.sentences,
                metrics={
                    **trained.metrics,
                    "test_rows": float(len(test)),
                    "rows_with_special_tokens": float(left_out),
                    "parameters": float(parameters),
                    "seconds": round(callback.seconds, 1),
                    **({"values_not_tracked": float(tracking.undelivered)} if tracking else {}),
                },
            )
        # The checkpoints on the way are all that is left of a training whose result finds no place.
        if asked and is_remote(asked.output_uri):
            launcher.say(f"The checkpoint goes to {asked.output_uri}")
            publish_checkpoint(local_folder(spec.output_uri), asked.output_uri)
    return manifest


def _readable(spec: TrainingSpec, rows: Rows, launcher: Launcher) -> Rows:
    """Return the rows that the tokenizer reads as they are written; pretraining reads letters only."""
    if spec.stage == "pretrain" or not rows:
        return rows
    kept = without_special_tokens(rows, spec)
    if left_out := len(rows) - len(kept):
        launcher.say(f"{left_out} of {len(rows)} rows spell out a special token of the tokenizer and are left out")
    return kept


def _stage(stage: Stage) -> Train:
    """Import only what the stage needs: TRL and PEFT are slow to load, and pretraining does without them."""
    if stage == "pretrain":
        from twin_assets.training.payload.pretrain import pretrain

        return pretrain
    if stage == "sft":
        from twin_assets.training.payload.sft import sft

        return sft
    from twin_assets.training.payload.dpo import dpo

    return dpo
