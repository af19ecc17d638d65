"""The wiring of the platform, as a snapshot: a change of an asset, check, job, schedule or sensor shows up as a diff.

To renew the snapshot after a change that was meant:

    RENEW_SNAPSHOT=1 pytest twin_assets_tests/graph/test_definitions.py

"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._config import snap_from_field
from dagster_shared.serdes import serialize_value

from twin_assets.definitions import build_defs
from twin_assets.settings import PROJECT_ROOT, Settings

SNAPSHOT = Path(__file__).with_name("definitions_snapshot.json")
HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "mlflow",
    "qdrant_client",
    "matplotlib",
    "datasets",
    "sentence_transformers",
    "pandas",
)


@pytest.fixture
def definitions():
    return build_defs()


@pytest.fixture
def graph(definitions):
    return definitions.resolve_asset_graph()


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _asset(definitions: dg.Definitions, key: dg.AssetKey) -> dict[str, Any]:
    node = definitions.resolve_asset_graph().get(key)
    return {
        "description": _first_line(node.description),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": list(node.owners),
        "code_version": node.code_version,
        "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
        "reads_every_author": sorted(
            parent.to_user_string()
            for parent, mapping in node.partition_mappings.items()
            if isinstance(mapping, dg.AllPartitionMapping)
        ),
        "partitions": node.partitions_def.name if node.partitions_def else None,
        "pools": sorted(node.pools or []),
        "automation": node.automation_condition.get_label() if node.automation_condition else None,
        "external": not node.is_materializable,
    }


def _wiring(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    checks = sorted(graph.asset_check_keys, key=lambda key: (key.asset_key.to_user_string(), key.name))
    return {
        "assets": {
            key.to_user_string(): _asset(definitions, key)
            for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string())
        },
        "checks": {
            f"{key.asset_key.to_user_string()}: {key.name}": {
                "description": graph.get_check_spec(key).description,
                "blocking": graph.get_check_spec(key).blocking,
                "partitions": getattr(graph.get_check_spec(key).partitions_def, "name", None),
            }
            for key in checks
        },
        "jobs": {
            job.name: {
                "description": job.description,
                "assets": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
                "partitions": job.partitions_def.name if job.partitions_def else None,
                "tags": dict(job.tags),
            }
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "description": schedule.description,
                "cron": schedule.cron_schedule,
                "job": schedule.job_name,
                "default": schedule.default_status.value,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "description": sensor.description,
                "type": sensor.sensor_type.value,
                "seconds": sensor.minimum_interval_seconds,
                "default": sensor.default_status.value,
                "watches": sorted(key.to_user_string() for key in sensor.asset_selection.resolve(graph))
                if sensor.asset_selection
                else [],
            }
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
    }


def test_the_wiring_is_that_of_the_snapshot(definitions):
    wiring = json.dumps(_wiring(definitions), indent=2) + "\n"
    if os.environ.get("RENEW_SNAPSHOT"):
        SNAPSHOT.write_text(wiring, encoding="utf-8")
    assert json.loads(wiring) == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_asset_says_what_it_is_whose_it_is_and_where_it_belongs(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert _first_line(node.description), key
        assert node.group_name not in (None, "", "default"), key
        assert node.owners, key
        assert node.kinds, key


ON_DEMAND = {dg.AssetKey("sweep_trial")}
"""What is built when somebody asks for it, and never by itself."""


def test_every_asset_that_is_built_has_a_code_version_and_a_condition(graph):
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.code_version, key
        if key in ON_DEMAND:
            continue
        assert node.automation_condition, key
        assert node.automation_condition.get_label(), key


def test_every_asset_that_is_built_is_watched_by_exactly_one_automation_sensor(definitions, graph):
    watched = [
        key
        for sensor in definitions.get_repository_def().sensor_defs
        if sensor.asset_selection
        for key in sensor.asset_selection.resolve(graph)
    ]
    assert sorted(watched) == sorted(graph.materializable_asset_keys - ON_DEMAND)


def test_every_check_job_schedule_and_sensor_has_a_sentence(definitions, graph):
    repository = definitions.get_repository_def()
    named = [
        *((key, graph.get_check_spec(key).description) for key in graph.asset_check_keys),
        *((job.name, job.description) for job in repository.get_all_jobs() if not job.name.startswith("__")),
        *((schedule.name, schedule.description) for schedule in repository.schedule_defs),
        *((sensor.name, sensor.description) for sensor in repository.sensor_defs),
    ]
    assert len(named) > 20
    for name, description in named:
        assert description, name
        assert description.rstrip().endswith("."), (name, description)


@pytest.mark.parametrize(("rejected_from", "waits"), [("base", False), ("sft", True)])
def test_pairs_wait_for_the_model_that_writes_their_rejected_texts(tmp_path, rejected_from, waits):
    definitions = build_defs(settings=Settings(home=tmp_path, rejected_from=rejected_from))
    node = definitions.resolve_asset_graph().get(dg.AssetKey("preference_dataset"))
    assert (dg.AssetKey("sft_checkpoint") in node.parent_keys) is waits
    assert {dg.AssetKey("instruct_dataset"), dg.AssetKey("base_model")} <= node.parent_keys
    definitions.resolve_job_def("twin")


def test_loading_the_definitions_imports_no_heavy_library():
    program = (
        "import sys, twin_assets.definitions as d; d.build_defs().get_repository_def(); "
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True
    )
    assert done.stdout.split() == []


def test_no_secret_shows_in_the_definitions_or_their_resources():
    settings = Settings(
        mongodb_url="mongodb://twin:hunter2@db.example", qdrant_url="http://q.example", qdrant_api_key="hunter3"
    )
    definitions = build_defs(settings=settings)
    resources = definitions.get_repository_def().get_top_level_resources()
    # What the Dagster UI shows of a resource is its configuration, with the values that it was made with as defaults.
    in_the_ui = [
        serialize_value(snap_from_field("config", resource.config_schema.as_field())) for resource in resources.values()
    ]
    assert any("http://q.example" in text for text in in_the_ui)
    for text in [repr(definitions), repr(definitions.resources), repr(settings), *in_the_ui]:
        assert "hunter" not in text
    assert definitions.resources["warehouse"].url.get_secret_value().endswith("hunter2@db.example")
