"""Faults of generated text that have a floor: no answer, repetition, and copying of what was trained on.

Perplexity and likeness reward none of them, and can reward each: who recites the author is like the author. The values
are shares from 0 to 1, higher is better, one per prompt, so that two models compare prompt by prompt. What follows from
a value below its floor is decided in `promotion`.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field

from twin_assets.documents import Entity, text_hash
from twin_assets.evaluation.bootstrap import Interval, mean_interval

PHRASE = 4
"""Words of a phrase that should not come twice: seq-rep-4 of Welleck et al. 2020, Neural text generation with
unlikelihood training, section 4.2."""

RECITED = 40
"""Words in a row, out of a text that was trained on, that count as recited: about 50 tokens, as in Carlini et al. 2023,
Quantifying memorization across neural language models, section 3."""

FLOORS = {"answered": 0.9, "varied": 0.75, "own_words": 0.9}
"""The least mean value. `varied`: people repeat 1 % of their four-word phrases, and a model that is caught in a loop
40 % or more (Welleck et al. 2020, table 2). The other two: one answer in ten may be at fault."""

WORDS = {"answered": "answers", "varied": "phrases that are not repeated", "own_words": "words that are not recited"}
"""What each share is of."""


class TextFaults(Entity):
    """How free of faults the answers of one model are: a share by metric and hash of the prompt."""

    shares: dict[str, dict[str, float]] = Field(description="1 is without fault, by metric and by hash of the prompt")

    def mean(self, metric: str, *, seed: int = 0) -> Interval:
        """Return a metric's mean over prompts, with its interval."""
        return mean_interval(list(self.shares[metric].values()), seed=seed)

    def gain(self, other: "TextFaults", metric: str, *, seed: int = 0) -> Interval | None:
        """Return by how much this is better than the other, paired over prompts; None if they share no prompt."""
        theirs = other.shares.get(metric, {})
        gains = [share - theirs[prompt] for prompt, share in self.shares[metric].items() if prompt in theirs]
        return mean_interval(gains, seed=seed) if gains else None


class Recitals:
    """The texts that were trained on, ready to tell which words of an answer stand in them in a row."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs = {run for text in texts for run in _runs(_words(text), RECITED)}

    def own_words(self, answer: str) -> float:
        """Return the share of an answer's words that are in no run of `RECITED` words of a text trained on."""
        words = _words(answer)
        recited = [False] * len(words)
        for place, run in enumerate(_runs(words, RECITED)):
            if run in self._runs:
                recited[place : place + RECITED] = [True] * RECITED
        return 1 - sum(recited) / len(words) if words else 1.0


def text_faults(answers: Mapping[str, str], recitals: Recitals) -> TextFaults | None:
    """Return how free of faults a model's answers are.

    An answer without a word is at fault once, for being none; it neither repeats nor recites.

    Args:
        answers: Answer by prompt.
        recitals: What the model was trained on.

    Returns:
        The shares; None if nothing was asked.
    """
    if not answers:
        return None
    by_prompt = {text_hash(prompt)[:16]: answer for prompt, answer in answers.items()}
    return TextFaults(
        shares={
            "answered": {prompt: float(bool(_words(answer))) for prompt, answer in by_prompt.items()},
            "varied": {prompt: _varied(answer) for prompt, answer in by_prompt.items()},
            "own_words": {prompt: recitals.own_words(answer) for prompt, answer in by_prompt.items()},
        }
    )


def _varied(answer: str) -> float:
    phrases = _runs(_words(answer), PHRASE)
    return len(set(phrases)) / len(phrases) if phrases else 1.0


def _words(text: str) -> list[str]:
    return text.casefold().split()


def _runs(words: list[str], length: int) -> list[int]:
    """Return a number for each run of `length` words; it holds within this process only."""
    return [hash(tuple(words[start : start + length])) for start in range(len(words) - length + 1)]
