from collections.abc import Callable

import pytest
from pydantic import BaseModel, ValidationError

from twin_assets.asking import OUT_OF_BUDGET, Question
from twin_assets.datasets.curation.quality import Judgement, drop_below, length_bias, score_rows
from twin_assets.documents import InstructRow
from twin_assets_tests.datasets.scripted_model import PRICE, ScriptedModel, fenced_in

Make = Callable[..., InstructRow]


def judge_by_length(question: Question) -> BaseModel | str:
    n_words = len(fenced_in(question, "answer").split())
    score = min(4, n_words)
    return Judgement.model_validate({"feedback": f"It has {n_words} words. ", "score": score})


def test_rows_get_the_score_and_the_reason_that_the_judge_gives_and_pay_for_it(make_row: Make) -> None:
    rows = [make_row("One."), make_row("One two three.", calls=["earlier"], cost=0.5)]
    judge = ScriptedModel(judge_by_length)
    result = score_rows(rows, judge)

    assert [(row.quality, row.quality_reason) for row in result.rows] == [
        (1, "It has 1 words."),
        (3, "It has 3 words."),
    ]
    assert [row.cost for row in result.rows] == [PRICE, 0.5 + PRICE]
    assert result.rows[1].calls[0] == "earlier"
    assert {row.calls[-1] for row in result.rows} == set(judge.known)
    assert result.failures == {}
    assert [(fenced_in(q, "instruction"), fenced_in(q, "answer")) for q in judge.questions] == [
        (row.instruction, row.answer) for row in rows
    ]


def test_a_row_that_was_not_judged_has_no_score_and_is_counted_and_pays_for_the_try(make_row: Make) -> None:
    def judge(question: Question) -> BaseModel | str:
        return "the model refused" if "awful" in question.user else judge_by_length(question)

    rows = [make_row(text) for text in ("Fine words here now.", "How awful.", "Two more.", "Three more words.")]
    result = score_rows(rows, ScriptedModel(judge, budget=3))

    assert [row.quality for row in result.rows] == [4, None, 2, None]
    assert result.failures == {"the model refused": 1, OUT_OF_BUDGET: 1}
    assert [row.cost for row in result.rows] == [PRICE, PRICE, PRICE, 0]
    assert result.rows[3] == rows[3]


def test_progress_goes_to_whom_it_is_promised(make_row: Make) -> None:
    seen: list[tuple[int, int]] = []
    score_rows([make_row("One."), make_row("Two.")], ScriptedModel(judge_by_length), lambda *at: seen.append(at))

    assert seen == [(1, 2), (2, 2)]


def test_without_rows_nobody_is_asked() -> None:
    assert score_rows([], ScriptedModel(judge_by_length, budget=0)).rows == []


@pytest.mark.parametrize("score", [0, 5, 2.5, "good"])
def test_a_score_outside_the_rubric_is_no_judgement(score: object) -> None:
    with pytest.raises(ValidationError):
        Judgement.model_validate({"feedback": "Fine.", "score": score})


def test_the_reason_is_asked_for_before_the_score() -> None:
    assert list(Judgement.model_json_schema()["properties"]) == ["feedback", "score"]


def test_what_scores_below_the_least_goes_and_what_has_no_score_stays(make_row: Make) -> None:
    rows = [make_row(f"{quality}", quality=quality) for quality in (1, 2, 2, 3, 4, None)]
    kept, dropped = drop_below(rows)

    assert [row.quality for row in kept] == [3, 4, None]
    assert dropped == {"scored 1 of 4": 1, "scored 2 of 4": 2}
    assert drop_below(rows, 1) == (rows, {})
    with pytest.raises(ValueError, match="from 1 to 4"):
        drop_below(rows, 5)


def test_a_judge_that_likes_length_is_found_out(make_row: Make) -> None:
    def scored(quality_of: Callable[[int], int], count: int = 40) -> list[InstructRow]:
        return [make_row("word " * n, quality=quality_of(n)) for n in range(1, count + 1)]

    assert length_bias(scored(lambda n: 1 + n // 11)) == pytest.approx(0.968, abs=0.01)
    assert length_bias(scored(lambda n: 4 - n // 11)) == pytest.approx(-0.968, abs=0.01)
    assert abs(length_bias(scored(lambda n: 1 + (n * 7) % 4)) or 1) < 0.1
    assert length_bias(scored(lambda n: 3)) is None
    assert length_bias(scored(lambda n: 1 + n % 4, count=19)) is None


def test_the_rank_correlation_is_the_one_of_scipy(make_row: Make) -> None:
    from scipy.stats import spearmanr

    scores = [1 + (n * n) % 4 for n in range(30)]
    lengths = [(n * 11) % 13 for n in range(30)]
    rows = [make_row("word " * n, quality=score) for n, score in zip(lengths, scores, strict=True)]

    assert length_bias(rows) == pytest.approx(spearmanr(scores, lengths).statistic)
