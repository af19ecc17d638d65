import random
from collections.abc import Callable

import pytest

from twin_assets.datasets.curation.reward_hacking import (
    cue_auc,
    drop_unequal_lengths,
    length_ratio,
    shallow_cues,
)
from twin_assets.documents import PreferenceRow

MakePair = Callable[..., PreferenceRow]
NOUNS = ("quay", "lantern", "rope", "tide", "captain", "gull", "fog", "ticket", "engine", "harbour")


def sentence(draw: random.Random, count: int) -> str:
    return f"{' '.join(draw.choice(NOUNS) for _ in range(count)).capitalize()}."


def pairs(make: MakePair, count: int, *, rejected: Callable[[random.Random], str]) -> list[PreferenceRow]:
    draw = random.Random(0)  # noqa: S311  # words, not secrets
    return [make(sentence(draw, draw.randint(8, 30)), rejected(draw), f"Prompt {number}?") for number in range(count)]


def test_texts_of_one_kind_are_not_told_apart(make_pair: MakePair) -> None:
    cues = shallow_cues(pairs(make_pair, 150, rejected=lambda draw: sentence(draw, draw.randint(8, 30))))

    assert cues.cue_auc is not None
    assert 0.35 < cues.cue_auc < 0.65
    assert 0.35 < cues.chosen_longer < 0.65
    assert abs(cues.mean_log_ratio) < 0.2


@pytest.mark.parametrize(
    "rejected",
    [
        lambda draw: f"Sure! {sentence(draw, draw.randint(8, 30))}",
        lambda draw: f"**{sentence(draw, draw.randint(8, 30))}**",
        lambda draw: sentence(draw, draw.randint(60, 90)),
        lambda draw: sentence(draw, draw.randint(8, 30))[:-1],
    ],
)
def test_a_cue_that_gives_the_rejected_text_away_is_found(
    make_pair: MakePair, rejected: Callable[[random.Random], str]
) -> None:
    rows = pairs(make_pair, 100, rejected=rejected)

    assert cue_auc(rows) > 0.95
    assert cue_auc(rows) == cue_auc(rows)


def test_a_chosen_text_that_two_pairs_share_is_not_known_from_the_other(make_pair: MakePair) -> None:
    draw = random.Random(1)  # noqa: S311  # words, not secrets
    rows = []
    for number in range(60):
        opening = f"Word{number}"
        chosen, other = (f"{opening} {sentence(draw, 20)}" for _ in range(2))
        rows += [make_pair(chosen, f"Other{number}{copy} {sentence(draw, 20)}", f"P{number}") for copy in range(3)]
        rows.append(make_pair(other, f"Other{number}x {sentence(draw, 20)}", f"P{number}"))

    # A prompt's chosen texts open with a word of their own: it tells only if another pair of the prompt was seen.
    assert cue_auc(rows) < 0.7


def test_lengths_are_reported_as_they_are(make_pair: MakePair) -> None:
    rows = [make_pair("one two three four", "one two"), make_pair("one two", "one two"), make_pair("one", "one two")]
    cues = shallow_cues(rows)

    assert (cues.pairs, cues.chosen_longer, cues.median_ratio, cues.cue_auc) == (3, 0.5, 1.0, None)
    assert cues.mean_log_ratio == pytest.approx(0.0)
    assert cues.figures()["median_ratio"] == 1.0
    assert shallow_cues([]).pairs == 0


def test_pairs_of_very_different_length_are_dropped_and_counted(make_pair: MakePair) -> None:
    rows = [make_pair("one " * long, "one " * short) for long, short in ((9, 2), (11, 2), (2, 9), (2, 11), (4, 0))]
    kept, dropped = drop_unequal_lengths(rows, max_ratio=5)

    assert [length_ratio(row) for row in rows] == pytest.approx([4.5, 5.5, 2 / 9, 2 / 11, 4.0])
    assert kept == [rows[0], rows[2], rows[4]]
    assert dropped == {"chosen much longer than rejected": 1, "rejected much longer than chosen": 1}


def test_too_few_prompts_for_the_folds_are_refused(make_pair: MakePair) -> None:
    with pytest.raises(ValueError, match="1 prompts are too few"):
        cue_auc([make_pair("One.", f"Two {number}.", "Why?") for number in range(30)])
