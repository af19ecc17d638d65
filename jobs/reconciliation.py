"""The reconciliation: once a day, for every author, it asks for what is stale although nobody has asked.

It is the slow sweep that catches a trigger which was lost between two ticks.

A few authors per tick, so that no tick takes longer than a sensor may, however many authors there are.
"""

import time
from datetime import UTC, datetime

import dagster as dg
from pydantic import BaseModel

from jobs.automation_sensors import automated_groups
from jobs.jobs import TWIN_JOB, AssetJob
from twin_assets.automation.reconciling import Drift, Reconciler
from twin_assets.automation.staleness import StateReader
from twin_assets.partitions import AUTHORS_PARTITION

AUTHORS_AT_ONCE = 25


class Round(BaseModel):
    """How far the reconciliation of a day has come."""

    day: str = ""
    after: str = ""
    """The last author that was looked at."""
    done: bool = False


def build_reconciliation(jobs: list[AssetJob]) -> dg.SensorDefinition:
    """Return the sensor `reconciliation`."""

    @dg.sensor(
        name="reconciliation",
        job=next(job for job in jobs if job.name == TWIN_JOB),
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Once a day: asks for what is stale although its automation sensor is on, because a trigger was lost; "
            "honours checks, runs in progress and training policies."
        ),
    )
    def reconciliation(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        today = datetime.now(UTC).date().isoformat()
        position = Round.model_validate_json(context.cursor) if context.cursor else Round()
        if position.day != today:
            position = Round(day=today)
        groups = automated_groups(context.instance)
        if position.done or not groups:
            said = (
                "Today's reconciliation has ended."
                if position.done
                else "No automation sensor is on: nothing can be lost."
            )
            return dg.SensorResult(cursor=position.model_dump_json(), skip_reason=said)
        if context.repository_def is None:
            raise RuntimeError("The reconciliation needs the repository that it is part of.")
        authors = sorted(context.instance.get_dynamic_partitions(AUTHORS_PARTITION))
        batch = [author for author in authors if author > position.after][:AUTHORS_AT_ONCE]
        reconciler = Reconciler(
            StateReader(context.repository_def, context.instance), context.instance, groups=groups, now=time.time()
        )
        # The assets of all authors come when every author was looked at, and stand on them.
        places: list[str | None] = [*batch] or [None]
        drifts = {author: reconciler.drift(author) for author in places}
        position = position.model_copy(update={"after": batch[-1]} if batch else {"done": True})
        requests = [_request(author, found) for author, found in drifts.items() if found.lost]
        for author, found in drifts.items():
            for asset, reason in found.held.items():
                context.log.info(f"{asset} of {author or 'all authors'} is stale and left alone: {reason}.")
        return dg.SensorResult(
            run_requests=requests,
            cursor=position.model_dump_json(),
            skip_reason=None
            if requests
            else f"Nothing is lost of {', '.join(batch) or 'what is made of all authors'}.",
        )

    return reconciliation


def _request(author: str | None, found: Drift) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=found.run_key(author),
        partition_key=author,
        asset_selection=[dg.AssetKey(asset) for asset in found.lost],
        tags={"launched_by": "reconciliation", **({"author": author} if author else {})},
    )
