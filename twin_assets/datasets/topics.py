"""What the rows of a dataset are about: clusters of their vectors, each named by what sets it apart.

The vectors are clustered by k-means, for each number of clusters within bounds; the number with the best mean
silhouette (Rousseeuw, 1987) is taken. A cluster is named by keyphrases of its most central texts, ranked by class
TF-IDF (Grootendorst, 2022, BERTopic): frequent in this cluster, rare in the others.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twin_assets.datasets.extraction.keyphrases import keyphrases

MIN_TOPICS = 4
MAX_TOPICS = 12
"""Fewer topics tell nothing, more cannot be told apart on a map."""
MIN_ROWS_PER_TOPIC = 8
"""There are no more topics than would leave so many rows for each, on average."""
SAMPLE_ROWS = 1_000
"""Rows drawn to choose the number of topics by: the silhouette compares every row with every other."""
CENTRAL_ROWS = 20
"""Rows nearest to a cluster's middle, whose keyphrases may name it."""
NAME_PHRASES = 3

_COMPONENTS = 50
"""Principal components that are clustered: distances in all 384 dimensions are mostly noise."""
_CANDIDATES = 15
_RESTARTS = 5

Vectors = npt.NDArray[np.float32]


class Cluster(NamedTuple):
    """Rows that belong together.

    Attributes:
        name: What they are about: up to three keyphrases.
        rows: Their numbers, the most central first.
    """

    name: str
    rows: tuple[int, ...]


class Clustering(NamedTuple):
    """All rows in clusters, the largest first.

    Attributes:
        clusters: Every row stands in one of them.
        silhouette: Mean silhouette, -1 to 1: how much nearer rows are to their own cluster than to the next one; None
            for a single cluster.
    """

    clusters: tuple[Cluster, ...]
    silhouette: float | None


def topics(texts: Sequence[str], vectors: Vectors, *, seed: int, language: str = "en") -> Clustering:
    """Return the topics of texts; a single one where there are too few texts for two.

    Args:
        texts: What is answered in each row.
        vectors: Their vectors of length 1, of shape (texts, dimension).
        seed: Another seed begins the clustering elsewhere.
        language: ISO 639-1 code of the texts, for the stop words.

    Raises:
        ValueError: If there is no text, or not one vector per text.
    """
    if not texts or len(texts) != len(vectors):
        raise ValueError(f"There are {len(texts)} texts and {len(vectors)} vectors: give one vector for each text.")
    labels, silhouette = _labels(vectors, seed)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups.sort(key=lambda rows: (-len(rows), int(rows[0])))
    ordered = [_central_first(rows, vectors) for rows in groups]
    names = _names(texts, ordered, language)
    return Clustering(tuple(map(Cluster, names, ordered)), silhouette)


def _labels(vectors: Vectors, seed: int) -> tuple[npt.NDArray[np.int64], float | None]:
    """Return the cluster of each row for the number of clusters with the best silhouette, and that silhouette."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    most = min(MAX_TOPICS, len(vectors) // MIN_ROWS_PER_TOPIC, len(np.unique(vectors, axis=0)) - 1)
    if most < 2:
        return np.zeros(len(vectors), np.int64), None
    drawn = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE_ROWS])
    # With one thread sums are added in one order, however many cores the machine has.
    with threadpool_limits(limits=1):
        points = _components(vectors)
        scores = {
            count: _silhouette(points[drawn], _clustered(points[drawn], count, seed))
            for count in range(min(MIN_TOPICS, most), most + 1)
        }
        count = max(scores, key=lambda count: (scores[count], -count))
        labels = _clustered(points, count, seed)
        return labels, _silhouette(points[drawn], labels[drawn])


def _components(vectors: Vectors) -> npt.NDArray[np.float64]:
    """Return the coordinates of rows along the directions in which they differ most."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(centred @ directions[:, ::-1][:, :_COMPONENTS])


def _clustered(points: npt.NDArray[np.float64], count: int, seed: int) -> npt.NDArray[np.int64]:
    from sklearn.cluster import KMeans  # type: ignore[import-untyped, unused-ignore]

    found = KMeans(count, n_init=_RESTARTS, random_state=seed).fit_predict(points)
    return np.asarray(found, np.int64)


def _silhouette(points: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    from sklearn.metrics import silhouette_score  # type: ignore[import-untyped, unused-ignore]

    # It is not defined for one cluster, nor where every row is one of its own: nothing is gained by such a number.
    return float(silhouette_score(points, labels)) if 1 < len(np.unique(labels)) < len(labels) else -1.0


def _central_first(rows: npt.NDArray[np.int64], vectors: Vectors) -> tuple[int, ...]:
    nearness = vectors[rows] @ vectors[rows].mean(axis=0)
    return tuple(rows[np.argsort(-nearness, kind="stable")].tolist())


def _names(texts: Sequence[str], groups: Sequence[Sequence[int]], language: str) -> list[str]:
    """Return a name for each group of texts; no phrase names two of them."""
    candidates = [
        keyphrases("\n\n".join(texts[row] for row in rows[:CENTRAL_ROWS]), _CANDIDATES, language=language)
        for rows in groups
    ]
    weights = _weights({phrase for phrases in candidates for phrase in phrases}, texts, groups)
    names = []
    for number, phrases in enumerate(candidates):
        own = [phrase for phrase in phrases if number == max(weights[phrase], key=lambda k: (weights[phrase][k], -k))]
        ranked = sorted(own, key=lambda phrase: (-weights[phrase][number], phrase))
        names.append(", ".join(ranked[:NAME_PHRASES]) or "everything else")
    return names


def _weights(
    phrases: set[str], texts: Sequence[str], groups: Sequence[Sequence[int]]
) -> Mapping[str, Mapping[int, float]]:
    """Return the class TF-IDF of phrases in each group: tf * ln(1 + A / f), by share of the texts that hold a phrase.

    A is the mean number of texts in a group, f in how many texts altogether the phrase stands.
    """
    lowered = [text.lower() for text in texts]
    mean = len(texts) / len(groups)
    weights: dict[str, dict[int, float]] = {}
    for phrase in sorted(phrases):
        holding = [sum(phrase.lower() in lowered[row] for row in rows) for rows in groups]
        rarity = math.log(1 + mean / max(1, sum(holding)))
        weights[phrase] = {number: holding[number] / len(rows) * rarity for number, rows in enumerate(groups)}
    return weights
