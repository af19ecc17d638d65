"""Who is champion in the registry: a first model, a better one, a rerun, and what a person decided."""

import pytest

from twin_assets.errors import UserError


def test_the_first_model_that_beats_its_base_model_becomes_champion_and_says_why(serving, make_report):
    registration = serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    assert registration.versions == {"sft": "1", "dpo": "2"}
    assert (registration.candidate, registration.champion) == ("2", "2")
    assert serving.champions() == ["2"]
    assert "There is no champion yet" in serving.tags("2")["promotion"]


def test_a_model_no_better_than_its_base_model_becomes_a_candidate_only(serving, make_report):
    registration = serving.register(make_report("sft", sft=4.1, dpo=4.2))
    assert (registration.candidate, registration.champion) == ("1", None)
    assert serving.champions() == []
    assert "does not beat the base model" in serving.tags("1")["promotion"]


def test_the_alias_moves_to_a_better_model_and_stays_where_the_next_is_worse(serving, make_report):
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "better weights")
    assert serving.register(make_report("dpo", sft=3.2, dpo=2.8)).champion == "3"
    assert serving.champions() == ["3"]
    serving.train("dpo", "worse weights")
    registration = serving.register(make_report("dpo", sft=3.2, dpo=2.9))
    assert (registration.candidate, registration.champion) == ("4", "3")
    assert serving.champions() == ["3"]
    assert "does not beat the champion" in serving.tags("4")["promotion"]


def test_a_rerun_registers_nothing_and_leaves_the_reason_of_the_promotion(serving, make_report):
    report = make_report("dpo", sft=3.2, dpo=3.0)
    first = serving.register(report)
    reason = serving.tags("2")["promotion"]
    again = serving.register(report)
    assert len(serving.tracker.versions(serving.name)) == 2
    assert again.identity == first.identity
    assert "the champion already" in again.verdict.reason
    assert serving.tags("2")["promotion"] == reason == first.verdict.reason
    assert [(past.version, past.reason) for past in again.history] == [("2", reason)]


def test_every_decision_is_kept_in_order(serving, make_report):
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "worse weights")
    worse = make_report("dpo", sft=3.2, dpo=3.1)
    serving.register(worse)
    registration = serving.register(worse)
    assert [(past.version, past.promote) for past in registration.history] == [("2", True), ("3", False)]


def test_a_version_that_a_person_chose_stays_champion_until_something_newer_is_better(serving, make_report):
    report = make_report("dpo", sft=3.2, dpo=3.0)
    serving.register(report)
    promote_by_hand(serving, "1", over="2")
    registration = serving.register(report)
    assert (registration.candidate, registration.champion) == ("2", "1")
    assert serving.champions() == ["1"]
    assert serving.tags("1")["promotion"] == "by hand"
    assert "A person made version 1 the champion" in serving.tags("2")["promotion"]
    serving.train("dpo", "newer weights")
    assert serving.register(make_report("dpo", sft=3.2, dpo=2.8)).champion == "3"
    assert serving.tags("3")["promoted_by"] == "gate"


def promote_by_hand(serving, version: str, *, over: str) -> None:
    """Leave in the registry what `twin promote` leaves there."""
    by_hand = {"promotion": "by hand", "promoted_by": "person", "promoted_over": over}
    serving.tracker.set_tags(serving.name, version, by_hand)
    serving.tracker.set_alias(serving.name, "champion", version)


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_a_checkpoint_that_was_trained_anew_since_it_was_measured_is_refused(serving, make_report, stage):
    report = serving.measured(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train(stage, "weights that nobody measured")

    with pytest.raises(UserError, match=f"measured another {stage} checkpoint: build eval_report first"):
        serving.register_as_reported(report)
    assert serving.champions() == []
