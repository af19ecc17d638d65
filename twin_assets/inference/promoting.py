"""A champion that a person chose, written where the platform looks: the registration, and events of its own.

Without the event, what reads the registry would count as fresh and go on naming the old champion. Aliases and tags are
the registry's, and are set before.
"""

import uuid
from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from resources.artifacts import ArtifactStore
from twin_assets.evaluation.promotion import Verdict
from twin_assets.inference.aliases import AliasMove
from twin_assets.inference.registration import Registration, remembered
from twin_assets.observing.recording import DATA_VERSION_TAG
from twin_assets.reporting import data_version

REGISTERED_MODEL = dg.AssetKey("registered_model")
BLOCKING_CHECKS = ("registered_is_what_was_trained",)
DELETIONS_CHECK = dg.AssetCheckKey(REGISTERED_MODEL, "no_version_knows_a_deleted_document")


def record_promotion(
    instance: dg.DagsterInstance,
    artifacts: ArtifactStore,
    author: str,
    version: str,
    *,
    moves: Sequence[AliasMove],
    reason: str,
    address: str,
) -> None:
    """Rewrite an author's registration with its new champion, and report it as a materialization.

    The new materialization takes over what the last one was made of, so that `registered_model` itself stays as fresh
    as it was; its new data version makes stale what reads it. Where the registration was never written, there is
    nothing to correct.

    Args:
        instance: Where the events go.
        artifacts: Where the registration lies.
        author: Slug of the author.
        version: The champion, as the registry has it by now.
        moves: The aliases that were moved.
        reason: Why the person chose it.
        address: Where a person can look at the version.
    """
    for move in moves:
        instance.report_runless_asset_event(move.observation(author, address=address))
    path = artifacts.path("registered_model", author, ".json")
    before = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=REGISTERED_MODEL, asset_partitions=[author]), limit=1
    ).records
    if not path.exists() or not before or before[0].asset_materialization is None:
        return
    decision = Verdict(promote=True, reason=reason)
    registration = Registration.model_validate_json(path.read_text(encoding="utf-8"))
    registration = registration.model_copy(
        update={
            "champion": version,
            "verdict": decision,
            "history": remembered(registration.history, version, decision),
        }
    )
    artifacts.write_text(path, registration.model_dump_json(indent=2) + "\n")
    passed = _passed_before(instance, author)
    last = before[0].asset_materialization
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            REGISTERED_MODEL,
            partition=author,
            description=f"A person made version {version} the champion.",
            metadata={
                **last.metadata,
                "summary": registration.summary(),
                "champion": version,
                "promoted": True,
                "reason": decision.reason,
                "verdict": dg.MetadataValue.text("A person decided."),
                "registry": dg.MetadataValue.url(address),
            },
            tags={**(last.tags or {}), DATA_VERSION_TAG: data_version(registration.identity).value},
        )
    )
    for check in passed:
        # They judged the registered copies, which a person's choice does not touch; on the older event they would count
        # as not run.
        report_check(
            instance,
            check,
            author,
            passed=True,
            blocking=True,
            description="It passed before a person chose the champion.",
        )


def report_check(
    instance: dg.DagsterInstance,
    check: dg.AssetCheckKey,
    author: str,
    *,
    passed: bool,
    blocking: bool,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    description: str | None = None,
) -> None:
    """Report how a check of an author's newest materialization came out, without a run.

    `report_runless_asset_event` can do it once: the database wants each evaluation of a check to be of another run, and
    all that are of none count as one. So each gets the id of a run that never was.
    """
    newest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=check.asset_key, asset_partitions=[author]), limit=1
    ).records
    evaluation = dg.AssetCheckEvaluation(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=passed,
        blocking=blocking,
        severity=severity,
        description=description,
        partition=author,
        target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
            storage_id=newest[0].storage_id, run_id=newest[0].run_id, timestamp=newest[0].timestamp
        )
        if newest
        else None,
    )
    instance.report_dagster_event(
        DagsterEvent(
            event_type_value=DagsterEventType.ASSET_CHECK_EVALUATION.value,
            event_specific_data=evaluation,
            job_name="outside of any run",
        ),
        run_id=str(uuid.uuid4()),
    )


def _passed_before(instance: dg.DagsterInstance, author: str) -> list[dg.AssetCheckKey]:
    """Return the blocking checks of the registration that passed when they last ran."""
    checks = [dg.AssetCheckKey(REGISTERED_MODEL, name) for name in BLOCKING_CHECKS]
    histories = {
        check: instance.event_log_storage.get_asset_check_execution_history(
            check, limit=1, partition_filter=PartitionKeyFilter(key=author)
        )
        for check in checks
    }
    return [
        check
        for check, history in histories.items()
        if history and history[0].status == AssetCheckExecutionRecordStatus.SUCCEEDED
    ]
