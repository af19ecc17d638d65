"""A training, from its spec to what is reported of it: estimated, tracked, and run wherever the trainer runs it.

What is trained is said by `assets` and `sweep_trial`; what is logged to MLflow, by `tracking`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from resources.estimator import Estimator
from resources.tracker import Tracker
from resources.trainer import Trainer, TrainingOutcome
from twin_assets.reporting import data_version, picture, readable
from twin_assets.tracking import resume_stage
from twin_assets.training.dataset_hashes import dataset_hashes
from twin_assets.training.defaults import Kind, Resolved
from twin_assets.training.plots import loss_curve
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import checkpoint_history
from twin_assets.training.tracking import close_training_run, open_training_run


def train_or_reuse(
    context: dg.AssetExecutionContext,
    spec: TrainingSpec,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
    *,
    force: bool,
) -> tuple[TrainingOutcome, str]:
    """Train, or take over the checkpoint that answers the same spec; return it with its MLflow run.

    A job that ended while nobody watched it has left a checkpoint, and a run that nobody closed: that is closed now.

    Raises:
        UserError: If the training does not fit its machine, or costs more than it may.
        dg.Failure: If it fails.
    """
    spec = trainer.shared(spec)
    finished = None if force else trainer.finished(spec)
    if finished:
        context.log.info(f"{spec.output_uri} answers spec {spec.spec_hash[:12]} already: nothing is trained.")
        run_id = tracker.find_run(spec.author, tag="spec_hash", value=spec.spec_hash)
        if run_id is None:
            began = tracker.interrupted_run(spec.author, tag="spec_hash", value=spec.spec_hash)
            run_id = open_training_run(context, spec, tracker)
            logged = run_id == began and _logs_while_it_runs(trainer, tracker)
            close_training_run(tracker, run_id, spec, finished, logged_while_it_ran=logged)
        return TrainingOutcome(manifest=finished, reused=True), run_id
    return train(
        context,
        spec,
        trainer,
        estimator,
        tracker,
        open_run=lambda: open_training_run(context, spec, tracker),
        resume_run=lambda run_id: resume_stage(context, tracker, run_id, author=spec.author),
    )


def train(
    context: dg.AssetExecutionContext,
    spec: TrainingSpec,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
    *,
    open_run: Callable[[], str],
    resume_run: Callable[[str], None],
) -> tuple[TrainingOutcome, str]:
    """Train, and return what that left behind with its MLflow run, which is closed however the training ends.

    Args:
        context: The step.
        spec: What is trained.
        trainer: Where it is trained.
        estimator: Refuses what does not fit.
        tracker: MLflow.
        open_run: Opens the MLflow run; not called if a job that trains the same thing is under way already.
        resume_run: Makes the MLflow run that such a job was started with, and logs to, one of this step.

    Raises:
        UserError: If the training does not fit its machine, or costs more than it may.
        dg.Failure: If it fails.
    """
    # Before anything is started or paid for.
    context.add_output_metadata(estimator.check(context, spec))
    spec = spec.model_copy(update={"dataset_hashes": dataset_hashes(spec.dataset_uri)})
    job = trainer.under_way(spec)
    if job and job.tracking:
        run_id = job.tracking.run_id
        resume_run(run_id)
    else:
        run_id = open_run()
    try:
        outcome = trainer.train(context, spec.model_copy(update={"tracking": tracker.tracking_run(run_id)}))
        logged = _logs_while_it_runs(trainer, tracker)
        close_training_run(tracker, run_id, spec, outcome.manifest, logged_while_it_ran=logged)
    except BaseException:
        _close_as_failed(context, tracker, run_id)
        raise
    return outcome, run_id


def _logs_while_it_runs(trainer: Trainer, tracker: Tracker) -> bool:
    """Return whether a training can reach the tracker from where it runs."""
    return tracker.is_reachable_from_elsewhere or not trainer.is_elsewhere


def _close_as_failed(context: dg.AssetExecutionContext, tracker: Tracker, run_id: str) -> None:
    try:
        tracker.finish_run(run_id, failed=True)
    except Exception as error:  # noqa: BLE001 - why the training failed, and whether a retry helps, is told instead
        # Its name alone: MLflow tells the address of its server, and there may be a password in it.
        context.log.warning(f"The MLflow run {run_id} stays open: it could not be closed ({type(error).__name__}).")


def fine_tuned(
    context: dg.AssetExecutionContext,
    spec: TrainingSpec,
    resolved: Resolved[Kind],
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
    *,
    force: bool,
) -> dg.MaterializeResult[None]:
    """Train a checkpoint of an author, or take over the one there is, and report it."""
    outcome, run_id = train_or_reuse(context, spec, trainer, estimator, tracker, force=force)
    metrics = outcome.manifest.metrics
    return dg.MaterializeResult(
        data_version=data_version(outcome.manifest.data_version),
        metadata={
            "summary": summary_of(metrics),
            "base_model_version": str(spec.base_model_version),
            "method": resolved.settings.method,
            "settings": dg.MetadataValue.table([dg.TableRecord(row) for row in resolved.table()]),
            "warnings": len(outcome.manifest.warnings),
            **training_metadata(spec.output_uri, outcome, run_id, tracker),
        },
    )


def summary_of(metrics: Mapping[str, float]) -> str:
    """Return what a fine-tuning came to, in a line; without test rows there is no loss on what is held out."""
    held_out = f", held out {metrics['eval_loss']:.2f}" if "eval_loss" in metrics else ", nothing held out"
    steps = f"{int(metrics['train_rows']):,} rows, {int(metrics['steps'])} steps"
    return f"{steps}; loss {metrics['train_loss']:.2f}{held_out}"


def training_metadata(address: str, outcome: TrainingOutcome, run_id: str, tracker: Tracker) -> dict[str, Any]:
    """Return what every training reports: where the checkpoint lies, its figures, its MLflow run, its loss curve."""
    return {
        "dagster/uri": address,
        "reused": outcome.reused,
        "spec_hash": outcome.manifest.spec_hash,
        **readable(outcome.manifest.metrics),
        "mlflow_run": dg.MetadataValue.url(tracker.run_url(run_id)),
        "loss_curve": picture(loss_curve(checkpoint_history(address)), "Loss by step"),
    }
