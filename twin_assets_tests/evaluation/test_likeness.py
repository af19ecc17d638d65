"""Burrows' Delta on a toy pool worked out by hand, and on two real authors where they are at hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from twin_assets.evaluation.likeness import (
    Likeness,
    TooLittleProseError,
    leave_one_document_out,
    likeness,
    likeness_gain,
    likeness_of_sets,
)
from twin_assets.evaluation.stylometry import FUNCTION_WORDS, StyleProfile, style_profile

HANDBOOK = Path(__file__).parents[3] / "shared" / "data" / "handbook" / "ArticleDocument.json"


def toy_profile(author, *blocks):
    """A profile whose blocks are (frequency of the, frequency of of)."""
    figures = style_profile("any", ["word " * 600]).figures
    rows = [tuple({"the": the, "of": of}.get(word, 0.0) for word in FUNCTION_WORDS) for the, of in blocks]
    return StyleProfile(
        author=author,
        n_texts=1,
        n_words=200,
        n_blocks=len(blocks),
        block_words=100,
        words=FUNCTION_WORDS,
        frequencies=tuple(rows),
        figures=figures,
    )


def text_with(the, of, words=100):
    """A text of so many words in which the and of stand so often, evenly mixed."""
    mixed = ["the"] * the + ["of"] * of + ["stone"] * (words - the - of)
    return " ".join(np.random.default_rng(0).permutation(mixed))


def deltas_of(text, pool):
    """Return the Delta of one text: laid end to end with itself, and measured in blocks of its own length."""
    measured = likeness([text, text], pool, next(iter(pool)), block_words=len(text.split()))
    return {author: delta.estimate for author, delta in measured.deltas.items()}


@pytest.fixture
def pool():
    return {
        "ada": toy_profile("ada", (0.10, 0.02), (0.12, 0.04)),
        "bob": toy_profile("bob", (0.06, 0.06), (0.08, 0.08)),
    }


def test_delta_is_the_mean_distance_in_pooled_standard_deviations(pool):
    # the: pool .10 .12 .06 .08, mean .09, std sqrt(.0005) = .02236; of: the same spread.
    # A text at (.11, .03) is ada's mean, and .04 from bob's (.07, .07) in both words: .04 / .02236 = 1.789.
    # A text at (.11, .05) is (0 + .02) / 2 / .02236 = .447 from ada, (.04 + .02) / 2 / .02236 = 1.342 from bob.
    deltas = [deltas_of(text, pool) for text in (text_with(11, 3), text_with(11, 5))]
    assert deltas[0] == pytest.approx({"ada": 0, "bob": 1.78885}, abs=1e-5)
    assert deltas[1] == pytest.approx({"ada": 0.44721, "bob": 1.34164}, abs=1e-5)


def test_with_one_author_the_scale_is_the_author_s_own(pool):
    # Own blocks: std .01 in both words; the text is .03 and .02 away.
    delta = deltas_of(text_with(14, 5), {"ada": pool["ada"]})
    assert delta == pytest.approx({"ada": 2.5})


def test_equal_texts_give_a_likeness_without_noise(pool):
    result = likeness(["the of stone stone stone"] * 100, pool, "ada", block_words=250)
    assert (result.n_texts, result.n_words, result.block_words) == (100, 500, 250)
    # (.2, .2): (.09 + .17) / 2 / .02236 from ada, (.13 + .13) / 2 / .02236 from bob.
    assert result.to_own.estimate == pytest.approx(5.8138, abs=1e-4)
    assert result.to_own.low == pytest.approx(result.to_own.high)
    assert result.nearest_other == ("bob", result.deltas["bob"])
    assert result.deltas["bob"].estimate == pytest.approx(5.8138, abs=1e-4)


def test_the_last_block_reaches_back_so_that_all_blocks_are_equally_long(pool):
    # 300 words in blocks of 200: the blocks are words 0 to 200 and 100 to 300.
    texts = [" ".join(["the"] * 100), " ".join(["stone"] * 100), " ".join(["of"] * 100)]
    result = likeness(texts, pool, "ada", block_words=200)
    first = [deltas_of(" ".join(two), pool) for two in (texts[:2], texts[1:])]
    assert result.to_own.estimate == pytest.approx((first[0]["ada"] + first[1]["ada"]) / 2)


def test_an_interval_lies_about_the_estimate_although_repeated_texts_are_noisier(pool):
    texts = [text_with(the, of, 50) for the, of in ((9, 0), (2, 4), (6, 1), (5, 1), (4, 3), (7, 0), (3, 2), (8, 1))]
    result = likeness(texts, pool, "ada")
    assert result.to_own.low < result.to_own.estimate < result.to_own.high


def test_sets_are_compared_at_the_block_size_that_all_can_fill(pool):
    result = likeness_of_sets({"base": [text_with(11, 3)] * 5, "human": [text_with(11, 3)] * 3}, pool, "ada")
    assert {name: each.block_words for name, each in result.items()} == {"base": 300, "human": 300}


def test_texts_without_prose_are_left_out_and_too_few_words_are_refused(pool):
    assert likeness([text_with(11, 3)] * 3 + ["```\nx = 1\n```"], pool, "ada").n_texts == 3
    with pytest.raises(ValueError, match="at least 200 words of prose, and the 1 texts hold 100"):
        likeness([text_with(11, 3)], pool, "ada")
    with pytest.raises(ValueError, match="'sft' needs at least 200 words"):
        likeness_of_sets({"sft": ["short"]}, pool, "ada")


def test_an_author_without_a_profile_is_refused(pool):
    with pytest.raises(ValueError, match="no style profile of 'eve'"):
        likeness([text_with(11, 3)] * 3, pool, "eve")


def test_a_profile_that_counts_other_words_is_refused(pool):
    old = pool["ada"].model_copy(update={"words": FUNCTION_WORDS[:-1]})
    with pytest.raises(ValueError, match="materialize style_profile again"):
        likeness([text_with(11, 3)] * 3, {"ada": old}, "ada")


def answers(*texts):
    return {f"prompt {place}": text for place, text in enumerate(texts)}


def test_the_gain_in_likeness_is_the_difference_of_the_deltas_of_both(pool):
    # (.11, .03) is ada's mean, Delta 0; (.11, .05) is .447 from it, see above.
    near, far = answers(*[text_with(11, 3)] * 4), answers(*[text_with(11, 5)] * 4)
    gain = likeness_gain(near, far, pool, "ada", block_words=100)
    assert (round(gain.estimate, 3), gain.n) == (0.447, 4)
    assert gain.low == pytest.approx(gain.high)
    assert likeness_gain(far, near, pool, "ada", block_words=100).estimate == pytest.approx(-gain.estimate)


def test_pairing_takes_away_the_noise_of_the_prompts(pool):
    # Prompts differ more than the models do: each model's own interval is wide, and the difference is the same for all.
    near = answers(*(text_with(11 + i, 3) for i in range(8)))
    far = answers(*(text_with(12 + i, 3) for i in range(8)))
    apart = [likeness(list(of.values()), pool, "ada", block_words=100).to_own for of in (near, far)]
    assert apart[0].side_of(apart[1]) == 0
    assert likeness_gain(near, far, pool, "ada", block_words=100).low > 0


def test_only_prompts_that_both_answered_with_prose_are_compared(pool):
    ours = {**answers(text_with(11, 3), text_with(11, 3)), "only ours": text_with(0, 99), "no answer": "..."}
    theirs = {**answers(text_with(11, 5), text_with(11, 5)), "only theirs": "", "no answer": text_with(0, 99)}
    gain = likeness_gain(ours, theirs, pool, "ada", block_words=100)
    assert (round(gain.estimate, 3), gain.n) == (0.447, 2)
    with pytest.raises(TooLittleProseError, match="the 0 prompts that both answered hold 0"):
        likeness_gain(ours, {"another": "the"}, pool, "ada")


def test_a_likeness_survives_json(pool):
    result = likeness([text_with(11, 3)] * 3, pool, "ada")
    assert Likeness.model_validate_json(result.model_dump_json()) == result


def test_authors_who_write_differently_are_told_apart_document_by_document():
    ada = ["upon the hill she went with her " * 40, "she went upon the road with her " * 40]
    bob = ["over this hill they came without us " * 40, "they came over this road without us " * 40]
    result = leave_one_document_out({"ada": ada, "bob": bob}, block_words=200)
    assert result.accuracy.estimate == 1
    assert result.confusion == {"ada": {"ada": 2, "bob": 0}, "bob": {"ada": 0, "bob": 2}}


def test_a_ghost_writer_is_found_out():
    ada = ["upon the hill she went with her " * 40] * 3
    bob = ["over this hill they came without us " * 40] * 3
    result = leave_one_document_out({"ada": [*ada, bob[0]], "bob": bob, "eve": ["so what " * 200] * 2}, block_words=200)
    assert result.confusion["ada"] == {"ada": 3, "bob": 1, "eve": 0}
    assert result.accuracy.estimate == pytest.approx(10 / 11)


def test_the_document_in_question_is_no_part_of_its_author_s_profile():
    # ada's first text (the .10) is .10 from her other one (.20) and .07 from bob's (.17); in her profile (.15) it
    # would stand .05 from it, and be taken for hers.
    ada, bob = [text_with(20, 0, 200), text_with(40, 0, 200)], [text_with(34, 0, 200)] * 2
    assert leave_one_document_out({"ada": ada, "bob": bob}, block_words=200).confusion["ada"] == {"ada": 0, "bob": 2}


def test_documents_under_half_a_block_are_left_out_and_counted():
    ada = ["upon the hill she went with her " * 40] * 2 + ["short one"]
    result = leave_one_document_out({"ada": ada, "bob": ["over this " * 140] * 2}, block_words=400)
    assert (result.n_documents_too_short, result.n_blocks, result.block_words) == (1, 4, 280)
    with pytest.raises(ValueError, match="'ada' has fewer than two documents"):
        leave_one_document_out({"ada": ada, "bob": ["over this " * 140] * 2}, block_words=2000)


@pytest.fixture(scope="module")
def real_authors():
    if not HANDBOOK.exists():
        pytest.skip(f"the handbook's articles are not at {HANDBOOK}")
    documents = {}
    for record in json.loads(HANDBOOK.read_text()):
        documents.setdefault(record["author_full_name"], []).append(record["content"]["Content"] or "")
    return documents


def test_two_real_authors_are_told_apart_at_least_as_well_as_published(real_authors):
    result = leave_one_document_out(real_authors)
    assert result.n_blocks > 90
    assert result.accuracy.estimate >= 0.92


def test_held_out_text_of_a_real_author_is_nearest_to_its_author(real_authors):
    held_out = {author: texts[::7] for author, texts in real_authors.items()}
    profiles = {
        author: style_profile(author, [text for i, text in enumerate(texts) if i % 7])
        for author, texts in real_authors.items()
    }
    for author, texts in held_out.items():
        ceiling = likeness(texts, profiles, author)
        assert ceiling.nearest_other is not None
        assert ceiling.to_own.estimate < ceiling.nearest_other[1].estimate
        assert ceiling.to_own.estimate < 1
