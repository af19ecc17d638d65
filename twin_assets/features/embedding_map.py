"""A map of what an author writes about: the vectors of all passages in two dimensions, as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twin_assets.canvas import Canvas, Theme
from twin_assets.documents import CATEGORIES, Category

if TYPE_CHECKING:
    import numpy as np

_COLOURS: dict[Category, str] = {"articles": "dpo", "posts": "human", "repositories": "base"}
"""Category to the model whose colour it borrows from the palette."""


def first_two_components(vectors: Sequence[Sequence[float]]) -> tuple["np.ndarray[Any, Any]", list[float]]:
    """Return the first two principal components of vectors, and the share of the variance that each holds.

    The sign of a component is free: it is turned so that its largest coordinate is positive, and equal vectors give
    equal maps.

    Args:
        vectors: Any number of vectors of one length; fewer than three have less than two components, the rest is 0.
    """
    import numpy as np

    centred = np.asarray(vectors, np.float64)
    centred = centred - centred.mean(axis=0)
    covariance = centred.T @ centred
    variances, directions = np.linalg.eigh(covariance)
    axes = directions[:, [-1, -2]]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    total = float(variances.sum())
    return centred @ axes, [float(variance / total) if total > 0 else 0.0 for variance in variances[[-1, -2]]]


def embedding_map(
    vectors: Sequence[Sequence[float]], categories: Sequence[Category], *, theme: Theme = "light"
) -> bytes:
    """Draw passages as points, near each other where their meanings are, coloured by category.

    Args:
        vectors: The vector of each passage.
        categories: The category of each passage.
        theme: Ground of the plot.
    """
    places, shares = first_two_components(vectors)
    canvas = Canvas(theme, 4.4)
    [ax] = canvas.panels
    for category in CATEGORIES:
        rows = [row for row, one in enumerate(categories) if one == category]
        if rows:
            ax.scatter(
                places[rows, 0],
                places[rows, 1],
                s=11 if len(vectors) > 500 else 20,
                color=canvas.palette.of_model(_COLOURS[category]),
                alpha=0.65,
                linewidths=0,
                label=f"{category} ({len(rows):,})",
            )
    canvas.legend(ax)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
    ax.set_ylabel(f"second ({shares[1]:.0%})")
    return canvas.png()
