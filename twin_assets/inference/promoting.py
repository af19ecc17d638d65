"""A champion that a person chose, written where the platform looks: the registration, and an event of its own.

Without the event, what reads the registry would count as fresh and go on naming the old champion. Aliases and tags are
the registry's, and are set before.
"""

import dagster as dg

from resources.artifacts import ArtifactStore
from twin_assets.evaluation.promotion import Verdict
from twin_assets.inference.registration import Registration, remembered
from twin_assets.reporting import data_version

BY_HAND = "promoted by hand with `twin promote`"

REGISTERED_MODEL = dg.AssetKey("registered_model")
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
