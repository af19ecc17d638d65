"""The plots of the evaluation room, each a function from numbers to a PNG of 900 pixels' width.

How they look is set in `canvas.py`; every plot comes on light or dark ground. Nothing is measured here, and no file is
written.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from twin_assets.canvas import Canvas, Theme
from twin_assets.evaluation.bootstrap import Interval
from twin_assets.evaluation.likeness import Likeness
from twin_assets.evaluation.reports import LeaderboardRow, label_of
from twin_assets.evaluation.retrieval import CUTOFFS, RetrievalScores
from twin_assets.evaluation.stylometry import DistinctiveWord


def perplexity_bars(perplexities: Mapping[str, Interval], *, theme: Theme = "light") -> bytes:
    """Draw held-out perplexity by model, with intervals; shorter is better."""
    canvas = Canvas(theme, 0.8 + 0.48 * len(perplexities))
    [ax] = canvas.panels
    for row, (model, interval) in enumerate(perplexities.items()):
        ax.barh(row, interval.estimate, height=0.6, color=canvas.palette.of_model(model))
        canvas.whisker(row, interval.low, interval.high, canvas.palette.ink)
        canvas.label(f"{interval.estimate:,.1f}", (interval.high, row), (8, 0))
    ax.set_xlim(0, 1.14 * max(interval.high for interval in perplexities.values()))
    canvas.categories([label_of(model) for model in perplexities])
    ax.set_xlabel("perplexity on held-out documents (lower is better)")
    ax.grid(axis="x", color=canvas.palette.grid)
    return canvas.png()


def likeness_dots(
    models: Mapping[str, Likeness],
    human: Likeness | None,
    *,
    names: Mapping[str, str] | None = None,
    theme: Theme = "light",
) -> bytes:
    """Draw Delta to the own author (filled) and to every other author (hollow) by model, with the human ceiling.

    Args:
        models: Likeness of the generated texts by model.
        human: Likeness of the author's own held-out text, drawn as a line with its interval.
        names: Author slug to name.
        theme: Ground of the plot.
    """
    others = max(len(likeness.deltas) - 1 for likeness in models.values())
    canvas = Canvas(theme, 1.1 + len(models) * (0.42 + 0.2 * others))
    [ax] = canvas.panels
    if human is not None:
        ochre = canvas.palette.of_model("human")
        ax.axvspan(human.to_own.low, human.to_own.high, color=ochre, alpha=0.16, linewidth=0)
        ax.axvline(human.to_own.estimate, color=ochre, linewidth=1.6)
        canvas.label("the author's own unseen text", (human.to_own.estimate, 1), (4, 3), colour=ochre, at_top=True)
    step = 0.8 / (others + 1)
    for row, (model, likeness) in enumerate(models.items()):
        ordered = [likeness.own, *sorted(author for author in likeness.deltas if author != likeness.own)]
        for place, author in enumerate(ordered):
            delta, y, own = likeness.deltas[author], row - 0.4 + step * (place + 0.5), author == likeness.own
            colour = canvas.palette.of_model(model) if own else canvas.palette.muted
            canvas.whisker(y, delta.low, delta.high, colour, width=2.4 if own else 0.9)
            face = colour if own else canvas.palette.ground
            ax.plot(delta.estimate, y, "o", markersize=9 if own else 5.5, markerfacecolor=face, markeredgecolor=colour)
            name = f"{delta.estimate:.2f}" if own else (names or {}).get(author, author)
            canvas.label(name, (delta.high, y), (7, 0), colour=canvas.palette.ink if own else colour)
    ax.margins(x=0.14)
    canvas.categories([label_of(model) for model in models])
    ax.set_xlabel("Burrows' Delta (further left is nearer; filled: to the author, hollow: to others)")
    ax.grid(axis="x", color=canvas.palette.grid)
    return canvas.png()


def recall_curve(exact: RetrievalScores, half_dropped: RetrievalScores, *, theme: Theme = "light") -> bytes:
    """Draw recall by number of passages looked at, for whole sentences and for half of their words."""
    canvas = Canvas(theme, 3.3)
    [ax] = canvas.panels
    places = list(range(len(CUTOFFS)))
    for label, scores, model, below in (
        ("sentence as written", exact, "dpo", False),
        ("half of its words dropped", half_dropped, "human", True),
    ):
        recall = [scores.recall[k] for k in CUTOFFS]
        colour = canvas.palette.of_model(model)
        low, high = [interval.low for interval in recall], [interval.high for interval in recall]
        ax.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(
            places, [i.estimate for i in recall], color=colour, linewidth=1.8, marker="o", markersize=5, label=label
        )
        for place, interval in zip(places, recall, strict=True):
            canvas.label(f"{interval.estimate:.2f}", (place, interval.estimate), (0, -8 if below else 8), colour=colour)
    ax.set_xticks(places, [str(k) for k in CUTOFFS])
    ax.set_ylim(0, 1.12)
    ax.set_xlim(-0.25, len(CUTOFFS) - 0.75)
    ax.set_xlabel("passages looked at")
    ax.set_ylabel("share of sentences found")
    ax.grid(axis="y", color=canvas.palette.grid)
    canvas.legend(ax, "lower right")
    return canvas.png()


def distinctive_bars(words: Sequence[DistinctiveWord], *, theme: Theme = "light") -> bytes:
    """Draw the function words an author uses more (right) and less (left) than the pool, with their frequencies."""
    canvas = Canvas(theme, 0.8 + 0.27 * len(words))
    [ax] = canvas.panels
    for row, word in enumerate(words):
        more = word.z > 0
        ax.barh(row, word.z, height=0.66, color=canvas.palette.of_model("human" if more else "base"))
        numbers = f"{word.per_thousand:.1f} against {word.pool_per_thousand:.1f}"
        canvas.label(numbers, (word.z, row), (6 if more else -6, 0), colour=canvas.palette.muted)
    ax.axvline(0, color=canvas.palette.muted, linewidth=0.8)
    reach = 1.8 * max(abs(word.z) for word in words)
    ax.set_xlim(-reach, reach)
    canvas.categories([word.word for word in words])
    ax.set_xlabel("standard deviations from the pool of authors (numbers: times per 1,000 words)")
    return canvas.png()


def chunk_lengths(tokens: Sequence[int], max_tokens: int, *, theme: Theme = "light") -> bytes:
    """Draw how long passages are, against how many tokens the embedding model reads."""
    canvas = Canvas(theme, 2.6)
    [ax] = canvas.panels
    ochre = canvas.palette.of_model("human")
    bins = list(np.linspace(0, max([*tokens, max_tokens]), 33))
    ax.hist(tokens, bins=bins, color=canvas.palette.of_model("sft"), rwidth=0.92)
    ax.axvline(max_tokens, color=ochre, linewidth=1.6)
    canvas.label(f"the model reads {max_tokens:,} tokens", (max_tokens, 1), (-6, 3), colour=ochre, at_top=True)
    ax.set_xlabel("tokens in a passage")
    ax.set_ylabel("passages")
    ax.grid(axis="y", color=canvas.palette.grid)
    return canvas.png()


def leaderboard_bars(rows: Sequence[LeaderboardRow], *, theme: Theme = "light") -> bytes:
    """Draw by how many per cent each author's twin lowers the base model's perplexity, with intervals."""
    measured = [(row.author_name, row.chosen or "", row.improvement) for row in rows if row.improvement is not None]
    canvas = Canvas(theme, 0.8 + 0.42 * max(1, len(measured)))
    [ax] = canvas.panels
    for row, (_, chosen, gain) in enumerate(measured):
        ax.barh(row, gain.estimate, height=0.6, color=canvas.palette.of_model(chosen))
        canvas.whisker(row, gain.low, gain.high, canvas.palette.ink)
        canvas.label(f"{gain.estimate:.0f} %", (max(gain.high, 0.0), row), (8, 0))
    ax.axvline(0, color=canvas.palette.muted, linewidth=0.8)
    ax.margins(x=0.12)
    canvas.categories([name for name, _, _ in measured])
    ax.set_xlabel("perplexity below the base model's, per cent (more is better)")
    ax.grid(axis="x", color=canvas.palette.grid)
    return canvas.png()
