"""How much two texts have in common: runs of words, counted exactly.

It serves to keep an answer from standing twice in a dataset, above all once in train and once in test. Whole documents
that repeat each other are found elsewhere, before a dataset is built.
"""

import re
import unicodedata
from collections import Counter

from rapidfuzz import fuzz

from twin_assets.features.deduplication import Candidates, Shingles, containment, shingles

RUN_WORDS = 5
"""Length of a run: runs of 5 words that two texts share by chance are rare (Broder, 1997, uses such shingles)."""
NEAR = 0.5
"""Two texts nearly repeat each other if the shorter shares at least this much of its runs with the longer."""

ROW_PERMUTATIONS = 64
"""MinHash permutations for the texts of rows, whose lengths differ less than those of documents.

At a containment of one half a text is found with a probability above 99.9999 % beside one of its own length, of 99.9 %
beside one four times as long, and of 97.9 % beside one eight times as long (1 - (1 - J)^64, see `Candidates`).
"""

NEARLY_EQUAL = 90.0
"""Similarity (0 to 100, normalised indel distance) from which two texts differ in spelling, not in style."""

_WORD = re.compile(r"\w+")


def normal_form(text: str) -> str:
    """Return a text in lower case, with one space for every run of white space and marks: equal texts look equal."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def likeness_objection(chosen: str, rejected: str) -> str | None:
    """Return why a text cannot be preferred to another, if it is too much like it, or None."""
    ours, theirs = normal_form(chosen), normal_form(rejected)
    if not theirs:
        return "rejected is empty"
    if ours == theirs:
        return "rejected equals chosen"
    if theirs in ours or fuzz.ratio(ours, theirs) >= NEARLY_EQUAL:
        return "rejected nearly equals chosen"
    return None


def word_runs(text: str) -> frozenset[str]:
    """Return the runs of five words in a text; the whole text if it is shorter."""
    words = normal_form(text).split()
    return frozenset(" ".join(words[i : i + RUN_WORDS]) for i in range(max(1, len(words) - RUN_WORDS + 1)))


class SeenTexts:
    """Texts by name, and which of them a further text repeats."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sizes: list[int] = []
        self._where: dict[str, list[int]] = {}

    def add(self, name: str, text: str) -> None:
        """Remember a text under a name; several texts may share one."""
        number = len(self._names)
        runs = word_runs(text)
        self._names.append(name)
        self._sizes.append(len(runs))
        for run in runs:
            self._where.setdefault(run, []).append(number)

    def repeated_by(self, text: str) -> str | None:
        """Return the name of the text that this one repeats or nearly repeats, or None; the closest of several."""
        runs = word_runs(text)
        shared = Counter(number for run in runs for number in self._where.get(run, ()))
        closest = max(
            ((count / min(len(runs), self._sizes[number]), -number) for number, count in shared.items()),
            default=(0.0, 0),
        )
        return self._names[-closest[1]] if closest[0] >= NEAR else None


class SketchedTexts:
    """As `SeenTexts`, for very many texts: time and memory grow with their number, not with its square.

    Who may be repeated is found by MinHash, who is repeated by counting exactly. So nothing is found that is not there,
    and of what is there as much is missed as `ROW_PERMUTATIONS` says.
    """

    def __init__(self, *, seed: int, near: float = NEAR) -> None:
        self._near = near
        self._candidates = Candidates(seed=seed, permutations=ROW_PERMUTATIONS, threshold=near)
        self._shingles: dict[str, Shingles] = {}

    def repeated_by_or_add(self, name: str, text: str) -> str | None:
        """Return the name of the text that this one repeats or nearly repeats; if there is none, remember this one.

        Args:
            name: A name that no other text has.
            text: A text of any length; one without a word repeats nothing.
        """
        values = shingles(normal_form(text))
        sketch = self._candidates.sketch(values)
        shares = {other: containment(values, self._shingles[other]) for other in self._candidates.near(sketch)}
        closest = max(shares, key=lambda other: (shares[other], other), default=None)
        if closest is not None and shares[closest] >= self._near:
            return closest
        self._candidates.add(name, sketch)
        self._shingles[name] = values
        return None
