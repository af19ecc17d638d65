"""Sensors: all of them, and the one that watches author files and sources. Each is pausable alone."""

import dagster as dg

from jobs.alerts import build_alerts
from jobs.automation_sensors import automation_sensors
from jobs.jobs import AssetJob
from jobs.reconciliation import build_reconciliation
from resources.project import Project
from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.collection.authors import author_slugs, load_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.observation import observe_author
from twin_assets.datasets.sources import observe_rows_from_elsewhere
from twin_assets.errors import UserError
from twin_assets.observing.policy import observe_policy
from twin_assets.observing.recording import LastObserved
from twin_assets.observing.settings import observe_settings
from twin_assets.partitions import AUTHORS_PARTITION, authors_partitions
from twin_assets.settings import Settings
from twin_assets.training.author_settings import observe_training_settings


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
    found, refused = [], []
    slugs = author_slugs(project.authors_path)
    observed = LastObserved(context.instance, slugs)
    observations = [observe_settings(observed, project)]
    with warehouse.session() as session:
        sources = SourceContext(project.authors_path, session.imported_documents, session, web)
        for slug in slugs:
            try:
                author = load_author(project.authors_path, slug)
                observations.append(observe_author(observed, author, sources))
                observations.append(observe_policy(observed, author))
                if slug not in known:
                    found.append(slug)
                observations.append(observe_rows_from_elsewhere(observed, author, project))
                observations.append(observe_training_settings(observed, author))
            except UserError as error:
                refused.append(str(error))
    recorded = [observation for observation in observations if observation]
    return dg.SensorResult(
        dynamic_partitions_requests=[authors_partitions.build_add_request(found)] if found else [],
        asset_events=recorded,
        skip_reason=_tick_summary(found, len(recorded), refused),
    )


def build_sensors(settings: Settings, jobs: list[AssetJob]) -> list[dg.SensorDefinition]:
    """Return all sensors.

    Args:
        settings: Through which channels people are told.
        jobs: All jobs; the reconciliation asks for runs of that of the whole twin.
    """
    return [author_files, *automation_sensors(), build_reconciliation(jobs), build_alerts(settings)]


def _tick_summary(found: list[str], observed: int, refused: list[str]) -> str | None:
    if found or observed:
        return None
    if refused:
        return f"{len(refused)} author files cannot be used: {' '.join(refused)}"
    return "No new author, and no source or setting has changed."
