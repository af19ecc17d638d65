"""The sensor that watches author files and sources, and the weekly schedule, by real ticks."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from jobs.jobs import build_jobs
from jobs.schedules import build_schedules
from jobs.sensors import author_files
from twin_assets.definitions import build_resources
from twin_assets.settings import Settings


@pytest.fixture
def instance():
    """An instance on which the settings were observed: the first tick does that whatever else there is."""
    with dg.instance_for_test() as instance:
        tick(instance)
        yield instance


def tick(instance: dg.DagsterInstance) -> dg.SensorResult:
    """Let the sensor tick once, and do with its result what the daemon does."""
    resources = build_resources(Settings())
    wanted = {name: resources[name] for name in ("project", "warehouse", "web")}
    with dg.build_sensor_context(instance=instance, resources=wanted) as context:
        result = author_files(context)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return result


def registered(instance: dg.DagsterInstance) -> list[str]:
    return sorted(instance.get_dynamic_partitions("authors"))


def reason(result: dg.SensorResult) -> str:
    assert result.skip_reason
    return result.skip_reason.skip_message or ""


def test_without_authors_the_tick_says_that_there_is_nothing_new(instance):
    assert "No new author" in reason(tick(instance))
    assert registered(instance) == []


def test_an_author_with_something_to_collect_is_registered_and_observed_once(instance, make_folder, make_author):
    make_author("ann", make_folder({"articles/one.md": "# One\n\nText."}))
    first = tick(instance)
    assert registered(instance) == ["ann"]
    assert [(event.asset_key.to_user_string(), event.partition) for event in first.asset_events] == [
        ("author_sites", "ann"),
        ("training_policy", "ann"),
        ("rows_from_elsewhere", "ann"),
        ("training_settings", "ann"),
    ]
    second = tick(instance)
    assert not second.dynamic_partitions_requests
    assert second.asset_events == []
    assert "no source or setting has changed" in reason(second)


def test_an_author_whose_folder_is_empty_waits_until_there_is_something(instance, make_folder, make_author):
    folder = make_folder({})
    make_author("ann", folder)
    result = tick(instance)
    assert registered(instance) == []
    assert str(folder) in reason(result)
    make_folder({"one.md": "Now there is a text."})
    tick(instance)
    assert registered(instance) == ["ann"]


def test_an_observation_is_recorded_only_when_the_content_changed(instance, make_folder, make_author):
    make_author("ann", make_folder({"one.md": "A text."}))
    before = next(event for event in tick(instance).asset_events if event.asset_key == dg.AssetKey("author_sites"))
    make_folder({"one.md": "A text."})
    assert tick(instance).asset_events == []
    make_folder({"one.md": "Another text."})
    (after,) = tick(instance).asset_events
    assert after.tags["dagster/data_version"] != before.tags["dagster/data_version"]
    assert after.asset_key == dg.AssetKey("author_sites")


def test_a_broken_file_is_named_and_holds_no_other_author_back(instance, make_folder, make_author, capfd):
    authors = make_author("ann", make_folder({"one.md": "A text."}))
    (authors / "bob.yaml").write_text("name: [", encoding="utf-8")
    tick(instance)
    assert "bob cannot be used: " in capfd.readouterr().err
    assert registered(instance) == ["ann"]
    said = reason(tick(instance))
    assert "bob.yaml" in said
    assert "not valid YAML" in said


def test_an_author_whose_rows_cannot_be_read_is_registered_once_they_can(
    instance, make_folder, make_author, monkeypatch
):
    monkeypatch.setenv("TWIN_INSTRUCT_GENERATORS", "import=1")
    authors = make_author("ann", make_folder({"one.md": "A text."}))
    with (authors / "ann.yaml").open("a", encoding="utf-8") as file:
        file.write("datasets:\n  - path: rows.jsonl\n")
    tick(instance)
    assert registered(instance) == []
    (authors / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    tick(instance)
    assert registered(instance) == ["ann"]


@pytest.fixture
def weekly():
    return next(schedule for schedule in build_schedules(build_jobs()) if schedule.name == "weekly_collection")


def test_a_setting_that_shapes_results_is_observed_when_it_changes(instance, monkeypatch):
    assert tick(instance).asset_events == []
    monkeypatch.setenv("TWIN_DAGSTER_UI_URL", "http://elsewhere.example")
    assert tick(instance).asset_events == []
    monkeypatch.setenv("TWIN_SEED", "7")
    (observation,) = tick(instance).asset_events
    assert observation.asset_key == dg.AssetKey("settings")
    assert observation.metadata["seed"].value == 7
    assert tick(instance).asset_events == []


def test_the_weekly_collection_asks_for_a_run_per_author(instance, weekly):
    instance.add_dynamic_partitions("authors", ["bob", "ann"])
    monday = datetime(2026, 3, 2, 3, tzinfo=UTC)
    requests = weekly(dg.build_schedule_context(instance=instance, scheduled_execution_time=monday))
    assert [request.partition_key for request in requests] == ["ann", "bob"]
    assert len({request.run_key for request in requests}) == 2
    again = weekly(dg.build_schedule_context(instance=instance, scheduled_execution_time=monday))
    assert [request.run_key for request in again] == [request.run_key for request in requests]


def test_the_weekly_collection_without_authors_says_why_nothing_runs(instance, weekly):
    monday = datetime(2026, 3, 2, 3, tzinfo=UTC)
    skipped = weekly(dg.build_schedule_context(instance=instance, scheduled_execution_time=monday))
    assert isinstance(skipped, dg.SkipReason)
    assert "No author is registered" in (skipped.skip_message or "")
