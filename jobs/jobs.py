"""Jobs: one per stage, and one for the whole twin. Each runs for one author, or as a backfill over many."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from twin_assets.partitions import authors_partitions

AssetJob = UnresolvedAssetJobDefinition
"""What `define_asset_job` returns; Dagster does not export the name."""

STAGES = {
    "collection": "Collect everything that an author's sources hold now.",
    "features": "Clean, chunk and embed what was collected.",
    "datasets": "Build the instruct and preference datasets.",
    "training": "Train the base model if its data changed, then SFT and DPO.",
    "evaluation": "Measure style, likeness, perplexity and retrieval.",
    "serving": "Register the checkpoints and decide which one is the champion.",
}

TWIN_JOB = "twin"
SWEEP_JOB = "sweep"


def build_jobs() -> list[AssetJob]:
    """Return all jobs, each with a sentence that says what it is for."""
    twin = dg.define_asset_job(
        TWIN_JOB,
        selection=dg.AssetSelection.groups(*STAGES),
        description="The whole twin of an author, from the sources to the registry and the leaderboard.",
        partitions_def=authors_partitions,
        tags={"stage": "all"},
    )
    stages = [
        dg.define_asset_job(
            stage,
            selection=dg.AssetSelection.groups(stage),
            description=description,
            partitions_def=authors_partitions,
            tags={"stage": stage},
        )
        for stage, description in STAGES.items()
    ]
    sweep = dg.define_asset_job(
        SWEEP_JOB,
        selection=dg.AssetSelection.assets("sweep_trial"),
        description="Train one trial of a sweep, apart from the author's checkpoints; `twin sweep` starts it.",
        partitions_def=authors_partitions,
        tags={"stage": "sweep"},
    )
    return [twin, *stages, sweep]
