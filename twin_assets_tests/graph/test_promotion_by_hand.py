"""`twin promote` on an author that was really built: who reads the registry is stale, says so, and is built anew."""

import pytest
from small_author import AUTHOR, TINY, Place

from twin_assets.console.models import promote_version
from twin_assets.errors import UserError
from twin_assets.inference.registration import Registration


@pytest.fixture
def promoted(place, monkeypatch) -> tuple[Place, str]:
    """A place, and the version in it that a person has just made the champion: the one that is not the candidate."""
    monkeypatch.setenv("TWIN_HOME", str(place.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(place.settings.authors_dir))
    version = "2" if registration_of(place).candidate == "1" else "1"
    promote_version(AUTHOR, version)
    return place, version


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
    assert registration.history[-1].reason == "promoted by hand with `twin promote`"
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
