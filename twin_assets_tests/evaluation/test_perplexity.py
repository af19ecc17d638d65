"""Perplexity and bits per byte, checked against numbers worked out by hand."""

import math

import pytest

from twin_assets.evaluation.perplexity import (
    DocumentLoss,
    PerplexityScore,
    bits_saved,
    improvement_percent,
    perplexity_score,
    shared_documents,
)


def losses(*per_token, tokens=10, n_bytes=40, first=0):
    return [
        DocumentLoss(document_id=str(first + i), nll=nats * tokens, tokens=tokens, n_bytes=n_bytes)
        for i, nats in enumerate(per_token)
    ]


def test_perplexity_of_a_corpus_weighs_documents_by_their_tokens():
    score = perplexity_score(
        [
            DocumentLoss(document_id="short", nll=10 * math.log(2), tokens=10, n_bytes=50),
            DocumentLoss(document_id="long", nll=30 * math.log(16), tokens=30, n_bytes=110),
        ]
    )
    # (10 * 1 bit + 30 * 4 bits) / 40 tokens = 3.25 bits a token
    assert score.perplexity.estimate == pytest.approx(2**3.25)
    assert score.perplexity.low == pytest.approx(2)
    assert score.perplexity.high == pytest.approx(16)
    assert score.bits_per_byte.estimate == pytest.approx(130 / 160)
    assert (score.n_tokens, score.perplexity.n) == (40, 2)
    assert score.documents[0].perplexity == pytest.approx(2)


def test_bits_per_byte_do_not_depend_on_how_the_tokenizer_splits():
    fine = perplexity_score([DocumentLoss(document_id="a", nll=80.0, tokens=40, n_bytes=100)])
    coarse = perplexity_score([DocumentLoss(document_id="a", nll=80.0, tokens=20, n_bytes=100)])
    assert fine.bits_per_byte.estimate == coarse.bits_per_byte.estimate
    assert fine.perplexity.estimate < coarse.perplexity.estimate
    assert bits_saved(coarse, fine).estimate == 0
    with pytest.raises(ValueError, match="compare their bits per byte"):
        improvement_percent(coarse, fine)


def test_a_halved_perplexity_is_an_improvement_of_fifty_per_cent():
    before = perplexity_score(losses(3.0, 5.0, 4.0))
    after = perplexity_score(losses(*(nats - math.log(2) for nats in (3.0, 5.0, 4.0))))
    gain = improvement_percent(after, before)
    assert (gain.low, gain.estimate, gain.high) == pytest.approx((50, 50, 50))
    saved = bits_saved(after, before)
    assert saved.estimate == pytest.approx(10 / 40)


def test_pairing_sees_a_small_gain_that_differences_between_documents_would_hide():
    easy_and_hard = [2.0, 6.0, 3.0, 5.0]
    before, after = (
        perplexity_score(losses(*easy_and_hard)),
        perplexity_score(losses(*(x - 0.1 for x in easy_and_hard))),
    )
    assert after.perplexity.side_of(before.perplexity) == 0
    assert improvement_percent(after, before).low > 0


def test_documents_compare_only_when_both_models_read_the_same_text():
    ours, theirs = perplexity_score(losses(3.0, 3.0, 3.0)), perplexity_score(losses(4.0, 4.0, first=1))
    assert [a.document_id for a, _ in shared_documents(ours, theirs)] == ["1", "2"]
    edited = perplexity_score(losses(4.0, n_bytes=41, first=1))
    assert shared_documents(ours, edited) == []
    with pytest.raises(ValueError, match="no document in common"):
        bits_saved(ours, edited)


def test_a_score_survives_json():
    score = perplexity_score(losses(3.0, 4.0))
    assert PerplexityScore.model_validate_json(score.model_dump_json()) == score


def test_a_document_scored_twice_is_refused():
    with pytest.raises(ValueError, match="scored twice"):
        perplexity_score([*losses(3.0), *losses(3.0)])


@pytest.mark.parametrize("field", [{"nll": math.nan}, {"nll": math.inf}, {"tokens": 0}, {"n_bytes": 0}])
def test_a_loss_that_is_no_number_is_refused(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        DocumentLoss(**{"document_id": "a", "nll": 1.0, "tokens": 1, "n_bytes": 1, **field})
