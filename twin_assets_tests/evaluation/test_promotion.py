"""The promotion gate: every way in and every way out."""

import pytest

from twin_assets.evaluation.promotion import better_of, verdict


def test_the_first_model_is_promoted_when_it_beats_its_base_model(make_scores):
    result = verdict(make_scores("dpo", 3.0), None, base=make_scores("base", 4.0))
    assert result.promote
    # 1 nat a token is 100 nats in 400 bytes: 0.25 / ln 2 = 0.361 bits per byte.
    assert "There is no champion yet" in result.reason
    assert "0.361 [0.361, 0.361] bits per byte saved on 6 held-out documents" in result.reason


def test_the_first_model_stays_out_when_its_gain_is_noise(make_scores):
    result = verdict(make_scores("dpo", 3.99, wobble=0.5), None, base=make_scores("base", 4.0))
    assert not result.promote
    assert "does not beat the base model (base-1) outside the noise" in result.reason


def test_the_first_model_stays_out_when_it_is_worse(make_scores):
    assert not verdict(make_scores("dpo", 4.5), None, base=make_scores("base", 4.0)).promote


def test_a_better_model_as_like_the_author_replaces_the_champion(make_scores):
    result = verdict(
        make_scores("dpo", 3.0, likeness=0.93),
        make_scores("sft", 3.2, likeness=0.9),
        base=make_scores("base", 4.0),
    )
    assert result.promote
    assert "beats the champion (sft-1)" in result.reason
    assert "as like the author within the noise (Delta 0.93 [0.88, 0.98] against 0.90 [0.85, 0.95])" in result.reason


def test_a_better_model_less_like_the_author_does_not_replace_the_champion(make_scores):
    result = verdict(
        make_scores("dpo", 3.0, likeness=1.1), make_scores("sft", 3.2, likeness=0.9), base=make_scores("base", 4.0)
    )
    assert not result.promote
    assert "less like the author" in result.reason


def test_a_model_that_beats_the_base_but_not_the_champion_stays_out(make_scores):
    result = verdict(
        make_scores("dpo", 3.3, likeness=0.5), make_scores("sft", 3.2, likeness=0.9), base=make_scores("base", 4.0)
    )
    assert not result.promote
    assert "does not beat the champion" in result.reason


@pytest.mark.parametrize("missing", ["candidate", "champion"])
def test_a_likeness_that_was_not_measured_closes_the_gate(make_scores, missing):
    result = verdict(
        make_scores("dpo", 3.0, likeness=None if missing == "candidate" else 0.9),
        make_scores("sft", 3.2, likeness=None if missing == "champion" else 0.9),
        base=make_scores("base", 4.0),
    )
    assert not result.promote
    assert "was not measured" in result.reason


def test_deltas_at_other_block_sizes_do_not_compare(make_scores, make_likeness):
    champion = make_scores("sft", 3.2, likeness=make_likeness(0.9, block_words=1000))
    close = make_scores("dpo", 3.0, likeness=make_likeness(0.9, block_words=960))
    far = make_scores("dpo", 3.0, likeness=make_likeness(0.9, block_words=500))
    assert verdict(close, champion, base=make_scores("base", 4.0)).promote
    result = verdict(far, champion, base=make_scores("base", 4.0))
    assert not result.promote
    assert "blocks of 500 and 1,000 words" in result.reason


def test_models_compare_on_the_documents_both_have_read_and_the_reason_says_so(make_scores):
    # On document 5, which the champion never read, the candidate is hopeless; that must not matter.
    candidate = make_scores("dpo", 3.0, documents=range(2, 6), likeness=0.9)
    champion = make_scores("sft", 3.2, documents=range(5), likeness=0.9)
    result = verdict(candidate, champion, base=make_scores("base", 4.0))
    assert result.promote
    assert "on the 3 held-out documents that both read (of 4 and 5)" in result.reason


def test_models_without_a_common_document_are_not_compared(make_scores):
    result = verdict(
        make_scores("dpo", 1.0, documents=range(3), likeness=0.1),
        make_scores("sft", 3.2, documents=range(3, 6), likeness=0.9),
        base=make_scores("base", 4.0),
    )
    assert not result.promote
    assert "no held-out document in common" in result.reason
    assert "evaluate the champion (sft-1) on the present held-out documents" in result.reason


def test_too_few_common_documents_are_no_ground_for_a_judgement(make_scores):
    candidate, base = make_scores("dpo", 1.0, documents=range(2)), make_scores("base", 4.0)
    result = verdict(candidate, None, base=base)
    assert not result.promote
    assert "share 2 held-out documents, and a judgement needs at least 3" in result.reason
    assert verdict(candidate, None, base=base, min_documents=2).promote


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
