"""The plots of the feature stage, each a function from rows or counts to a PNG of 900 pixels' width.

They share the house style of the evaluation's plots (`evaluation/canvas.py`). No file is written.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from twin_assets.canvas import Canvas, Theme
from twin_assets.documents import CATEGORIES, Category, CleanedDocument

# The palette knows colours of models; a category borrows one, so that all pictures of a page go together.
_COLOUR_OF: Mapping[Category, str] = {"articles": "dpo", "posts": "sft", "repositories": "human"}

MAX_ROWS = 12
"""Bars in a horizontal plot; what is smaller is added up in the last one."""


def documents_by_platform(documents: Sequence[CleanedDocument], *, theme: Theme = "light") -> bytes:
    """Draw how many documents each platform holds, by category, the largest platform on top."""
    from matplotlib.ticker import MaxNLocator

    found = Counter((document.platform, document.category) for document in documents)
    totals = Counter(document.platform for document in documents)
    platforms = _largest(totals)
    canvas = Canvas(theme, 1.2 + 0.42 * len(platforms))
    [ax] = canvas.panels
    left = np.zeros(len(platforms))
    for category in CATEGORIES:
        widths = np.array([sum(found[name, category] for name in names) for names in platforms.values()])
        if widths.any():
            colour = canvas.palette.of_model(_COLOUR_OF[category])
            ax.barh(range(len(platforms)), widths, height=0.62, left=left, color=colour, label=category)
        left = left + widths
    for row, total in enumerate(left):
        canvas.label(f"{total:,.0f}", (total, row), (6, 0))
    canvas.categories(list(platforms))
    # Room on the right for the names of the categories.
    ax.set_xlim(0, 1.3 * max(left))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("documents")
    ax.grid(axis="x", color=canvas.palette.grid)
    canvas.legend(ax, "lower right")
    return canvas.png()


def publication_dates(documents: Sequence[CleanedDocument], *, theme: Theme = "light") -> bytes:
    """Draw how many documents were published when, by category; how many have no date stands below the axis.

    Raises:
        ValueError: If no document has a date.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.ticker import MaxNLocator

    series: dict[Category, list[float]] = {category: [] for category in CATEGORIES}
    for document in documents:
        if document.published_at:
            series[document.category].append(date2num(document.published_at))  # type: ignore[no-untyped-call]
    present = [category for category in CATEGORIES if series[category]]
    if not present:
        raise ValueError("No document has a publication date: there is nothing to draw.")
    canvas = Canvas(theme, 2.8)
    [ax] = canvas.panels
    ax.hist(
        [series[category] for category in present],
        bins=24,
        stacked=True,
        color=[canvas.palette.of_model(_COLOUR_OF[category]) for category in present],
        label=list(present),
        rwidth=0.9,
    )
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(y=0.12)
    undated = len(documents) - sum(map(len, series.values()))
    ax.set_xlabel(f"published{f' ({undated:,} of {len(documents):,} documents have no date)' if undated else ''}")
    ax.set_ylabel("documents")
    ax.grid(axis="y", color=canvas.palette.grid)
    canvas.legend(ax)
    return canvas.png()


def dropped_by_reason(dropped: Mapping[str, int], *, theme: Theme = "light") -> bytes:
    """Draw how many characters cleaning took away, by reason, the largest on top."""
    reasons = _largest({reason: count for reason, count in dropped.items() if count})
    canvas = Canvas(theme, 1.0 + 0.34 * max(1, len(reasons)))
    [ax] = canvas.panels
    for row, names in enumerate(reasons.values()):
        characters = sum(dropped[name] for name in names)
        ax.barh(row, characters, height=0.62, color=canvas.palette.of_model("sft"))
        canvas.label(f"{characters:,}", (characters, row), (6, 0))
    canvas.categories(list(reasons))
    ax.margins(x=0.14)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("characters dropped by cleaning" if reasons else "cleaning dropped nothing")
    ax.grid(axis="x", color=canvas.palette.grid)
    return canvas.png()


def passage_lengths(tokens: Sequence[int], limit: int, *, theme: Theme = "light") -> bytes:
    """Draw how long passages are, against the limit that they are cut to."""
    canvas = Canvas(theme, 2.6)
    [ax] = canvas.panels
    ochre = canvas.palette.of_model("human")
    bins = [float(edge) for edge in range(0, max([*tokens, limit]) + 4, 4)]
    ax.hist(tokens, bins=bins, color=canvas.palette.of_model("sft"), rwidth=0.9)
    ax.axvline(limit, color=ochre, linewidth=1.6)
    canvas.label(f"limit of {limit:,} tokens", (limit, 1), (-6, 3), colour=ochre, at_top=True)
    ax.set_xlabel("tokens in a passage")
    ax.set_ylabel("passages")
    ax.grid(axis="y", color=canvas.palette.grid)
    return canvas.png()


def _largest(counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the rows of a plot, largest first: each one's label with the names that it stands for."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    if len(names) <= MAX_ROWS:
        return {name: [name] for name in names}
    shown, rest = names[: MAX_ROWS - 1], names[MAX_ROWS - 1 :]
    return {**{name: [name] for name in shown}, f"{len(rest)} others": rest}
