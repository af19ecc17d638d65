"""Assets of serving: the registry versions of an author's twin, and which of them is the champion."""

from pathlib import Path

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.project import Project
from resources.tracker import CANDIDATE, CHAMPION, ModelVersion, Tracker, registered_name
from twin_assets.automation import follow_inputs
from twin_assets.documents import BaseModelRef
from twin_assets.errors import UserError
from twin_assets.evaluation.reports import EvalReport
from twin_assets.inference.registration import BY_THE_GATE, PROMOTED_BY, Registration, chosen_over, judge, remembered
from twin_assets.observed_settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, data_version
from twin_assets.training.manifest import Manifest, read_manifest

STAGES = ("sft", "dpo")


@dg.asset(
    partitions_def=authors_partitions,
    deps=["sft_checkpoint", "dpo_checkpoint", SETTINGS],
    group_name="serving",
    owners=OWNERS,
    kinds={"mlflow"},
    code_version="1",
    io_manager_key="reports",
    automation_condition=follow_inputs(),
)
def registered_model(
    context: dg.AssetExecutionContext,
    eval_report: EvalReport,
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dg.MaterializeResult[Registration]:
    """The author's model in the MLflow registry: a version per checkpoint, and the verdict of the promotion gate.

    The better of SFT and DPO gets the alias `candidate`; it becomes `champion` if it beats the present champion, or the
    base model where there is none, outside the noise. The reason, in words and numbers, is a tag on the version. A
    checkpoint that is registered already is not registered again.

    If it fails, the champion stays champion.
    """
    author, name = context.partition_key, registered_name(context.partition_key)
    _demand_measured(artifacts, author, eval_report)
    versions = {stage: _registered(context, stage, base_model, project, artifacts, tracker) for stage in STAGES}
    candidate = versions[str(eval_report.chosen)]
    champion = next((version for version in tracker.versions(name) if CHAMPION in version.aliases), None)
    previous = _previous(artifacts, author)
    scores = dict(previous.scores) if previous else {}
    decision = judge(
        eval_report,
        candidate=candidate.version,
        champion=champion.version if champion else None,
        known_scores=scores,
        chosen_over=chosen_over(champion.tags) if champion else None,
        seed=project.seed,
    )
    tracker.set_alias(name, CANDIDATE, candidate.version)
    history = previous.history if previous else ()
    if champion is None or candidate.version != champion.version:
        # A champion keeps the reason why it became one: that it is one already is no news.
        tracker.set_tags(name, candidate.version, {"promotion": decision.reason})
        history = remembered(history, candidate.version, decision)
    if decision.promote:
        tracker.set_tags(name, candidate.version, {PROMOTED_BY: BY_THE_GATE})
        tracker.set_alias(name, CHAMPION, candidate.version)
    champion_version = candidate.version if decision.promote else champion.version if champion else None
    registration = Registration(
        author=author,
        name=name,
        versions={stage: version.version for stage, version in versions.items()},
        candidate=candidate.version,
        champion=champion_version,
        verdict=decision,
        scores=scores | {version.version: eval_report.scores_of(stage) for stage, version in versions.items()},
        history=history,
    )
    return dg.MaterializeResult(
        value=registration,
        data_version=data_version(registration.identity),
        metadata={
            "summary": registration.summary(),
            "dagster/uri": f"models:/{name}/{candidate.version}",
            "candidate": int(candidate.version),
            "champion": champion_version or "none",
            "promoted": decision.promote,
            "reason": decision.reason,
            "registry": dg.MetadataValue.url(tracker.version_url(name, candidate.version)),
            **{f"version_{stage}": int(version.version) for stage, version in versions.items()},
        },
    )


def _demand_measured(artifacts: ArtifactStore, author: str, report: EvalReport) -> None:
    """Refuse a report on other checkpoints than those that would be registered with its scores.

    Raises:
        UserError: If a checkpoint was trained anew since it was measured.
    """
    for stage in STAGES:
        if report.scores_of(stage).version != artifacts.manifest(f"{stage}_checkpoint", author).data_version:
            raise UserError(f"eval_report of {author} measured another {stage} checkpoint: build eval_report first.")


def _registered(
    context: dg.AssetExecutionContext,
    stage: str,
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> ModelVersion:
    """Return the version of a stage's present checkpoint, registering it if it is new."""
    author = context.partition_key
    name, folder = registered_name(author), artifacts.folder(f"{stage}_checkpoint", author)
    manifest = read_manifest(folder)
    for version in tracker.versions(name):
        if version.tags.get("stage") == stage and version.tags.get("checkpoint") == manifest.data_version:
            return version
    return _register(context, stage, folder, manifest, base_model, project, tracker)


def _register(
    context: dg.AssetExecutionContext,
    stage: str,
    folder: Path,
    manifest: Manifest,
    base_model: BaseModelRef,
    project: Project,
    tracker: Tracker,
) -> ModelVersion:
    author = context.partition_key
    trained_by = tracker.find_run(author, tag="spec_hash", value=manifest.spec_hash)
    # The registry wants a run: where that of the training is gone, one that does nothing but register stands in.
    run_id = trained_by or tracker.start_run(
        f"{stage}_checkpoint", author=author, tags={"stage": stage, "spec_hash": manifest.spec_hash}
    )
    version = tracker.register(
        registered_name(author),
        folder,
        data_version=manifest.data_version,
        run_id=run_id,
        description=f"{stage.upper()} of {base_model.location.rsplit('/', 1)[-1]} on the writings of {author}.",
        tags={
            "author": author,
            "stage": stage,
            "checkpoint": manifest.data_version,
            "spec_hash": manifest.spec_hash,
            "dataset_version": manifest.spec.dataset_version,
            "code_version": manifest.spec.code_version,
            "base_model": base_model.version,
            "base_model_licence": base_model.licence,
            "chat_template": manifest.spec.chat_template_hash,
            "chat_template_name": manifest.spec.chat_template,
            "dagster_run": context.run_id,
            "dagster_run_url": project.run_url(context.run_id),
        },
    )
    if trained_by is None:
        tracker.finish_run(run_id)
    return version


def _previous(artifacts: ArtifactStore, author: str) -> Registration | None:
    path = artifacts.path("registered_model", author, ".json")
    return Registration.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None
