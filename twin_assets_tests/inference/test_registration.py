"""The verdict on a candidate, as a function of scores and of what is champion."""

import pytest

from twin_assets.evaluation.promotion import Verdict
from twin_assets.inference.registration import chosen_over, judge, remembered
from twin_assets_tests.evaluation.conftest import scores_of


@pytest.fixture
def report(make_report):
    return make_report("dpo", sft=3.2, dpo=3.0)


def test_a_champion_is_not_judged_against_itself(report):
    decision = judge(report, candidate="2", champion="2", known_scores={}, seed=0)
    assert not decision.promote
    assert "the champion already" in decision.reason


def test_a_champion_that_was_never_measured_is_not_replaced(report):
    decision = judge(report, candidate="2", champion="1", known_scores={}, seed=0)
    assert not decision.promote
    assert "was never measured here" in decision.reason


def test_the_candidate_is_compared_with_the_base_model_where_there_is_no_champion(report):
    assert judge(report, candidate="2", champion=None, known_scores={}, seed=0).promote


@pytest.mark.parametrize(("champion", "promoted"), [(3.1, True), (2.9, False)])
def test_the_candidate_is_compared_with_the_scores_of_the_champion(report, champion, promoted):
    known = {"1": scores_of("sft", champion, likeness=0.9)}
    assert judge(report, candidate="2", champion="1", known_scores=known, seed=0).promote is promoted


@pytest.mark.parametrize(("newest_then", "promoted"), [("1", True), ("2", False), ("10", False)])
def test_what_was_there_when_a_person_chose_does_not_replace_their_choice(report, newest_then, promoted):
    known = {"1": scores_of("sft", 3.5, likeness=0.9)}
    decision = judge(report, candidate="2", champion="1", known_scores=known, chosen_over=newest_then, seed=0)
    assert decision.promote is promoted


def test_only_a_person_s_choice_counts_as_one():
    assert chosen_over({"promoted_by": "person", "promoted_over": "4"}) == "4"
    assert chosen_over({"promoted_by": "gate", "promoted_over": "4"}) is None
    assert chosen_over({}) is None


def test_the_same_decision_is_remembered_once():
    no, yes = Verdict(promote=False, reason="Noise."), Verdict(promote=True, reason="Better.")
    history = remembered(remembered((), "1", yes), "2", no)
    assert remembered(history, "2", no) == history
    assert [past.version for past in remembered(history, "2", yes)] == ["1", "2", "2"]
