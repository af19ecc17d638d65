"""Sensors: what the platform watches, and the three that evaluate automation conditions, each pausable alone."""

from collections.abc import Iterator

import dagster as dg

from jobs.alerts import build_alerts
from resources.project import Project
from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.collection.authors import author_slugs, load_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.observation import observe_author
from twin_assets.datasets.sources import observe_rows_from_elsewhere
from twin_assets.errors import UserError
from twin_assets.observed_policy import observe_policy
from twin_assets.observed_settings import observe_settings
from twin_assets.partitions import AUTHORS_PARTITION, authors_partitions
from twin_assets.training.author_settings import observe_training_settings
from twin_assets.settings import Settings

CPU_GROUPS = ("collection", "features", "evaluation", "serving")


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
    observations = [observe_settings(context.instance, project)]
    with warehouse.session() as session:
        sources = SourceContext(project.authors_path, session.imported_documents, session, web)
        for slug in author_slugs(project.authors_path):
            try:
                author = load_author(project.authors_path, slug)
                observations.append(observe_author(context.instance, author, sources))
                observations.append(observe_policy(context.instance, author))
                if slug not in known:
                    found.append(slug)
                observations.append(observe_rows_from_elsewhere(context.instance, author, project))
                observations.append(observe_training_settings(context.instance, author))
            except UserError as error:
                refused.append(str(error))
    recorded = [observation for observation in observations if observation]
    return dg.SensorResult(
        dynamic_partitions_requests=[authors_partitions.build_add_request(found)] if found else [],
        asset_events=recorded,
        skip_reason=_tick_summary(found, len(recorded), refused),
    )


def build_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return all sensors.

    Args:
        settings: Through which channels people are told.
    """
    return [author_files, *_automation_sensors(), build_alerts(settings)]


def _automation_sensors() -> Iterator[dg.AutomationConditionSensorDefinition]:
    for name, target, by_code, description in (
        (
            "automation_cpu",
            dg.AssetSelection.groups(*CPU_GROUPS),
            False,
            "Keeps collection, features, evaluation and the registry in step with their inputs.",
        ),
        (
            "automation_llm",
            dg.AssetSelection.groups("datasets"),
            False,
            "Rebuilds datasets when cleaned documents change; pause it to spend nothing on a language model.",
        ),
        (
            "automation_gpu",
            dg.AssetSelection.groups("training"),
            True,
            "Retrains when a dataset really changed and every blocking check passed; pause it to spend no GPU time.",
        ),
    ):
        yield dg.AutomationConditionSensorDefinition(
            name,
            target=target,
            default_status=dg.DefaultSensorStatus.STOPPED,
            minimum_interval_seconds=60,
            # A condition of our own (`EnoughIsNew`) is known to this code only, and not to the daemon.
            use_user_code_server=by_code,
            run_tags={"launched_by": name},
            description=description,
        )


def _tick_summary(found: list[str], observed: int, refused: list[str]) -> str | None:
    if found or observed:
        return None
    if refused:
        return f"{len(refused)} author files cannot be used: {' '.join(refused)}"
    return "No new author, and no source or setting has changed."
