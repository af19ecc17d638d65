"""Sensors: all of them, and the one that watches author files and sources. Each is pausable alone."""

import dagster as dg

from jobs.alerts import build_alerts
from jobs.authors import Look, look_at_authors
from jobs.automation_sensors import automation_sensors
from jobs.jobs import AssetJob
from jobs.reconciliation import build_reconciliation
from resources.project import Project
from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.collection.contract import SourceContext
from twin_assets.partitions import AUTHORS_PARTITION, authors_partitions
from twin_assets.settings import Settings


@dg.sensor(
    name="author_files",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers an author when a valid file appears in `authors/` and its sources hold something.",
)
def author_files(
    context: dg.SensorEvaluationContext, project: Project, warehouse: Warehouse, web: Web
) -> dg.SensorResult:
    """Add a partition for each author who has something to collect; record what sources hold and settings are."""
    known = set(context.instance.get_dynamic_partitions(AUTHORS_PARTITION))
    with warehouse.session() as session:
        sources = SourceContext(project.authors_path, session.imported_documents, session, web)
        look = look_at_authors(context.instance, project, sources)
    new = [slug for slug in look.usable if slug not in known]
    skipped = not new and not look.observations
    if not skipped:
        # Only a tick that skips shows a reason, and that names them.
        for slug, error in look.refused.items():
            context.log.warning(f"{slug} cannot be used: {error}")
    return dg.SensorResult(
        dynamic_partitions_requests=[authors_partitions.build_add_request(new)] if new else [],
        asset_events=list(look.observations),
        skip_reason=_why_skipped(look) if skipped else None,
    )


def build_sensors(settings: Settings, jobs: list[AssetJob]) -> list[dg.SensorDefinition]:
    """Return all sensors.

    Args:
        settings: Through which channels people are told.
        jobs: All jobs; the reconciliation asks for runs of that of the whole twin.
    """
    return [author_files, *automation_sensors(), build_reconciliation(jobs), build_alerts(settings)]


def _why_skipped(look: Look) -> str:
    if look.refused:
        return f"{len(look.refused)} author files cannot be used: {' '.join(map(str, look.refused.values()))}"
    return "No new author, and no source or setting has changed."
