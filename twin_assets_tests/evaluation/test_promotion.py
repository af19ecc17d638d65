"""The promotion gate: every clause blocks alone, and says why."""

import pytest

from twin_assets.evaluation.promotion import CheckState, better_of, verdict
from twin_assets_tests.evaluation.conftest import faults_of, interval, likeness_at, scores_of

GREEN = [
    CheckState(name="dpo_checkpoint: manifest_is_whole", blocking=True, state="passed"),
    CheckState(name="eval_report: every_model_was_measured", blocking=True, state="passed"),
    CheckState(name="dpo_checkpoint: loss_fell", blocking=False, state="warned"),
    CheckState(name="eval_report: likeness_was_measured", blocking=False, state="missing"),
]
BASE = scores_of("base", 4.0, likeness=1.4)
CHAMPION = scores_of("sft", 3.2, likeness=0.9)
NEARER = interval(0.2, spread=0.1, n=24)


def judged(candidate=None, champion=CHAMPION, **given):
    """A verdict on a candidate that is better on every count, but for what is given."""
    given = {"base": BASE, "checks": GREEN, "nearer_by": NEARER} | given
    return verdict(candidate or scores_of("dpo", 3.0, likeness=0.7), champion, **given)


def failed(result) -> list[str]:
    return [clause.name for clause in result.clauses if not clause.passed]


def test_a_candidate_that_is_better_on_every_count_takes_the_champion_s_place_and_the_reason_says_all():
    result = judged()
    assert result.promote
    assert failed(result) == []
    # 0.2 nats a token are 20 nats in 400 bytes: 0.05 / ln 2 = 0.072 bits per byte.
    assert result.reason == (
        "DPO (dpo-1) beats the champion (sft-1). It is less surprised, 0.072 [0.072, 0.072] bits per byte "
        "saved on 6 held-out documents; what it writes is more like the author (Delta lower by 0.20 [0.10, 0.30], "
        "paired over 24 prompts); no floor is missed (100% answers, 100% phrases that are not repeated, 100% words "
        "that are not recited); its 4 checks are green, 1 with a warning."
    )


@pytest.mark.parametrize(
    ("clause", "given", "words"),
    [
        ("perplexity", {"candidate": scores_of("dpo", 3.3)}, "it is not less surprised outside the noise"),
        ("perplexity", {"candidate": scores_of("dpo", 3.15, wobble=0.3)}, "it is not less surprised outside the noise"),
        ("perplexity", {"candidate": scores_of("dpo", 1.0, documents=range(6, 9))}, "no held-out document in common"),
        ("perplexity", {"candidate": scores_of("dpo", 1.0, documents=range(4))}, "share 4 held-out documents"),
        ("likeness", {"nearer_by": interval(0.05, spread=0.1, n=24)}, "as like the author within the noise"),
        ("likeness", {"nearer_by": interval(-0.2, spread=0.1, n=24)}, "less like the author"),
        ("likeness", {"nearer_by": None}, "was not measured"),
        ("floors", {"candidate": scores_of("dpo", 3.0, faults=None)}, "were not measured"),
        (
            "floors",
            {"candidate": scores_of("dpo", 3.0, faults=faults_of(answered=0.8))},
            "80% answers, under the floor",
        ),
        ("floors", {"candidate": scores_of("dpo", 3.0, faults=faults_of(varied=0.5))}, "under the floor of 75%"),
        ("floors", {"candidate": scores_of("dpo", 3.0, faults=faults_of(own_words=0.85))}, "under the floor of 90%"),
        (
            "floors",
            {"candidate": scores_of("dpo", 3.0, faults=faults_of(varied=0.95))},
            "fewer than the champion's by 5",
        ),
        ("checks", {"checks": []}, "there is no blocking check of it"),
        (
            "checks",
            {"checks": [*GREEN, CheckState(name="eval_report: new", blocking=True, state="missing")]},
            "eval_report: new has not run",
        ),
        (
            "checks",
            {"checks": [*GREEN, CheckState(name="eval_report: new", blocking=False, state="failed")]},
            "eval_report: new failed",
        ),
        ("approval", {"approve_with": "twin promote ada 7"}, "waits for approval: a person has to approve it"),
    ],
)
def test_each_clause_blocks_alone_and_says_why(clause, given, words):
    result = judged(**given)
    assert not result.promote
    assert failed(result) == [clause]
    assert words in result.reason


def test_what_speaks_for_a_candidate_that_is_held_back_is_told_too():
    reason = judged(nearer_by=interval(0.05, spread=0.1, n=24)).reason
    assert reason.startswith("DPO (dpo-1) does not beat the champion (sft-1): what it writes is as like")
    assert "Otherwise: it is less surprised, 0.072" in reason


def test_a_fault_that_is_rarer_than_the_champion_s_by_chance_does_not_block():
    shaky = [0.9] * 9 + [1.0]
    assert judged(
        scores_of("dpo", 3.0, faults=faults_of(varied=shaky)), scores_of("sft", 3.2, faults=faults_of(varied=0.91))
    ).promote


def test_only_approval_is_waited_for_when_all_else_is_earned():
    waiting = judged(approve_with="twin promote ada 7")
    assert waiting.waits_for_approval
    assert "`twin promote ada 7`" in waiting.reason
    assert not judged(scores_of("dpo", 3.3), approve_with="twin promote ada 7").waits_for_approval


def test_the_first_model_has_to_beat_the_base_model_and_to_be_no_less_like_the_author():
    first = judged(champion=None, nearer_by=interval(0.0, spread=0.1, n=24))
    assert first.promote
    assert first.reason.startswith("There is no champion yet. DPO (dpo-1) beats the base model (base-1).")
    assert failed(judged(scores_of("dpo", 4.5), None)) == ["perplexity"]
    assert failed(judged(scores_of("dpo", 3.99, wobble=0.5), None)) == ["perplexity"]
    assert failed(judged(champion=None, nearer_by=interval(-0.2, spread=0.1, n=24))) == ["likeness"]


def test_a_first_model_that_wrote_too_little_to_be_compared_may_still_serve():
    assert judged(scores_of("dpo", 3.0), None, nearer_by=None).promote


def test_intervals_are_compared_where_prompts_cannot_be_paired():
    assert judged(nearer_by=None, apart=(likeness_at(0.7), likeness_at(0.9))).promote
    result = judged(nearer_by=None, apart=(likeness_at(0.88), likeness_at(0.9)))
    assert failed(result) == ["likeness"]
    assert "(Delta 0.88 [0.83, 0.93] against 0.90 [0.85, 0.95], not paired)" in result.reason


def test_models_compare_on_the_documents_both_have_read_and_the_reason_says_so():
    result = judged(scores_of("dpo", 3.0, documents=range(2, 8)), scores_of("sft", 3.2, documents=range(7)))
    assert result.promote
    assert "on the 5 held-out documents that both read (of 6 and 7)" in result.reason


def test_dpo_goes_on_when_it_is_nearer_and_costs_little(make_scores):
    # exp(0.04) is 4 per cent more perplexity, exp(0.06) is 6.
    sft = make_scores("sft", 3.0, likeness=1.1)
    choice = better_of(sft, make_scores("dpo", 3.04, likeness=0.9))
    assert choice.model == "dpo"
    assert "nearer to the author" in choice.reason
    assert better_of(sft, make_scores("dpo", 3.06, likeness=0.9)).model == "sft"


def test_dpo_goes_on_when_it_is_less_surprised_and_no_less_like(make_scores):
    sft = make_scores("sft", 3.0, likeness=1.0)
    assert better_of(sft, make_scores("dpo", 2.9, likeness=1.02)).model == "dpo"
    assert better_of(sft, make_scores("dpo", 2.9, likeness=1.2)).model == "sft"


def test_sft_goes_on_when_dpo_adds_nothing_or_was_not_measured(make_scores):
    sft = make_scores("sft", 3.0, likeness=1.0)
    assert better_of(sft, make_scores("dpo", 3.0, likeness=1.0)).model == "sft"
    choice = better_of(sft, make_scores("dpo", 2.9))
    assert choice.model == "sft"
    assert "was not measured" in choice.reason
