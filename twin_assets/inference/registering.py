"""Putting checkpoints into the registry: one version each, with everything that is known of what it was made of."""

from collections.abc import Iterable, Mapping

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.source_code import commit_of
from resources.tracker import ModelVersion, Tracker, registered_name
from twin_assets.documents import BaseModelRef
from twin_assets.errors import UserError
from twin_assets.evaluation import checks as evaluation_checks
from twin_assets.evaluation.promotion import CheckState
from twin_assets.evaluation.reports import EvalReport, ModelScores
from twin_assets.inference.check_states import check_states
from twin_assets.training import checks as training_checks
from twin_assets.training.manifest import Manifest, ManifestError

DATASETS = {"sft": "instruct_dataset", "dpo": "preference_dataset"}
"""What each stage is trained on."""


def gate_checks() -> list[dg.AssetCheckSpec]:
    """Return every check there is of training and of evaluation."""
    definitions = dg.load_asset_checks_from_modules([training_checks, evaluation_checks])
    return [spec for definition in definitions for spec in definition.check_specs]


def states_of_checks(instance: dg.DagsterInstance, stage: str, author: str) -> tuple[CheckState, ...]:
    """Return how the checks of a stage's checkpoint and of the evaluation stand for one author."""
    assets = (f"{stage}_checkpoint", "eval_report")
    wanted = [spec for spec in gate_checks() if spec.asset_key.to_user_string() in assets]
    return check_states(instance, wanted, author, assets=assets)


def checks_against(
    version: ModelVersion, author: str, instance: dg.DagsterInstance, artifacts: ArtifactStore
) -> str | None:
    """Return which checks speak against a version, in words, None if none does; the gate asks for no others.

    Where the checkpoint is in the store, it is how they stand now. Of another, only its tags still tell.
    """
    stage = version.tags.get("stage", "")
    if version.tags.get("checkpoint") == _present(f"{stage}_checkpoint", author, artifacts):
        red = [check.name for check in states_of_checks(instance, stage, author) if not check.is_green]
        return f"these of its checks failed or have not run: {', '.join(red)}" if red else None
    blocking = {f"{spec.asset_key.to_user_string()}: {spec.name}" for spec in gate_checks() if spec.blocking}
    missing = [name for name in version.tags.get("checks_missing", "").split(", ") if name in blocking]
    red = [name for name in (version.tags.get("checks_failed"), *missing) if name]
    return f"these of its checks had failed or not run when it was registered: {', '.join(red)}" if red else None


def _present(checkpoint: str, author: str, artifacts: ArtifactStore) -> str | None:
    try:
        return artifacts.manifest(checkpoint, author).data_version
    except ManifestError:
        return None


def registered_versions(
    context: dg.AssetExecutionContext,
    stages: Iterable[str],
    report: EvalReport,
    base_model: BaseModelRef,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dict[str, ModelVersion]:
    """Return the version of each stage's present checkpoint, registering those that are new, in the order of training.

    Args:
        context: The step.
        stages: sft and dpo.
        report: What was measured of the checkpoints.
        base_model: What they were made from.
        artifacts: Where the checkpoints lie.
        tracker: The registry.
    """
    author = context.partition_key
    registered = {}
    for stage in stages:
        manifest = artifacts.manifest(f"{stage}_checkpoint", author)
        there = tracker.versions(registered_name(author))
        found = [
            version
            for version in there
            if version.tags.get("stage") == stage and version.tags.get("checkpoint") == manifest.data_version
        ]
        registered[stage] = (
            found[0] if found else _register(context, stage, manifest, there, report, base_model, artifacts, tracker)
        )
    return registered


def _register(
    context: dg.AssetExecutionContext,
    stage: str,
    manifest: Manifest,
    there: list[ModelVersion],
    report: EvalReport,
    base_model: BaseModelRef,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> ModelVersion:
    author = context.partition_key
    below = _below(stage, author, manifest, there, base_model)
    trained_on = _trained_on(stage, manifest, below, base_model, artifacts, tracker)
    base = _base(below, base_model)
    trained_by = tracker.find_run(author, tag="spec_hash", value=manifest.spec_hash)
    # The registry wants a run: where that of the training is gone, one that does nothing but register stands in.
    run_id = trained_by or tracker.start_run(
        stage, author=author, tags={"stage": stage, "spec_hash": manifest.spec_hash}
    )
    version = tracker.register(
        registered_name(author),
        artifacts.folder(f"{stage}_checkpoint", author),
        run_id=run_id,
        description=f"{stage.upper()} of {base['base_model_name']} on the writings of {author}.",
        tags={
            **_origin(stage, author, manifest, below, tracker),
            **base,
            **_scores(report.scores_of(stage)),
            **_checks(states_of_checks(context.instance, stage, author)),
            "documents": str(len(trained_on[stage])),
            "rows": str(int(manifest.metrics.get("train_rows", 0))),
            "dagster_run": context.run_id,
            "dagster_run_url": tracker.dagster_run_url(context.run_id),
            "mlflow_run_url": tracker.run_url(run_id),
        },
        base_model=base["base_model_name"],
        licence=base["base_model_licence"],
        trained_on=trained_on,
        metrics=_figures(report.scores_of(stage)),
    )
    if trained_by is None:
        tracker.finish_run(run_id)
    return version


def _below(
    stage: str, author: str, manifest: Manifest, there: list[ModelVersion], base_model: BaseModelRef
) -> ModelVersion | None:
    """Return the registered version that a checkpoint was trained from, None if it was trained from the base model.

    Raises:
        UserError: If it is neither: then nobody could tell all the documents that the checkpoint knows.
    """
    ground = manifest.spec.base_model_version
    below = next((item for item in reversed(there) if item.tags.get("checkpoint") == ground), None)
    if below is None and ground != base_model.version:
        raise UserError(
            f"{stage}_checkpoint of {author} was trained from a model that is neither registered nor the present base "
            f"model: build {stage}_checkpoint first."
        )
    return below


def _base(below: ModelVersion | None, base_model: BaseModelRef) -> dict[str, str]:
    """Return the tags of the base model: those of the version below, which may be of an earlier one, or the present."""
    if below is not None:
        return {tag: below.tags[tag] for tag in ("base_model", "base_model_name", "base_model_licence")}
    return {
        "base_model": base_model.version,
        "base_model_name": base_model.location.rsplit("/", 1)[-1],
        "base_model_licence": base_model.licence,
    }


def _origin(
    stage: str, author: str, manifest: Manifest, below: ModelVersion | None, tracker: Tracker
) -> dict[str, str]:
    """Return what a checkpoint was made of: its datasets, those of the version below it, and code."""
    datasets = {DATASETS[stage]: manifest.spec.dataset_version}
    if below is not None and "instruct_dataset" in below.tags:
        datasets["instruct_dataset"] = below.tags["instruct_dataset"]
    commit = commit_of()
    return {
        "author": author,
        "stage": stage,
        "checkpoint": manifest.data_version,
        "spec_hash": manifest.spec_hash,
        "dataset_version": manifest.spec.dataset_version,
        **datasets,
        **{f"{name}_url": tracker.dagster_asset_url(name, author) for name in datasets},
        "eval_report_url": tracker.dagster_asset_url("eval_report", author),
        "code_version": manifest.spec.code_version,
        **({"git_commit": commit.text} if commit else {}),
        **({"git_commit_url": commit.url} if commit and commit.url else {}),
        "chat_template": manifest.spec.chat_template_hash,
        "chat_template_name": manifest.spec.chat_template,
    }


def _trained_on(
    stage: str,
    manifest: Manifest,
    below: ModelVersion | None,
    base_model: BaseModelRef,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dict[str, list[str]]:
    """Return the ids of the documents that a checkpoint knows, by stage: its own, and of what it was made from.

    Raises:
        UserError: If one of these does not tell: a document deleted since would never be noticed.
    """
    known = {stage: _told_by(manifest, f"{stage}_checkpoint")}
    if below is not None:
        ids = tracker.trained_on(below)
        if ids is None:
            raise UserError(
                f"Version {below.version} of {below.name}, which {stage}_checkpoint was trained from, does not tell "
                "what it was trained on: delete that version in MLflow, and it is registered anew."
            )
        known["below"] = sorted(ids)
    elif base_model.revision is None:
        # A base model that was trained here: on every author's documents.
        of_base = artifacts.manifest("base_model")
        if of_base.data_version != base_model.version:
            raise UserError("The base model in the store is not the one that was recorded: build base_model first.")
        known["base_model"] = _told_by(of_base, "base_model")
    return known


def _told_by(manifest: Manifest, asset: str) -> list[str]:
    if manifest.trained_on is None:
        raise UserError(f"{asset} does not tell what it was trained on: build {asset} anew first.")
    return list(manifest.trained_on)


def _scores(scores: ModelScores) -> dict[str, str]:
    return {
        "perplexity": scores.perplexity.perplexity.text(1),
        **({"likeness": scores.likeness.to_own.text()} if scores.likeness else {}),
    }


def _figures(scores: ModelScores) -> Mapping[str, float]:
    return {
        "held_out_perplexity": scores.perplexity.perplexity.estimate,
        "held_out_bits_per_byte": scores.perplexity.bits_per_byte.estimate,
        **({"delta_to_author": scores.likeness.to_own.estimate} if scores.likeness else {}),
    }


def _checks(states: Iterable[CheckState]) -> dict[str, str]:
    """Return the checks by how they stood when the version was registered; a kind that has none has no tag."""
    by_state: dict[str, list[str]] = {}
    for check in states:
        by_state.setdefault(f"checks_{check.state}", []).append(check.name)
    return {kind: ", ".join(names) for kind, names in by_state.items()}
