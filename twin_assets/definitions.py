"""The composition root: every asset, check, job, schedule, sensor and resource, put together once.

Tests and other deployments swap parts through the arguments of `build_defs`. Nothing is opened, read or computed here.
"""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

import twin_assets.collection.assets
import twin_assets.collection.checks
import twin_assets.datasets.assets
import twin_assets.datasets.checks
import twin_assets.datasets.sources
import twin_assets.evaluation.assets
import twin_assets.evaluation.checks
import twin_assets.features.assets
import twin_assets.features.checks
import twin_assets.inference.assets
import twin_assets.inference.checks
import twin_assets.observing.policy
import twin_assets.observing.settings
import twin_assets.training.assets
import twin_assets.training.author_settings
import twin_assets.training.checks
import twin_assets.training.sweep_trial
from jobs.jobs import build_jobs
from jobs.schedules import build_schedules
from jobs.sensors import build_sensors
from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.estimator import Estimator
from resources.io_managers import DatasetIOManager, ReportIOManager, TableIOManager
from resources.language_model import Teacher
from resources.project import Project
from resources.tracker import Tracker
from resources.trainer import trainer_from_settings
from resources.vector_store import VectorStore
from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.settings import Settings

STAGES = (
    twin_assets.collection,
    twin_assets.features,
    twin_assets.datasets,
    twin_assets.training,
    twin_assets.evaluation,
    twin_assets.inference,
)


def build_defs(
    *, settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Put the platform together.

    Args:
        settings: What it runs on; read from the environment by default.
        resource_overrides: Resources, by key, that take the place of the configured ones.
    """
    settings = settings or Settings.load()
    if settings.hub_offline:
        # Read by every library that could download from a hub, in this process and in those that it starts.
        os.environ["HF_HUB_OFFLINE"] = "1"
    jobs = build_jobs()
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules(
                [
                    twin_assets.observing.settings,
                    twin_assets.observing.policy,
                    twin_assets.datasets.sources,
                    twin_assets.training.author_settings,
                    twin_assets.training.sweep_trial,
                    *(stage.assets for stage in STAGES),
                ],
                include_specs=True,
            ),
            twin_assets.datasets.assets.build_preference_dataset(rejected_from=settings.rejected_from),
        ],
        asset_checks=dg.load_asset_checks_from_modules([stage.checks for stage in STAGES]),
        jobs=jobs,
        schedules=build_schedules(jobs),
        sensors=build_sensors(settings, jobs),
        resources={**build_resources(settings), **(resource_overrides or {})},
    )


def build_resources(settings: Settings) -> dict[str, Any]:
    """Return the resources that the settings name, by key."""
    return {
        "project": Project.from_settings(settings),
        "warehouse": Warehouse.from_settings(settings),
        "web": Web.from_settings(settings),
        "artifacts": ArtifactStore.from_settings(settings),
        "tables": TableIOManager(root=settings.artifacts_root),
        "datasets": DatasetIOManager(root=settings.artifacts_root),
        "reports": ReportIOManager(root=settings.artifacts_root),
        "embedder": Embedder.from_settings(settings),
        "teacher": Teacher.from_settings(settings),
        "vector_store": VectorStore.from_settings(settings),
        "trainer": trainer_from_settings(settings),
        "estimator": Estimator.from_settings(settings),
        "tracker": Tracker.from_settings(settings),
    }


@dg.definitions
def defs() -> dg.Definitions:
    """Return the platform as the environment configures it: the entry point of the Dagster UI."""
    return build_defs()
