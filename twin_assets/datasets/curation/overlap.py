"""How much two texts have in common: runs of words, counted exactly.

It serves to keep an answer from standing twice in a dataset, above all once in train and once in test. Whole documents
that repeat each other are found elsewhere, before a dataset is built.
"""

import re
import unicodedata
from collections import Counter

RUN_WORDS = 5
"""Length of a run: runs of 5 words that two texts share by chance are rare (Broder, 1997, uses such shingles)."""
NEAR = 0.5
"""Two texts nearly repeat each other if the shorter shares at least this much of its runs with the longer."""

_WORD = re.compile(r"\w+")


def normal_form(text: str) -> str:
    """Return a text in lower case, with one space for every run of white space and marks: equal texts look equal."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


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
