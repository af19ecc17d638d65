"""The reports as data: they survive JSON, refuse nonsense, and say in words what they hold."""

import pytest
from pydantic import ValidationError

from twin_assets.evaluation.reports import EvalReport, LeaderboardRow, Miss, RetrievalReport
from twin_assets.evaluation.retrieval import retrieval_scores


@pytest.fixture
def retrieval():
    return RetrievalReport(
        author="ada",
        author_name="Ada",
        embedding_model="all-MiniLM-L6-v2",
        max_tokens=256,
        n_documents=3,
        chunk_tokens=(100, 200),
        exact=retrieval_scores([1, 1, 4, None]),
        half_dropped=retrieval_scores([1, 9, None, None]),
        misses=(Miss(query="Where?", document="d", returned="There."),),
        provenance={"Chunks": "5f1b"},
    )


def test_an_evaluation_report_survives_json(report):
    assert EvalReport.model_validate_json(report.model_dump_json()) == report


def test_a_retrieval_report_survives_json(retrieval):
    assert RetrievalReport.model_validate_json(retrieval.model_dump_json()) == retrieval


def test_a_leaderboard_row_survives_json(make_interval):
    row = LeaderboardRow(author="ada", author_name="Ada", state="evaluated", perplexity={"base": make_interval(50.0)})
    assert LeaderboardRow.model_validate_json(row.model_dump_json()) == row


def test_the_headline_says_by_how_much_the_twin_is_better(report):
    # exp(4.0) = 54.6 and exp(3.4) = 30.0: 1 - exp(-0.6) = 45 %.
    assert report.headline() == (
        "The DPO twin of Ada <Countess> reads unseen writing with 45 % less perplexity than the base model "
        "(30.0 against 54.6), and what it writes is nearer to Ada <Countess> than what the base model writes "
        "(Delta 0.90 against 1.40)."
    )


def test_the_headline_does_not_flatter(report, make_scores):
    worse = report.model_copy(update={"models": (report.base, make_scores("dpo", 4.2, likeness=1.42))})
    assert "with more perplexity than the base model" in worse.headline()
    assert "but what it writes is measurably no nearer" in worse.headline()
    noise = report.model_copy(update={"models": (report.base, make_scores("dpo", 3.99, wobble=0.3, likeness=1.8))})
    assert "with measurably no less perplexity than the base model" in noise.headline()
    assert "but what it writes is further from" in noise.headline()


def test_the_headline_of_a_base_model_alone_says_so(report):
    alone = report.model_copy(update={"models": (report.base,), "chosen": None})
    assert alone.headline().startswith("Only the base model was measured")


def test_models_stand_base_first_and_once(report):
    with pytest.raises(ValidationError, match="base model first"):
        EvalReport(**{**dict(report), "models": report.models[1:]})
    with pytest.raises(ValidationError, match="each model once"):
        EvalReport(**{**dict(report), "models": (report.base, report.base)})
    with pytest.raises(ValidationError, match="not among the tuned models"):
        EvalReport(**{**dict(report), "chosen": "base"})


def test_a_model_that_was_not_measured_is_not_found(report):
    assert report.scores_of("sft").version == "sft-1"
    with pytest.raises(KeyError, match="'ppo' was not measured"):
        report.scores_of("ppo")


def test_the_retrieval_headline_is_in_times_out_of_a_hundred(retrieval):
    assert "among the first five 75 times in 100, and 25 times when half" in retrieval.headline()
