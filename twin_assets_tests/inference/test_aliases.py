"""Who is champion, candidate and previous after promotions and rollbacks, and what is told of each move."""

import dagster as dg
import pytest

from resources.tracker import Tracker
from twin_assets.errors import UserError
from twin_assets.inference.aliases import BY_A_PERSON, make_champion, roll_back


@pytest.fixture
def three(serving, make_report):
    """Three versions: the second was champion, the third is."""
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "better weights")
    serving.register(make_report("dpo", sft=3.2, dpo=2.5))
    assert serving.aliases() == {"candidate": "3", "champion": "3", "previous": "2"}
    return serving


def promote(serving, version):
    return make_champion(serving.tracker, serving.name, version, who="ann", why="I like it", by=BY_A_PERSON)


def back(serving, why="it talks nonsense"):
    return roll_back(serving.tracker, serving.name, who="ann", why=why)


def test_the_gate_tells_of_every_alias_that_it_moves_with_from_to_who_and_why(three):
    observations = [event for event in three.events if isinstance(event, dg.AssetObservation)]
    by_alias = {event.metadata["alias"].value: event.metadata for event in observations}
    assert {alias: (of["from"].value, of["to"].value) for alias, of in by_alias.items()} == {
        "candidate": ("2", "3"),
        "previous": ("none", "2"),
        "champion": ("2", "3"),
    }
    assert "the promotion gate, in run" in by_alias["champion"]["who"].value
    assert "beats the champion" in by_alias["champion"]["why"].value
    assert {event.partition for event in observations} == {three.author}


def test_a_registration_that_moves_nothing_tells_of_nothing(three, make_report):
    three.register(make_report("dpo", sft=3.2, dpo=2.5))
    assert [event for event in three.events if isinstance(event, dg.AssetObservation)] == []


def told(serving):
    """Return which aliases the last registration told of, and where each points to since."""
    return {
        event.metadata["alias"].value: event.metadata["to"].value
        for event in serving.events
        if isinstance(event, dg.AssetObservation)
    }


def test_a_version_whose_training_run_mlflow_has_let_go_stands_in_no_promotion_s_way(three, make_report):
    [lost] = {item.run_id for item in three.tracker.versions(three.name) if item.version == "1"}
    three.tracker._client.delete_run(lost)
    # What `mlflow gc` does with it.
    three.tracker._client._tracking_client.store._hard_delete_run(lost)
    three.train("dpo", "still better weights")
    assert three.register(make_report("dpo", sft=3.2, dpo=2.0)).champion == "4"
    assert told(three) == {"candidate": "4", "previous": "3", "champion": "4"}
    client = three.tracker._client
    cards = {number: client.get_model_version(three.name, number).description for number in ("1", "4")}
    assert "**champion**" in cards["4"]
    assert f"]({three.tags('1')['mlflow_run_url']})" in cards["1"]


def test_a_champion_is_told_of_though_its_card_cannot_be_written(three, make_report, monkeypatch):
    three.train("dpo", "still better weights")

    def fails(*_):
        raise ConnectionError("the registry is away")

    monkeypatch.setattr(Tracker, "describe", fails)
    with pytest.raises(ConnectionError, match="is away"):
        three.register(make_report("dpo", sft=3.2, dpo=2.0))
    assert three.champions() == ["4"]
    assert told(three) == {"candidate": "4", "previous": "3", "champion": "4"}


def test_a_rollback_makes_the_champion_before_champion_and_leaves_none_before_the_first(three):
    moves = {move.alias: (move.before, move.now) for move in back(three)}
    assert moves == {"champion": ("3", "2"), "previous": ("2", None)}
    assert three.aliases() == {"candidate": "3", "champion": "2"}
    assert three.tags("3")["rolled_back"] == "it talks nonsense"
    with pytest.raises(UserError, match="had no champion before version 2"):
        back(three)


def test_a_rollback_never_leads_to_what_was_rolled_back(three):
    promote(three, "2")
    back(three)
    # Version 3 came after version 2, which is the very one that was rolled back.
    assert three.aliases() == {"candidate": "3", "champion": "3"}


def test_a_second_rollback_goes_one_further(three):
    promote(three, "1")
    assert three.aliases() == {"candidate": "3", "champion": "1", "previous": "3"}
    back(three)
    assert three.aliases() == {"candidate": "3", "champion": "3", "previous": "2"}
    back(three)
    assert three.aliases() == {"candidate": "3", "champion": "2"}


def test_the_gate_does_not_promote_what_was_rolled_back(three, make_report):
    back(three)
    registration = three.register(make_report("dpo", sft=3.2, dpo=2.5))
    assert (registration.candidate, registration.champion) == ("3", "2")
    assert three.champions() == ["2"]
    assert "was rolled back (it talks nonsense)" in three.tags("3")["promotion"]


def test_a_person_may_promote_again_what_was_rolled_back(three):
    back(three)
    promote(three, "3")
    assert three.aliases() == {"candidate": "3", "champion": "3", "previous": "2"}
    assert "rolled_back" not in three.tags("3")


@pytest.mark.parametrize(("promoted", "champion", "previous"), [(False, "2", None), (True, "3", "2")])
def test_a_rollback_that_was_interrupted_is_finished_by_the_next_and_blames_nobody_else(
    three, killed_before_previous, promoted, champion, previous
):
    if promoted:
        promote(three, "1")
    killed_before_previous(lambda: back(three))
    assert three.aliases() == {"candidate": "3", "champion": champion, "previous": champion}

    [move] = back(three, why="again")
    assert (move.alias, move.before, move.now) == ("previous", champion, previous)
    assert three.champions() == [champion]
    assert three.aliases().get("previous") == previous
    assert "rolled_back" not in three.tags(champion)
    assert "it talks nonsense" in three.tags(champion)["promotion"]


def test_a_rollback_after_an_interrupted_promotion_restores_previous_and_the_next_goes_back(three):
    # Killed between its two moves, a promotion leaves both aliases on the champion that it was about to replace.
    three.tracker.set_alias(three.name, "previous", "3")
    back(three)
    assert three.aliases() == {"candidate": "3", "champion": "3", "previous": "2"}
    assert "rolled_back" not in three.tags("3")
    back(three)
    assert three.aliases() == {"candidate": "3", "champion": "2"}


def test_without_a_champion_there_is_nothing_to_roll_back(serving, make_report):
    serving.register(make_report("sft", sft=4.1, dpo=4.2))
    with pytest.raises(UserError, match="has no champion"):
        back(serving)


def test_approval_holds_the_alias_until_a_person_promotes(serving, make_report):
    file = serving.project.authors_path / f"{serving.author}.yaml"
    file.write_text(file.read_text() + "training:\n  approval: true\n")
    registration = serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    assert registration.champion is None
    assert registration.verdict.waits_for_approval
    assert (
        f"waits for approval: a person has to approve it: `twin promote {serving.author} 2`"
        in (serving.tags("2")["promotion"])
    )
    promote(serving, "2")
    assert serving.champions() == ["2"]


def test_a_blocking_check_that_failed_or_never_ran_closes_the_gate(serving, make_report):
    serving.checked("dpo_checkpoint", manifest_is_whole=dg.AssetCheckSeverity.ERROR)
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    assert serving.champions() == []
    assert "dpo_checkpoint: manifest_is_whole failed" in serving.tags("2")["promotion"]
    assert "dpo_checkpoint: manifest_is_whole" in serving.tags("2")["checks_failed"]
    serving.instance.report_runless_asset_event(dg.AssetMaterialization("dpo_checkpoint", partition=serving.author))
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    assert "dpo_checkpoint: manifest_is_whole has not run" in serving.tags("2")["promotion"]
    serving.checked("dpo_checkpoint", loss_fell=dg.AssetCheckSeverity.WARN)
    assert serving.register(make_report("dpo", sft=3.2, dpo=3.0)).champion == "2"
