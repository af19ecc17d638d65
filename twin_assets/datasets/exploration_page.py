"""The page of a dataset: its figures in, one self-contained HTML page out.

What stands in the page stands in the figures (`exploration`); here it is only set, in the frame that all pages share.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from twin_assets.datasets import plots
from twin_assets.datasets.figures import Exploration, Overlap, Pairs
from twin_assets.documents import SPLITS
from twin_assets.pages import Picture, picture, rendered

_FIELD_NAMES = {
    "category": "Category",
    "kind": "Kind of request",
    "generator": "Generator",
    "rejected_by": "Rejected text by",
}
_SIDES = {"train": "to train on", "validation": "for validation", "test": "held out"}


def exploration_html(
    exploration: Exploration, *, author: str, title: str, generated_from: Mapping[str, str] | None = None
) -> str:
    """Return the page of a dataset, equal for equal figures.

    Args:
        exploration: The figures.
        author: Name of the author, as a reader knows it.
        title: What the page is about, such as "Instruction dataset".
        generated_from: What the dataset was made from, by name: versions, settings, seeds.
    """
    return rendered(
        "twin_assets.datasets",
        "dataset.html",
        {
            "figures": exploration,
            "author": author,
            "title": title,
            "headline": _headline(exploration),
            "splits": SPLITS,
            "field_names": _FIELD_NAMES,
            "answers": "answers" if exploration.dataset == "instruct" else "chosen texts",
            "rows": "rows" if exploration.dataset == "instruct" else "pairs",
            "unmeasured": [
                number
                for number, topic in enumerate(exploration.subjects.topics, start=1)
                if exploration.overlap and not topic.held_out
            ],
            "provenance_items": dict(generated_from or {}),
            **_pictures(exploration),
        },
    )


def _headline(figures: Exploration) -> str:
    noun = "row" if figures.dataset == "instruct" else "pair"
    sides = [f"{figures.splits.rows[split]:,} {_SIDES[split]}" for split in SPLITS if figures.splits.rows.get(split)]
    rows, documents = _counted(figures.splits.total, noun), _counted(figures.documents, "document")
    return f"{rows} from {documents}: {', '.join(sides)}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _pictures(figures: Exploration) -> dict[str, Any]:
    kinds = figures.breakdowns.get("kind", ())
    named = ", ".join(f"{topic.name} ({topic.size:,})" for topic in figures.subjects.topics)
    return {
        "funnel": _funnel(figures) if figures.stages else None,
        "lengths": picture(
            partial(plots.text_lengths, figures.lengths, share_x=figures.dataset == "preference"), _lengths_alt(figures)
        ),
        "kinds": picture(
            partial(plots.rows_by, kinds),
            "Bars of rows by kind: " + ", ".join(f"{tally.value} {tally.total:,}" for tally in kinds),
        )
        if len(kinds) > 1
        else None,
        "map": picture(partial(plots.topic_map, figures.subjects), f"Map of the rows in the topics: {named}"),
        "overlap": _overlap(figures.overlap) if figures.overlap else None,
        "openings": picture(
            partial(plots.opening_bars, figures.openings),
            "Bars of first words: " + ", ".join(f"{words} {count:,}" for words, count in figures.openings),
        ),
        "bias": _bias(figures.pairs) if figures.pairs else "",
        "cues": _cues(figures.pairs) if figures.pairs else "",
    }


def _funnel(figures: Exploration) -> Picture:
    left = ", ".join(f"{stage.kept:,} after {stage.stage}" for stage in figures.stages)
    return picture(partial(plots.stages_funnel, figures.stages), f"Bars of the rows left: {left}")


def _lengths_alt(figures: Exploration) -> str:
    series = (
        f"{panel}, {name}: {min(words)} to {max(words)} words"
        for panel, some in figures.lengths.items()
        for name, words in some.items()
    )
    return "Histograms of lengths. " + "; ".join(series)


def _overlap(overlap: Overlap) -> Picture:
    return picture(
        partial(plots.overlap_histograms, overlap.shared, overlap.cosines),
        f"Histograms over {len(overlap.cosines)} test rows: runs of five words in training rows up to "
        f"{max(overlap.shared):.0%}, cosine to the nearest training row up to {max(overlap.cosines):.2f}",
    )


def _bias(pairs: Pairs) -> str:
    """Say which side is longer, and by how much."""
    return (
        f"In {pairs.chosen_longer:.0%} of the pairs the chosen text has more words than the rejected one; on the "
        f"geometric mean it is {math.exp(pairs.mean_log_ratio):.2f} times as long."
    )


def _cues(pairs: Pairs) -> str:
    if pairs.cue_auc is None:
        return "How well shallow cues alone tell chosen from rejected was not measured."
    return (
        f"A classifier that sees only shallow cues (length, opening words, punctuation, marks) tells chosen from "
        f"rejected with an AUC of {pairs.cue_auc:.2f}; 0.50 is chance, 1.00 means that nothing else need be learned."
    )
