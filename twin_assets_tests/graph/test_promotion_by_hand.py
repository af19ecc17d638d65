"""`twin promote` and `twin rollback` on an author really built: what reads the registry is stale, and says so."""

import json

import dagster as dg
import pytest
from small_author import AUTHOR, TINY, Place

from twin_assets.console.models import promote_version, roll_back_champion, show_models
from twin_assets.errors import UserError
from twin_assets.inference.promoting import report_check
from twin_assets.inference.registration import Registration


@pytest.fixture
def promoted(place, monkeypatch) -> tuple[Place, str]:
    """A place, and the version in it that a person has just made the champion: the one that is not the candidate."""
    monkeypatch.setenv("TWIN_HOME", str(place.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(place.settings.authors_dir))
    version = "2" if registration_of(place).candidate == "1" else "1"
    promote_version(AUTHOR, version, reason="it reads better")
    return place, version


def observations(place: Place) -> list[dg.AssetObservation]:
    """Return the observations of the registered model, the oldest first."""
    with place.instance() as instance:
        records = instance.fetch_observations(dg.AssetKey("registered_model"), limit=20).records
    return [record.asset_observation for record in reversed(records) if record.asset_observation]


def registration_of(place: Place) -> Registration:
    return Registration.model_validate_json((place.artifacts / f"registered_model/{AUTHOR}.json").read_text())


def champions(place: Place) -> list[str]:
    return [
        version.version
        for version in place.resource("tracker").versions(f"twin-{AUTHOR}")
        if "champion" in version.aliases
    ]


def test_the_registry_the_registration_and_the_event_name_the_new_champion(promoted):
    place, version = promoted
    assert champions(place) == [version]
    registration = registration_of(place)
    assert registration.champion == version
    assert registration.history[-1].reason == "promoted by hand with `twin promote`: it reads better"
    assert place.metadata("registered_model")["champion"].value == version
    assert f"champion {version}" in place.metadata("registered_model")["summary"].value


def test_the_leaderboard_is_stale_and_nothing_else_is(promoted):
    place, _ = promoted
    with place.states() as reader:
        stale = {state.asset: state.causes for state in reader.states(AUTHOR) if state.state != "fresh"}
    assert stale == {"leaderboard": ("registered_model has a new data version",)}


def test_the_next_builds_leave_the_choice_alone(promoted):
    place, version = promoted
    outcome = place.build(run_config=TINY)
    assert outcome.success, outcome.failures
    assert outcome.built == ("leaderboard",)
    rows = (place.artifacts / "leaderboard.json").read_text()
    assert f'"champion": "{version}"' in rows
    with place.instance() as instance:
        job = place.definitions().resolve_job_def("twin")
        assert job.execute_in_process(partition_key=AUTHOR, instance=instance, run_config=TINY).success
    assert champions(place) == [version]
    assert registration_of(place).champion == version


def test_a_version_that_is_not_there_is_refused_with_those_that_are(place, monkeypatch):
    monkeypatch.setenv("TWIN_HOME", str(place.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(place.settings.authors_dir))
    with pytest.raises(UserError, match="has no version '9'; it has: 1, 2"):
        promote_version(AUTHOR, "9")


def test_every_move_of_an_alias_is_an_event_on_the_asset_s_page(promoted):
    place, version = promoted
    told = {event.metadata["alias"].value: event for event in observations(place)}
    champion = told["champion"]
    assert champion.partition == AUTHOR
    assert champion.metadata["to"].value == version
    assert "with `twin promote`" in champion.metadata["who"].value
    assert "it reads better" in champion.metadata["why"].value
    assert champion.metadata["registry"].value.endswith(f"/models/twin-{AUTHOR}/versions/{version}")


def test_a_rollback_follows_and_the_next_build_leaves_it_alone(promoted, capsys):
    place, before = promoted
    version = registration_of(place).candidate
    promote_version(AUTHOR, version, reason="it reads better still")
    roll_back_champion(AUTHOR, reason="it talks nonsense")
    assert champions(place) == [before]
    assert registration_of(place).champion == before
    assert observations(place)[-2].metadata["why"].value == "it talks nonsense"
    with place.states() as reader:
        assert {state.asset for state in reader.states(AUTHOR) if state.state != "fresh"} == {"leaderboard"}
    assert place.build(run_config=TINY).built == ("leaderboard",)
    assert champions(place) == [before]
    capsys.readouterr()
    show_models(AUTHOR, as_json=True)
    rows = {row["version"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[version]["verdict"] == "promoted by hand with `twin promote`: it reads better still"
    assert "champion" in rows[before]["aliases"]


def test_with_too_few_documents_a_person_chooses_the_first_champion_and_it_cannot_be_rolled_back(promoted):
    place, version = promoted
    assert "share 2 held-out documents" in registration_of(place).history[0].reason
    with pytest.raises(UserError, match="had no champion before"):
        roll_back_champion(AUTHOR, reason="it talks nonsense")
    assert champions(place) == [version]


def test_the_versions_are_listed_with_what_they_were_trained_on_and_how_they_score(built, monkeypatch, capsys):
    monkeypatch.setenv("TWIN_HOME", str(built.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(built.settings.authors_dir))
    show_models(AUTHOR, as_json=True)
    sft, dpo = json.loads(capsys.readouterr().out)
    instruct = (built.materialization("instruct_dataset").tags or {})["dagster/data_version"]
    preference = (built.materialization("preference_dataset").tags or {})["dagster/data_version"]
    assert (sft["stage"], sft["instruct dataset"], sft["preference dataset"]) == ("sft", instruct, None)
    assert (dpo["stage"], dpo["instruct dataset"], dpo["preference dataset"]) == ("dpo", instruct, preference)
    assert sft["deleted since"] == dpo["deleted since"] == 0
    assert "[" in sft["perplexity"]


def test_something_known_against_a_version_has_to_be_insisted_on(place, monkeypatch):
    monkeypatch.setenv("TWIN_HOME", str(place.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(place.settings.authors_dir))
    other = "2" if registration_of(place).champion == "1" else "1"
    stage = next(stage for stage, version in registration_of(place).versions.items() if version == other)
    check = dg.AssetCheckKey(dg.AssetKey(f"{stage}_checkpoint"), "manifest_is_whole")
    with place.instance() as instance:
        report_check(instance, check, AUTHOR, passed=False, blocking=True)
    with pytest.raises(UserError, match=r"manifest_is_whole.*Use --force"):
        promote_version(AUTHOR, other)
    promote_version(AUTHOR, other, force=True)
    assert champions(place) == [other]


def test_a_build_is_a_tree_of_runs_that_leads_to_dagster_and_back(built):
    tracker = built.resource("tracker")
    with built.instance() as instance:
        [record] = instance.get_run_records(dg.RunsFilter(tags={"stage": "all"}), limit=1)
    dagster_run = record.dagster_run.run_id
    build = tracker._client.get_run(tracker.build_run(AUTHOR, dagster_run))
    assert build.info.status == "FINISHED"
    assert build.data.tags["dagster_run_url"].endswith(f"/runs/{dagster_run}")
    experiments = [
        tracker._client.get_experiment_by_name(name).experiment_id for name in (f"twin-{AUTHOR}", "base-model")
    ]
    stages = tracker._client.search_runs(
        experiments, filter_string=f"tags.`mlflow.parentRunId` = '{build.info.run_id}'"
    )
    by_name = {run.info.run_name: run for run in stages}
    assert set(by_name) == {"base_model", "sft", "dpo", "evaluation", "retrieval", "registration"}
    assert {run.info.status for run in stages} == {"FINISHED"}
    for stage, asset in (("sft", "sft_checkpoint"), ("dpo", "dpo_checkpoint"), ("registration", "registered_model")):
        assert built.metadata(asset)["mlflow_run"].value.endswith(by_name[stage].info.run_id)
    [given] = by_name["sft"].inputs.dataset_inputs
    assert given.dataset.digest == (built.materialization("instruct_dataset").tags or {})["dagster/data_version"]
