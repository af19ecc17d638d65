"""The plots of the dataset stage, each a function from counts or lengths to a PNG of 900 pixels' width.

They share the house style of all plots (`canvas.py`). Nothing is measured here, and no file is written.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twin_assets.canvas import Canvas, Theme
from twin_assets.datasets.curation.contract import StageCount
from twin_assets.datasets.figures import Stage, Subjects, Tally
from twin_assets.documents import SPLITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BARS = 14
"""Bars in a horizontal plot; what is smaller is added up in the last one."""
BINS = 30
LONGEST_SHARE = 0.995
"""Share of the texts that an axis of lengths has room for; the few that are longer stand in its last bin."""

BADGE_SHARE = 0.07
"""Least distance of two topics' numbers on the map, as a share of its larger side."""

_COLOUR_OF = {
    "train": "sft",
    "validation": "base",
    "test": "human",
    "chosen": "human",
    "rejected": "base",
}
"""The palette knows colours of models; a split and a side of a pair borrow one."""

_HUES = {
    "light": (
        "#23527c", "#bd6a33", "#2f7d5b", "#8a5a9e", "#b23a48", "#5b8fb9",
        "#a08a1f", "#3a9aa0", "#7a5c44", "#d08bb4", "#7d9a3c", "#5a6270",
    ),
    "dark": (
        "#8ec1ec", "#e29a63", "#7cc9a5", "#c49ad8", "#ee8088", "#5f8fb8",
        "#d9c45c", "#66c7cd", "#b8967a", "#f0b3d4", "#b3cf70", "#aab2bf",
    ),
}  # fmt: skip
"""One colour per topic, in order; the numbers on the map say the same to those who cannot tell them apart."""


def stages_funnel(stages: Sequence[StageCount] | Sequence[Stage], *, theme: Theme = "light") -> bytes:
    """Draw what is left of the rows after each stage of curation, and what the stage dropped.

    Raises:
        ValueError: If there is no stage.
    """
    if not stages:
        raise ValueError("No stage was counted: there is nothing to draw.")
    canvas = Canvas(theme, 0.9 + 0.36 * (len(stages) + 1))
    [ax] = canvas.panels
    rows = [("made", stages[0].kept + sum(stages[0].dropped.values()), 0)]
    rows += [(one.stage, one.kept, sum(one.dropped.values())) for one in stages]
    for row, (_, kept, dropped) in enumerate(rows):
        ax.barh(row, kept, height=0.64, color=canvas.palette.of_model("sft"))
        ax.barh(row, dropped, height=0.64, left=kept, color=canvas.palette.of_model("human"))
        canvas.label(f"{kept:,}" + (f"  \N{MINUS SIGN}{dropped:,}" if dropped else ""), (kept + dropped, row), (6, 0))
    canvas.categories([name for name, _, _ in rows])
    ax.set_xlim(0, max(1.16 * max(kept + dropped for _, kept, dropped in rows), 1))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("kept (blue) and dropped (ochre) by each stage")
    ax.grid(axis="x", color=canvas.palette.grid)
    return canvas.png()


def text_lengths(
    lengths: Mapping[str, Mapping[str, Sequence[int]]], *, share_x: bool = False, theme: Theme = "light"
) -> bytes:
    """Draw how long texts are, as shares of each series, so that a small split compares with a large one.

    Args:
        lengths: Panel (such as "answer") -> series (such as "train") -> words of each text.
        share_x: Whether the panels have one axis, so that they compare.
        theme: Ground of the plot.
    """
    canvas = Canvas(theme, 0.35 + 1.75 * len(lengths), [1.0] * len(lengths), share_x=share_x)
    everything = [words for panel in lengths.values() for series in panel.values() for words in series]
    for ax, (name, panel) in zip(canvas.panels, lengths.items(), strict=True):
        words = everything if share_x else [count for series in panel.values() for count in series]
        bins = _bins(words)
        for place, (series, values) in enumerate(panel.items()):
            _shares(ax, values, bins, canvas.palette.of_model(_COLOUR_OF[series]), filled=not place, label=series)
        ax.set_title(name, loc="left", color=canvas.palette.ink, fontsize=10.5)
        ax.yaxis.set_major_formatter("{x:.0%}")
        ax.grid(axis="y", color=canvas.palette.grid)
        canvas.legend(ax, "above")
    canvas.panels[-1].set_xlabel("words (bars and lines: share of the series; the last bin holds all that is longer)")
    return canvas.png()


def rows_by(tallies: Sequence[Tally], *, theme: Theme = "light") -> bytes:
    """Draw how many rows have each value of a field, such as the kind of what is asked, by split."""
    shown = _largest(tallies)
    canvas = Canvas(theme, 1.0 + 0.36 * len(shown))
    [ax] = canvas.panels
    left = np.zeros(len(shown))
    for split in SPLITS:
        widths = np.array([tally.rows.get(split, 0) for tally in shown])
        if widths.any():
            colour = canvas.palette.of_model(_COLOUR_OF[split])
            ax.barh(range(len(shown)), widths, height=0.64, left=left, color=colour, label=split)
        left = left + widths
    for row, total in enumerate(left):
        canvas.label(f"{total:,.0f}", (total, row), (6, 0))
    canvas.categories([tally.value for tally in shown])
    # Room on the right for the names of the splits.
    ax.set_xlim(0, 1.3 * max(*left, 1))
    ax.set_xlabel("rows")
    ax.grid(axis="x", color=canvas.palette.grid)
    canvas.legend(ax, "lower right")
    return canvas.png()


def topic_map(subjects: Subjects, *, theme: Theme = "light") -> bytes:
    """Draw rows as points, near where their answers mean the same, coloured by topic; test rows are ringed."""
    canvas = Canvas(theme, 5.0)
    [ax] = canvas.panels
    size = 12 if len(subjects.places) > 800 else 24
    middles = _middles(subjects)
    for number in range(len(subjects.topics)):
        rows = [place for place in subjects.places if place.topic == number]
        colour = _HUES[theme][number % len(_HUES[theme])]
        ax.scatter(
            [place.x for place in rows], [place.y for place in rows], s=size, color=colour, alpha=0.6, linewidths=0
        )
        ax.text(
            *middles[number],
            str(number + 1),
            color=colour,
            fontsize=10.5,
            fontweight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": canvas.palette.ground, "edgecolor": colour},
            zorder=4,
        )
    held_out = [place for place in subjects.places if place.held_out]
    if held_out:
        ax.scatter(
            [place.x for place in held_out],
            [place.y for place in held_out],
            s=2.2 * size,
            facecolors="none",
            edgecolors=canvas.palette.ink,
            linewidths=0.9,
            label=f"test rows ({len(held_out):,})",
            zorder=3,
        )
        canvas.legend(ax)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"first principal component ({subjects.variance[0]:.0%} of the variance)")
    ax.set_ylabel(f"second ({subjects.variance[1]:.0%})")
    return canvas.png()


def overlap_histograms(shared: Sequence[float], cosines: Sequence[float], *, theme: Theme = "light") -> bytes:
    """Draw how much the test rows have in common with the training rows, by wording and by meaning."""
    canvas = Canvas(theme, 3.9, [1.0, 1.0], share_x=False)
    low = min(0.0, *cosines)
    for ax, values, edges, title in (
        (canvas.panels[0], shared, np.linspace(0, 1, 41), "share of its runs of five words that training rows hold"),
        (canvas.panels[1], cosines, np.linspace(low, 1, 41), "cosine to the nearest training row"),
    ):
        ax.hist(values, bins=list(edges), color=canvas.palette.of_model("sft"), rwidth=0.9)
        ax.set_title(title, loc="left", color=canvas.palette.ink, fontsize=10.5)
        ax.set_ylabel("test rows")
        ax.grid(axis="y", color=canvas.palette.grid)
    canvas.panels[0].xaxis.set_major_formatter("{x:.0%}")
    return canvas.png()


def opening_bars(openings: Sequence[tuple[str, int]], *, theme: Theme = "light") -> bytes:
    """Draw with which words the most instructions begin."""
    canvas = Canvas(theme, 0.8 + 0.28 * len(openings))
    [ax] = canvas.panels
    for row, (_, count) in enumerate(openings):
        ax.barh(row, count, height=0.64, color=canvas.palette.of_model("sft"))
        canvas.label(f"{count:,}", (count, row), (6, 0))
    canvas.categories([f"{words} ..." for words, _ in openings])
    ax.margins(x=0.1)
    ax.set_xlabel("rows whose instruction begins so")
    ax.grid(axis="x", color=canvas.palette.grid)
    return canvas.png()


def _bins(words: Sequence[int]) -> list[float]:
    """Return edges of whole words for a histogram."""
    longest = float(np.quantile(words, LONGEST_SHARE)) if words else 1.0
    width = max(1, int(np.ceil((longest + 1) / BINS)))
    return [float(edge) - 0.5 for edge in range(0, int(longest) + 2 * width, width)]


def _shares(ax: "Axes", values: Sequence[int], bins: Sequence[float], colour: str, *, filled: bool, label: str) -> None:
    inside = np.clip(values, bins[0], bins[-1] - 0.5)
    weights = np.full(len(values), 1 / max(1, len(values)))
    name = f"{label} ({len(values):,}, median {np.median(values):.0f})" if values else f"{label} (none)"
    style: dict[str, Any] = (
        {"histtype": "stepfilled", "alpha": 0.55, "linewidth": 0} if filled else {"histtype": "step", "linewidth": 1.8}
    )
    ax.hist(inside, bins=list(bins), weights=weights, color=colour, label=name, **style)


def _middles(subjects: Subjects) -> list[tuple[float, float]]:
    """Return where the number of each topic stands: in the middle of its rows, but beside no other number."""
    everywhere = np.array([(place.x, place.y) for place in subjects.places])
    of_topic = np.array([place.topic for place in subjects.places])
    middles = np.array([np.median(everywhere[of_topic == number], axis=0) for number in range(len(subjects.topics))])
    least = BADGE_SHARE * float(np.ptp(everywhere, axis=0).max())
    for _ in range(100):
        for one in range(len(middles)):
            for other in range(one):
                apart = middles[one] - middles[other]
                distance = float(np.hypot(*apart))
                if distance < least:
                    # Numbers on one spot are moved sideways; any direction would do, so long as it is always the same.
                    direction = apart / distance if distance > 0 else np.array([1.0, 0.0])
                    middles[one] += direction * (least - distance) / 2
                    middles[other] -= direction * (least - distance) / 2
    return [(float(x), float(y)) for x, y in middles]


def _largest(tallies: Sequence[Tally]) -> list[Tally]:
    """Return as many tallies as a plot has rows for, the rest added up in the last one."""
    if len(tallies) <= MAX_BARS:
        return list(tallies)
    rest = tallies[MAX_BARS - 1 :]
    added = {split: sum(tally.rows.get(split, 0) for tally in rest) for split in SPLITS}
    return [*tallies[: MAX_BARS - 1], Tally(value=f"{len(rest)} others", rows=added)]
