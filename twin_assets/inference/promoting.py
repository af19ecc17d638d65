"""A champion that a person chose, written where the platform looks: the registration, and an event of its own.

Without the event, what reads the registry would count as fresh and go on naming the old champion. Aliases and tags are
the registry's, and are set before.
"""

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from resources.artifacts import ArtifactStore
from twin_assets.evaluation.promotion import Verdict
from twin_assets.inference.registration import Registration, remembered
from twin_assets.reporting import data_version

BY_HAND = "promoted by hand with `twin promote`"

REGISTERED_MODEL = dg.AssetKey("registered_model")
BLOCKING_CHECKS = ("registered_is_what_was_trained",)
DATA_VERSION = "dagster/data_version"


def record_promotion(
    instance: dg.DagsterInstance, artifacts: ArtifactStore, author: str, version: str, *, address: str
) -> None:
    """Rewrite an author's registration with its new champion, and report it as a materialization.

    The new materialization takes over what the last one was made of, so that `registered_model` itself stays as fresh
    as it was; its new data version makes stale what reads it. Where the registration was never written, there is
    nothing to correct.

    Args:
        instance: Where the event goes.
        artifacts: Where the registration lies.
        author: Slug of the author.
        version: The champion, as the registry has it by now.
        address: Where a person can look at the version.
    """
    path = artifacts.path("registered_model", author, ".json")
    before = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=REGISTERED_MODEL, asset_partitions=[author]), limit=1
    ).records
    if not path.exists() or not before or before[0].asset_materialization is None:
        return
    decision = Verdict(promote=True, reason=BY_HAND)
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
                "registry": dg.MetadataValue.url(address),
            },
            tags={**(last.tags or {}), DATA_VERSION: data_version(registration.identity).value},
        )
    )
    for check in passed:
        # They judged the registered copies, which a person's choice does not touch; on the older event they would count
        # as not run.
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=True,
                partition=author,
                blocking=True,
                description="It passed before a person chose the champion.",
            )
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
