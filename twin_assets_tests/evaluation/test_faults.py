"""Faults of generated text, counted by hand."""

import pytest

from twin_assets.documents import text_hash
from twin_assets.evaluation.faults import RECITED, Recitals, TextFaults, text_faults

NOTHING = Recitals([])


def shares(answer: str, recitals: Recitals = NOTHING) -> dict[str, float]:
    faults = text_faults({"Why?": answer}, recitals)
    assert faults
    return {metric: by_prompt[text_hash("Why?")[:16]] for metric, by_prompt in faults.shares.items()}


def test_an_answer_without_a_word_is_no_answer_and_has_no_other_fault():
    assert shares(" \n ") == {"answered": 0.0, "varied": 1.0, "own_words": 1.0}


def test_a_loop_is_a_share_of_distinct_phrases():
    # Eight words make five phrases of four: the first four are a b c d, b c d a, c d a b, d a b c, then again a b c d.
    assert shares("a b c d a b c d")["varied"] == pytest.approx(4 / 5)
    assert shares("each word of this stands here once")["varied"] == 1.0


def test_a_long_run_of_a_text_that_was_trained_on_is_recited_and_a_short_one_is_not():
    text = " ".join(f"word{i}" for i in range(100))
    long, short = text.split()[10 : 10 + RECITED + 10], text.split()[: RECITED - 1]
    recitals = Recitals([text])
    assert shares(" ".join(long), recitals)["own_words"] == 0.0
    assert shares(" ".join(short), recitals)["own_words"] == 1.0
    mixed = [*long, *(f"own{i}" for i in range(50))]
    assert shares(" ".join(mixed).upper(), recitals)["own_words"] == pytest.approx(0.5)


def test_gains_are_paired_over_the_prompts_that_both_answered():
    ours = TextFaults(shares={"varied": {"a": 0.9, "b": 0.7, "only ours": 0.0}})
    theirs = TextFaults(shares={"varied": {"a": 1.0, "b": 0.8, "only theirs": 0.0}})
    gain = ours.gain(theirs, "varied")
    assert gain is not None
    assert (round(gain.estimate, 6), gain.n) == (-0.1, 2)
    assert gain.high < 0
    assert ours.gain(TextFaults(shares={"varied": {"other": 1.0}}), "varied") is None


def test_without_prompts_nothing_is_measured():
    assert text_faults({}, NOTHING) is None
