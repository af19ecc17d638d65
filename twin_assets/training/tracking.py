"""A training as a run of the tracker: opened before it starts, and closed with what it ended with."""

from collections.abc import Mapping

import dagster as dg
import pyarrow.parquet as pq
from upath import UPath

from resources.tracker import DatasetUsed, Tracker
from twin_assets.documents import CleanedDocument, Entity, InstructRow, PreferenceRow
from twin_assets.tracking import columns_of, open_or_resume_stage
from twin_assets.training.manifest import Manifest
from twin_assets.training.plots import loss_curve
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import checkpoint_history, place

NAMES = {"pretrain": "base_model", "sft": "sft", "dpo": "dpo"}
"""Name of a run by stage."""

DATASETS: dict[str, tuple[str, type[Entity]]] = {
    "pretrain": ("cleaned_documents", CleanedDocument),
    "sft": ("instruct_dataset", InstructRow),
    "dpo": ("preference_dataset", PreferenceRow),
}
"""What a stage is trained on, and what its rows are."""


def open_training_run(context: dg.AssetExecutionContext, spec: TrainingSpec, tracker: Tracker) -> str:
    """Open the run of a training, or go on in the one that it began before it was interrupted; return its id."""
    return open_or_resume_stage(
        context,
        tracker,
        NAMES[spec.stage],
        author=spec.author,
        spec_hash=spec.spec_hash,
        tags={
            "stage": spec.stage,
            "dataset_version": spec.dataset_version,
            "code_version": spec.code_version,
            "chat_template": spec.chat_template_hash,
            **({"base_model_version": spec.base_model_version} if spec.base_model_version else {}),
        },
        inputs=[dataset_of(spec)],
    )


def close_training_run(
    tracker: Tracker, run_id: str, spec: TrainingSpec, manifest: Manifest, *, logged_while_it_ran: bool
) -> None:
    """Log what a training ended with, and close its run.

    Args:
        tracker: MLflow.
        run_id: The run.
        spec: What was asked for.
        manifest: What came of it.
        logged_while_it_ran: Whether the payload could reach the tracker. If not, its log is logged now.
    """
    history = checkpoint_history(spec.output_uri)
    if not logged_while_it_ran:
        tracker.log_history(run_id, history)
    close_run_with(tracker, run_id, spec, manifest, files={"loss.png": loss_curve(history)})


def close_run_with(
    tracker: Tracker, run_id: str, spec: TrainingSpec, manifest: Manifest, *, files: Mapping[str, bytes] | None = None
) -> None:
    """Log what was asked for and what came of it, and close the run."""
    tracker.finish_run(
        run_id,
        params={**spec.hyperparameters.model_dump(), "seed": spec.seed},
        metrics=manifest.metrics,
        files={**(files or {}), "manifest.json": manifest.model_dump_json(indent=2).encode()},
    )


def dataset_of(spec: TrainingSpec) -> DatasetUsed:
    """Return the dataset that a training reads, with its rows counted where they can be."""
    name, entity = DATASETS[spec.stage]
    return DatasetUsed(
        name=f"{name} of {spec.author}" if spec.author else name,
        version=spec.dataset_version,
        uri=spec.dataset_uri,
        context="training",
        rows=_rows_in(place(spec.dataset_uri) / "train.parquet"),
        columns=columns_of(entity),
    )


def _rows_in(path: UPath) -> int | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return int(pq.read_metadata(file).num_rows)
