"""Assets of serving: the registry versions of an author's twin, and which of them is the champion."""

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.io_managers import EVERY_AUTHOR
from resources.project import Project
from resources.tracker import CHAMPION, ModelVersion, Tracker, registered_name
from twin_assets.automation.conditions import follow_inputs
from twin_assets.collection.authors import load_author
from twin_assets.documents import BaseModelRef
from twin_assets.errors import UserError
from twin_assets.evaluation.promotion import Verdict
from twin_assets.evaluation.reports import EvalReport
from twin_assets.evaluation.stylometry import StyleProfile
from twin_assets.inference.aliases import (
    BY_THE_GATE,
    AliasMove,
    describe,
    make_candidate,
    make_champion,
)
from twin_assets.inference.card import PROMOTION
from twin_assets.inference.registering import registered_versions, states_of_checks
from twin_assets.inference.registration import PastVerdict, Registration, judge, kept, remembered
from twin_assets.observing.settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, data_version
from twin_assets.tracking import stage_run

STAGES = ("sft", "dpo")


@dg.asset(
    partitions_def=authors_partitions,
    deps=["sft_checkpoint", "dpo_checkpoint", SETTINGS],
    ins={"style_profile": EVERY_AUTHOR},
    group_name="serving",
    owners=OWNERS,
    kinds={"mlflow"},
    code_version="2",
    io_manager_key="reports",
    automation_condition=follow_inputs(),
)
def registered_model(
    context: dg.AssetExecutionContext,
    eval_report: EvalReport,
    style_profile: dict[str, StyleProfile],
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dg.MaterializeResult[Registration]:
    """The author's model in the MLflow registry: a version per checkpoint, and the verdict of the promotion gate.

    The better of SFT and DPO gets the alias `candidate`; it becomes `champion` if it beats the present champion, or the
    base model where there is none, outside the noise, and its checks are green; `previous` is the champion before.
    Where the author's file asks for approval, a person makes it the champion, with `twin promote`. The reason, in words
    and numbers, is a tag on the version. A checkpoint that is registered already is not registered again.

    If it fails, the champion stays champion.
    """
    author, name = context.partition_key, registered_name(context.partition_key)
    _demand_measured(artifacts, author, eval_report)
    with stage_run(context, tracker, "registration", author=author) as run_id:
        versions = registered_versions(context, STAGES, eval_report, base_model, artifacts, tracker)
        candidate = versions[str(eval_report.chosen)]
        champion = next((version for version in tracker.versions(name) if CHAMPION in version.aliases), None)
        previous = _previous(artifacts, author)
        answers = {versions[stage].version: eval_report.answers_of(stage) for stage in STAGES}
        decision = judge(
            eval_report,
            candidate=candidate,
            champion=champion,
            known=previous,
            profiles=style_profile,
            checks=states_of_checks(context.instance, str(eval_report.chosen), author),
            approve_with=_approval(project, author, candidate.version),
            seed=project.seed,
        )
        _follow(context, decision, candidate, champion, tracker)
        champion_version = candidate.version if decision.promote else champion.version if champion else None
        registration = Registration(
            author=author,
            name=name,
            versions={stage: version.version for stage, version in versions.items()},
            candidate=candidate.version,
            champion=champion_version,
            verdict=decision,
            scores=(previous.scores if previous else {})
            | {version.version: eval_report.scores_of(stage) for stage, version in versions.items()},
            answers=kept(
                (previous.answers if previous else {}) | answers,
                with_alias=[version.version for version in tracker.versions(name) if version.aliases],
            ),
            history=_history(previous, decision, candidate, champion),
        )
        tracker.finish_run(
            run_id,
            params={"candidate": candidate.version, "champion": champion_version or "none"},
            files={"verdict.json": decision.model_dump_json(indent=2).encode()},
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
            "verdict": verdict_table(decision),
            "registry": dg.MetadataValue.url(tracker.version_url(name, candidate.version)),
            "mlflow_run": dg.MetadataValue.url(tracker.run_url(run_id)),
            **{f"version_{stage}": int(version.version) for stage, version in versions.items()},
        },
    )


def _follow(
    context: dg.AssetExecutionContext,
    decision: Verdict,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    tracker: Tracker,
) -> None:
    """Move the aliases as the gate decided, tell of the moves, and write its verdict on the candidate."""
    name, version = candidate.name, candidate.version
    who = f"the promotion gate, in run {context.run_id[:8]}"

    def tell(moves: list[AliasMove]) -> None:
        # At once: a step that is repeated finds the alias moved, and has nothing to tell any more.
        for move in moves:
            context.log_event(move.observation(context.partition_key, address=tracker.version_url(name, version)))

    tell(make_candidate(tracker, name, version, who=who, why="it is the better of what was trained last"))
    if champion is None or version != champion.version:
        # A champion keeps the reason why it became one: that it is one already is no news.
        tracker.set_tags(name, version, {PROMOTION: decision.reason})
    if decision.promote:
        tell(make_champion(tracker, name, version, who=who, why=decision.reason, by=BY_THE_GATE))
    describe(tracker, name)


def _history(
    previous: Registration | None, decision: Verdict, candidate: ModelVersion, champion: ModelVersion | None
) -> tuple[PastVerdict, ...]:
    history = previous.history if previous else ()
    if champion is not None and candidate.version == champion.version:
        return history
    return remembered(history, candidate.version, decision)


def _approval(project: Project, author: str, version: str) -> str | None:
    """Return the command by which a person approves a candidate, None if the author's file asks for no approval.

    It is read when it is asked for, and is no input of the asset: whoever changes it makes nothing stale.
    """
    asked_for = load_author(project.authors_path, author).training.approval
    return f"twin promote {author} {version}" if asked_for else None


def verdict_table(decision: Verdict) -> dg.TableMetadataValue:
    """Return what the gate asked for, and what it found, as a table for the UI."""
    columns = [
        dg.TableColumn("clause", "string"),
        dg.TableColumn("passed", "boolean"),
        dg.TableColumn("found", "string"),
    ]
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({"clause": clause.name, "passed": clause.passed, "found": clause.words})
            for clause in decision.clauses
        ],
        schema=dg.TableSchema(columns),
    )


def _demand_measured(artifacts: ArtifactStore, author: str, report: EvalReport) -> None:
    """Refuse a report on other checkpoints than those that would be registered with its scores.

    Raises:
        UserError: If a checkpoint was trained anew since it was measured.
    """
    for stage in STAGES:
        if report.scores_of(stage).version != artifacts.manifest(f"{stage}_checkpoint", author).data_version:
            raise UserError(f"eval_report of {author} measured another {stage} checkpoint: build eval_report first.")


def _previous(artifacts: ArtifactStore, author: str) -> Registration | None:
    path = artifacts.path("registered_model", author, ".json")
    return Registration.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None
