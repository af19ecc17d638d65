"""How near the test rows of a dataset come to its training rows, by meaning and by wording.

Near is no fault by itself: one person writes about the same things again. It says how much of a good score could be
memory. What is too near to keep is decided in `curation`; here it is only measured.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twin_assets.datasets.curation.overlap import word_runs

BLOCK_ROWS = 1_024
"""Test rows compared with the training rows at once: a block of cosines, never the whole matrix."""


_MARKS = ".,:;!?\"'`*_()"


class Neighbour(NamedTuple):
    """One test row with the training row whose meaning is nearest.

    Attributes:
        test: Number of the test row.
        train: Number of the training row.
        cosine: Cosine of their vectors, -1 to 1.
        shared: Share of the test text's runs of five words that stand in the training text, 0 to 1.
        shared_with_all: The same share, with all training texts together.
    """

    test: int
    train: int
    cosine: float
    shared: float
    shared_with_all: float


def nearest_training_rows(
    texts: Sequence[str], vectors: npt.NDArray[np.float32], test: Sequence[int], train: Sequence[int]
) -> list[Neighbour]:
    """Return each test row with its nearest training row, the first of several that are equally near.

    Args:
        texts: What is answered in each row of the dataset.
        vectors: Its vector of length 1, of shape (rows, dimension).
        test: Numbers of the test rows.
        train: Numbers of the training rows.

    Returns:
        One neighbour per test row, in the order of `test`; none if either side is empty.
    """
    if not test or not train:
        return []
    nearest, cosines = _nearest(vectors, test, train)
    trained: frozenset[str] = frozenset().union(*(word_runs(texts[row]) for row in train))
    neighbours = []
    for row, neighbour, cosine in zip(test, nearest, cosines, strict=True):
        runs = word_runs(texts[row])
        shared = len(runs & word_runs(texts[neighbour])) / len(runs)
        neighbours.append(Neighbour(row, neighbour, cosine, shared, len(runs & trained) / len(runs)))
    return neighbours


def openings(texts: Sequence[str], *, words: int = 2) -> list[tuple[str, int]]:
    """Return the first words of texts, without marks and in lower case, and how many begin so, most frequent first."""
    found = Counter(" ".join(word.strip(_MARKS) for word in text.split()[:words]).lower() for text in texts)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _nearest(
    vectors: npt.NDArray[np.float32], test: Sequence[int], train: Sequence[int]
) -> tuple[list[int], list[float]]:
    trained = vectors[list(train)]
    numbers: list[int] = []
    cosines: list[float] = []
    for start in range(0, len(test), BLOCK_ROWS):
        block = vectors[list(test[start : start + BLOCK_ROWS])] @ trained.T
        best = block.argmax(axis=1)
        numbers += [train[place] for place in best]
        cosines += np.take_along_axis(block, best[:, None], axis=1)[:, 0].clip(-1, 1).tolist()
    return numbers, cosines
