"""The stylometric fingerprint, checked against numbers counted by hand."""

import pytest

from twin_assets.evaluation.stylometry import FUNCTION_WORDS, StyleProfile, distinctive_words, style_profile

# 10 words: the twice, of once; "the" stands first.
TEN = "The end of the long road won't stop, he says. "


def test_the_function_words_are_distinct_and_hold_all_seventy_of_mosteller_and_wallace():
    assert len(set(FUNCTION_WORDS)) == len(FUNCTION_WORDS) == 120
    assert len(FUNCTION_WORDS[: FUNCTION_WORDS.index("your") + 1]) == 70


def test_frequencies_are_relative_to_the_words_of_a_block():
    profile = style_profile("ada", [TEN * 300], block_words=1000)
    assert (profile.n_words, profile.n_blocks, profile.block_words) == (3000, 3, 1000)
    for block in profile.frequencies:
        by_word = dict(zip(profile.words, block, strict=True))
        assert by_word["the"] == pytest.approx(0.2)
        assert by_word["of"] == pytest.approx(0.1)
        assert by_word["he"] == pytest.approx(0.1)
        assert by_word["upon"] == 0


def test_the_figures_are_those_counted_by_hand():
    figures = style_profile("ada", [TEN * 100]).figures
    assert figures.sentence_words_mean == figures.sentence_words_median == 10
    assert figures.sentence_words_std == 0
    assert figures.paragraph_words_mean == 1000
    assert figures.punctuation["comma"] == pytest.approx(100)
    assert figures.punctuation["semicolon"] == 0
    assert figures.contractions == pytest.approx(100)
    assert figures.first_person == figures.second_person == 0
    assert figures.type_token_ratio == pytest.approx(9 / 1000)


def test_shares_of_headings_lists_and_code_are_counted_in_words():
    text = "# one two\n\n" + "word " * 700 + "\n\n- three four five\n\n```\nx y z a b\n```\n"
    figures = style_profile("ada", [text]).figures
    assert figures.heading_share == pytest.approx(2 / 710)
    assert figures.list_share == pytest.approx(3 / 710)
    assert figures.code_share == pytest.approx(5 / 710)


def test_code_and_addresses_do_not_count_as_the_author_s_words():
    plain = style_profile("ada", [TEN * 100])
    decorated = style_profile("ada", [TEN * 100 + "\n\n```\nthe the the of of\n```\n\n<https://the.example/of>"])
    assert decorated.frequencies == plain.frequencies


def test_blocks_shrink_for_a_small_corpus_and_never_below_three():
    profile = style_profile("ada", [TEN * 70])
    assert (profile.n_blocks, profile.block_words) == (3, 233)


def test_too_few_words_are_refused_with_the_number_needed():
    with pytest.raises(ValueError, match=r"'ada' needs at least 600 words of prose, and the 1 texts hold 590"):
        style_profile("ada", [TEN * 59])


def test_a_profile_survives_json():
    profile = style_profile("ada", [TEN * 100])
    assert StyleProfile.model_validate_json(profile.model_dump_json()) == profile


def test_the_moving_type_token_ratio_is_that_of_every_window():
    words = [f"{chr(97 + i // 26 // 26)}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}" for i in range(1000)]
    # 1,000 distinct words, then the first of them again: windows of 1,000 hold 1,000, 1,000 distinct ones.
    assert style_profile("ada", [" ".join([*words, words[0]])]).figures.type_token_ratio == 1
    # The last word again: the second window holds it twice.
    ratio = style_profile("ada", [" ".join([*words, words[-1]])]).figures.type_token_ratio
    assert ratio == pytest.approx((1 + 0.999) / 2)


def test_distinctive_words_are_the_ones_that_set_two_authors_apart():
    ada = style_profile("ada", ["upon the hill she went " * 200])
    bob = style_profile("bob", ["over the hill she went " * 200])
    words = {word.word: word for word in distinctive_words("ada", {"ada": ada, "bob": bob}, top=2)}
    assert set(words) == {"upon", "over"}
    assert words["upon"].per_thousand == pytest.approx(200, abs=0.01)
    assert words["upon"].pool_per_thousand == pytest.approx(100, abs=0.01)
    assert words["upon"].z == pytest.approx(1, abs=0.01)
    assert words["over"].z == pytest.approx(-1, abs=0.01)
    assert distinctive_words("ada", {"ada": ada}) == []
