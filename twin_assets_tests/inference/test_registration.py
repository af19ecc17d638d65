"""The verdict on a candidate, as a function of scores and of what is champion."""

import pytest

from resources.tracker import ModelVersion
from twin_assets.evaluation.promotion import CheckState, Verdict
from twin_assets.evaluation.reports import Sample
from twin_assets.evaluation.stylometry import style_profile
from twin_assets.inference.registration import ANSWERS_KEPT, Registration, chosen_over, judge, kept, remembered
from twin_assets_tests.evaluation.conftest import scores_of
from twin_assets_tests.inference.conftest import PROMPTS, text_at

CHECKS = [CheckState(name="dpo_checkpoint: manifest_is_whole", blocking=True, state="passed")]
STYLE = "It is not that the tide was late, but that we had been so sure of it, and of the boat. "
OTHER = "Thou shalt from whom upon their whose these shall unto them hath which where none. "


@pytest.fixture
def report(make_report):
    return make_report("dpo", sft=3.2, dpo=3.0)


def version(number, **tags):
    return ModelVersion(name="twin-ann", version=number, tags=tags, aliases=[], run_id=None)


def known(scores=None, answers=None):
    return Registration(
        author="ann",
        name="twin-ann",
        versions={},
        candidate="1",
        champion="1",
        verdict=Verdict(promote=True, reason="First."),
        scores={"1": scores} if scores else {},
        answers={"1": answers} if answers else {},
    )


def answering(report, *texts):
    """Return the report with these answers of its DPO model, and the base model's, which are all alike."""
    return report.model_copy(
        update={
            "samples": tuple(
                Sample(document_id="d", prompt=f"prompt {i}", author_text="", texts={"base": OTHER * 8, "dpo": text})
                for i, text in enumerate(texts)
            )
        }
    )


def judged(report, *, champion="1", registration=None, candidate=None, pool=(STYLE,), **champion_tags):
    return judge(
        report,
        candidate=candidate or version("2"),
        champion=version(champion, **champion_tags) if champion else None,
        known=registration,
        profiles={name: style_profile(name, [text * 80]) for name, text in zip(("ann", "bob"), pool, strict=False)},
        checks=CHECKS,
        seed=0,
    )


def test_a_champion_is_not_judged_against_itself(report):
    decision = judged(report, champion="2")
    assert not decision.promote
    assert "the champion already" in decision.reason


def test_a_champion_that_was_never_measured_is_not_replaced(report):
    for registration in (None, known()):
        decision = judged(report, registration=registration)
        assert not decision.promote
        assert "was never measured here" in decision.reason


def test_the_candidate_is_compared_with_the_base_model_where_there_is_no_champion(report):
    assert judged(report, champion=None).promote


@pytest.mark.parametrize(("champion", "promoted"), [(3.1, True), (2.9, False)])
def test_the_candidate_is_compared_with_the_scores_of_the_champion(report, champion, promoted):
    rival = known(scores_of("sft", champion), dict.fromkeys(PROMPTS, text_at(4.0)))
    assert judged(report, registration=rival).promote is promoted


@pytest.mark.parametrize(("ours", "theirs", "nearer"), [(STYLE, OTHER, True), (OTHER, STYLE, False)])
def test_likeness_is_paired_over_the_answers_that_are_kept_of_the_champion(report, ours, theirs, nearer):
    # By what was measured of the champion in its day, it would be the other way round.
    scores = scores_of("sft", 3.1, likeness=0.1 if nearer else 9.0)
    answers = {f"prompt {i}": theirs * 8 for i in range(9)}
    decision = judged(answering(report, *[ours * 8] * 9), registration=known(scores, answers))
    assert decision.promote is nearer
    assert "paired over 9 prompts" in decision.reason


FEW = [text_at(nats) for nats in (2.0, 2.2, 2.4, 2.1, 2.3, 2.5, 2.2)]


@pytest.mark.parametrize("pool", [(STYLE,), (STYLE, OTHER)])
def test_a_champion_that_was_asked_too_few_of_the_prompts_is_measured_again_in_today_s_pool(report, pool):
    # Of the very same answers, measured when there were other authors in the pool, any Delta may have been kept.
    in_its_day = scores_of("sft", 3.1, likeness=9.0)
    same = dict(zip(PROMPTS, FEW, strict=False))
    decision = judged(answering(report, *FEW), registration=known(in_its_day, same), pool=pool)
    assert not decision.promote
    assert "as like the author within the noise (Delta" in decision.reason
    assert "not paired" in decision.reason


def test_a_candidate_that_is_nearer_on_prompts_of_its_own_is_promoted(report):
    others = {f"another {i}": OTHER * 8 for i in range(7)}
    decision = judged(answering(report, *FEW), registration=known(scores_of("sft", 3.1, likeness=0.1), others))
    assert decision.promote
    assert "not paired" in decision.reason


@pytest.mark.parametrize("answers", [{}, {f"another {i}": OTHER * 8 for i in range(4)}])
def test_a_champion_with_too_few_answers_for_an_interval_is_not_replaced_for_its_likeness(report, answers):
    decision = judged(answering(report, *FEW), registration=known(scores_of("sft", 3.1, likeness=9.0), answers))
    assert [clause.name for clause in decision.clauses if not clause.passed] == ["likeness"]
    assert "was not measured: that takes 5 answers of each" in decision.reason


@pytest.mark.parametrize(("newest_then", "promoted"), [("1", True), ("2", False), ("10", False)])
def test_what_was_there_when_a_person_chose_does_not_replace_their_choice(report, newest_then, promoted):
    registration = known(scores_of("sft", 3.5), dict.fromkeys(PROMPTS, text_at(4.0)))
    decision = judged(report, registration=registration, promoted_by="person", promoted_over=newest_then)
    assert decision.promote is promoted


def test_what_was_rolled_back_is_not_promoted_again(report):
    decision = judged(report, champion=None, candidate=version("2", rolled_back="it talks nonsense"))
    assert not decision.promote
    assert "was rolled back (it talks nonsense)" in decision.reason


def test_answers_are_kept_of_the_newest_versions_and_of_those_with_an_alias():
    answers = {str(number): {} for number in range(1, ANSWERS_KEPT + 11)}
    assert list(kept(answers, with_alias=["3"])) == ["3", *(str(number) for number in range(11, ANSWERS_KEPT + 11))]


def test_only_a_person_s_choice_counts_as_one():
    assert chosen_over({"promoted_by": "person", "promoted_over": "4"}) == "4"
    assert chosen_over({"promoted_by": "gate", "promoted_over": "4"}) is None
    assert chosen_over({}) is None


def test_the_same_decision_is_remembered_once():
    no, yes = Verdict(promote=False, reason="Noise."), Verdict(promote=True, reason="Better.")
    history = remembered(remembered((), "1", yes), "2", no)
    assert remembered(history, "2", no) == history
    assert [past.version for past in remembered(history, "2", yes)] == ["1", "2", "2"]
