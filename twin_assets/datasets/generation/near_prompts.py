"""Which instruction of the dataset a person's prompt asks for again, in other words.

Instructions of one author share their templates ("Write a short section about ..."), so two that ask for different
things may differ in a single word. Words therefore count by their rarity: what is left of the templates weighs little.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.documents import InstructRow
from twin_assets.evaluation.stylometry import FUNCTION_WORDS

NEAR_PROMPT = 0.75
"""Least share, by weight, of the words of two prompts that both have.

Measured on 1,256 instructions of four authors: without its own row, at most 1.4 % of an author's instructions find
another at 0.75 (4 to 16 % at 0.6 do, most of them a neighbouring section); in lower case, with a greeting, or with
another opening ("Please say something on ..."), at least 96 % find their own.
"""

_REQUESTS = """
i you he she we they me your mine hey hello hi please thanks can could would should help like want need say said tell
talk write written explain give show know think describe paragraph paragraphs section article post text words short few
some something anything bit little
"""
_ASKING = frozenset(FUNCTION_WORDS) | frozenset(_REQUESTS.split())
"""Words that say that something is asked for, and not what."""


class NearPrompts:
    """The instructions of a dataset, and which of them a prompt asks for again."""

    def __init__(self, rows: Sequence[InstructRow]) -> None:
        self._rows = rows
        self._by_form = {normal_form(row.instruction): row for row in reversed(rows)}
        words = [_words(row.instruction) for row in rows]
        frequencies = Counter(word for one in words for word in one)
        # Inverse document frequency (Sparck Jones 1972); a word that no instruction has counts as the rarest do.
        self._rarest = math.log(1 + len(rows))
        self._weights = {word: math.log((1 + len(rows)) / count) for word, count in frequencies.items()}
        self._totals = [self._total(one) for one in words]
        self._where: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(words):
            for word in one:
                self._where[word].append(number)

    def nearest(self, prompt: str) -> tuple[InstructRow, float] | None:
        """Return the row whose instruction is nearest to a prompt, and how near it is, from 0 to 1.

        Nearness is the weight of the words that both have over the weight of the words that either has (the weighted
        Jaccard index); the same instruction is nearest. Of equals the first row is returned; None if no row shares a
        word.
        """
        if same := self._by_form.get(normal_form(prompt)):
            return same, 1.0
        words = _words(prompt)
        total = self._total(words)
        shared: dict[int, float] = defaultdict(float)
        for word in sorted(words):
            for number in self._where.get(word, ()):
                shared[number] += self._weights[word]
        nearness = {number: weight / (total + self._totals[number] - weight) for number, weight in shared.items()}
        best = min(nearness, key=lambda number: (-nearness[number], number), default=None)
        return None if best is None else (self._rows[best], nearness[best])

    def asked_again_by(self, prompt: str) -> InstructRow | None:
        """Return the row that a prompt asks for again, or None."""
        found = self.nearest(prompt)
        return found[0] if found and found[1] >= NEAR_PROMPT else None

    def _total(self, words: frozenset[str]) -> float:
        return sum(self._weights.get(word, self._rarest) for word in sorted(words))


def _words(prompt: str) -> frozenset[str]:
    """Return what a prompt asks for: its words without their plural, and without those that only do the asking."""
    return frozenset(word.removesuffix("s") for word in normal_form(prompt).split() if word not in _ASKING)
