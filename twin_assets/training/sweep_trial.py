"""The asset `sweep_trial`: one trial of a sweep, trained beside the author's checkpoints and never in their place.

What is tried, and how trials are compared, stands in `sweeping`; who starts them one after the other, in
`console.sweeps`.
"""

from typing import Any, Literal

import dagster as dg
from pydantic import Field

from resources.artifacts import ArtifactStore, refusals_told, writing
from resources.estimator import Estimator
from resources.io_managers import read_rows, write_rows
from resources.project import Project
from resources.tracker import Tracker
from resources.trainer import Trainer
from twin_assets.documents import BaseModelRef, InstructRow, PreferenceRow
from twin_assets.errors import UserError
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, data_version, readable, rows_version
from twin_assets.training.assets import PAYLOAD_VERSION
from twin_assets.training.author_settings import resolved_settings
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.launching import train
from twin_assets.training.manifest import Manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import remove_folder
from twin_assets.training.sweeping import SWEEPS, Row, rows_to_compare_on
from twin_assets.training.tracking import close_run_with

DATASETS: dict[str, tuple[str, type[InstructRow] | type[PreferenceRow]]] = {
    "sft": ("instruct_dataset", InstructRow),
    "dpo": ("preference_dataset", PreferenceRow),
}
"""What a stage is trained on."""

Sides = tuple[list[Row], list[Row]]


class SweepTrialConfig(dg.Config):
    """One trial, as `twin sweep` writes it."""

    sweep: str = Field(min_length=1, description="Id of the sweep; its trials stand together in MLflow")
    stage: Literal["sft", "dpo"] = Field(description="Which training is tried")
    settings: dict[str, Any] = Field(
        description="The settings that are tried; the rest is as in the author's own training, without early stopping"
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=["instruct_dataset", "preference_dataset", "sft_checkpoint"],
    group_name="sweeps",
    owners=OWNERS,
    kinds={"pytorch", "huggingface", "mlflow"},
    code_version=PAYLOAD_VERSION,
    pool="gpu",
)
def sweep_trial(
    context: dg.AssetExecutionContext,
    config: SweepTrialConfig,
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
) -> dg.MaterializeResult[None]:
    """One trial of a sweep: a training with other settings, to compare by its figures; nothing reads it.

    `twin sweep` starts one run after the other; nothing starts it by itself. It is trained on the training side and
    compared on the validation side, never on the test side. What is kept is the result, under the hash of what was
    trained: the same settings on the same rows are not trained again, in whichever sweep. The weights are not kept,
    because the checkpoint with the best settings is trained on more rows than a trial. A trial of DPO starts from the
    author's SFT checkpoint; where documents of the training side are set aside, that one has seen them.

    If training fails or is cancelled, the next run of the same trial starts clean.
    """
    author = context.partition_key
    rows, spec = _rows_and_spec(author, config, base_model, project, artifacts, trainer)
    kept = artifacts.path(SWEEPS, f"{author}/{spec.spec_hash[:16]}", ".json")
    earlier = Manifest.model_validate_json(kept.read_text(encoding="utf-8")) if kept.exists() else None
    manifest, run_id = _logged(context, config, spec, earlier, trainer, estimator, tracker)
    if earlier is None:
        artifacts.write_text(kept, manifest.model_dump_json(indent=2) + "\n")
    remove_folder(spec.output_uri)
    return dg.MaterializeResult(
        data_version=data_version(manifest.data_version),
        metadata={
            "summary": ", ".join(f"{name} {value}" for name, value in config.settings.items()),
            "sweep": config.sweep,
            "settings": dg.MetadataValue.json(dict(config.settings)),
            "reused": earlier is not None,
            "spec_hash": manifest.spec_hash,
            "rows_compared_on": len(rows[1]),
            "mlflow_run": dg.MetadataValue.url(tracker.run_url(run_id)),
            **readable(manifest.metrics),
        },
    )


def _rows_and_spec(
    author: str,
    config: SweepTrialConfig,
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    trainer: Trainer,
) -> tuple[Sides, TrainingSpec]:
    """Return the rows of the trials of an author, train and compared on, and what a trial trains on them."""
    dataset, kind = DATASETS[config.stage]
    folder = artifacts.path(dataset, author)
    files = [folder / f"{split}.parquet" for split in ("train", "validation")]
    if not files[0].exists():
        raise UserError(f"{dataset} of {author} was never built: run twin build {author} --until {dataset} first.")
    train, compared = rows_to_compare_on(
        [row for file in files if file.exists() for row in read_rows(file, kind)], seed=project.seed
    )
    version = str(rows_version([*train, *compared]).value)
    place = artifacts.path(SWEEPS, f"{author}/rows-{version[:16]}")
    for split, rows in (("train", train), ("test", compared)):
        # Also where they lie already: housekeeping takes what nobody has touched for long.
        with writing(place / f"{split}.parquet") as partial, refusals_told(place):
            write_rows(partial, rows)
    starts_from_sft = config.stage == "dpo"
    # The validation side is what trials are compared on: none of them may also be stopped by it.
    run = {**config.settings, "early_stopping_patience": 0}
    start = artifacts.manifest("sft_checkpoint", author) if starts_from_sft else None
    spec = TrainingSpec(
        stage=config.stage,
        author=author,
        base_model=artifacts.address("sft_checkpoint", author) if starts_from_sft else base_model.location,
        base_model_version=start.data_version if start else base_model.version,
        base_model_revision=None if starts_from_sft else base_model.revision,
        dataset_uri=artifacts.address(SWEEPS, f"{author}/rows-{version[:16]}"),
        dataset_version=version,
        output_uri=artifacts.address(SWEEPS, f"{author}/trial"),
        hyperparameters=resolved_settings(
            project,
            author,
            SFTHyperparameters if config.stage == "sft" else DPOHyperparameters,
            run=run,
            n_parameters=int(start.metrics["parameters"]) if start else base_model.n_parameters,
        ).settings,
        seed=project.seed,
        chat_template=project.template.name,
        chat_template_hash=project.template.hash,
        code_version=PAYLOAD_VERSION,
    )
    spec = trainer.shared(spec)
    address = artifacts.address(SWEEPS, f"{author}/{spec.spec_hash[:16]}")
    return (train, compared), spec.model_copy(update={"output_uri": address})


def _logged(
    context: dg.AssetExecutionContext,
    config: SweepTrialConfig,
    spec: TrainingSpec,
    earlier: Manifest | None,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
) -> tuple[Manifest, str]:
    """Train, or take over an earlier result; return it, and the run within the sweep's run that shows it."""
    of_this_sweep = f"{config.sweep}/{spec.spec_hash[:16]}"
    shown = tracker.find_run(spec.author, tag="sweep_trial", value=of_this_sweep)
    if earlier and shown:
        return earlier, shown

    def resume_run(run_id: str) -> None:
        tracker.resume_stage(run_id, build_of=None, dagster_run=context.run_id)

    def open_run() -> str:
        began = tracker.interrupted_run(spec.author, tag="sweep_trial", value=of_this_sweep)
        if began:
            resume_run(began)
            return began
        return tracker.start_run(
            ", ".join(f"{name} {value}" for name, value in config.settings.items()),
            author=spec.author,
            parent=tracker.sweep_run(str(spec.author), config.sweep),
            tags={
                "stage": "sweep_trial",
                "sweep_trial": of_this_sweep,
                "tries": spec.stage,
                "trial_spec_hash": spec.spec_hash,
                "dataset_version": spec.dataset_version,
                "dagster_run": context.run_id,
            },
        )

    # A checkpoint may have been whole when the run that trained it was killed.
    known = earlier or trainer.finished(spec)
    if known is None:
        outcome, run_id = train(context, spec, trainer, estimator, tracker, open_run=open_run, resume_run=resume_run)
        return outcome.manifest, run_id
    run_id = open_run()
    close_run_with(tracker, run_id, spec, known)
    return known, run_id
