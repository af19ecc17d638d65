"""Schedules: what runs by the clock. Everything else follows the data."""

import dagster as dg

from jobs.housekeeping import housekeeping
from jobs.jobs import AssetJob
from twin_assets.partitions import AUTHORS_PARTITION


def build_schedules(jobs: list[AssetJob]) -> list[dg.ScheduleDefinition]:
    """Return the weekly collection of every author, and the daily housekeeping."""
    collection = next(job for job in jobs if job.name == "collection")

    @dg.schedule(
        job=collection,
        name="weekly_collection",
        cron_schedule="0 3 * * 1",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Collects every author again each Monday at 03:00 UTC, one run per author.",
    )
    def weekly_collection(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        authors = context.instance.get_dynamic_partitions(AUTHORS_PARTITION)
        if not authors:
            return dg.SkipReason("No author is registered: add a file to authors/.")
        tick = context.scheduled_execution_time.isoformat()
        return [dg.RunRequest(run_key=f"{author}@{tick}", partition_key=author) for author in sorted(authors)]

    daily_housekeeping = dg.ScheduleDefinition(
        name="daily_housekeeping",
        job=housekeeping,
        cron_schedule="0 5 * * *",
        # It deletes: somebody switches it on, after a look at a dry run.
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Deletes old registry versions, and what killed runs left, each day at 05:00 UTC.",
    )
    return [weekly_collection, daily_housekeeping]
