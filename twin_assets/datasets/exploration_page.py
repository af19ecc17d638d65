"""The page of a dataset: its figures in, one self-contained HTML page out.

What stands in the page stands in the figures (`exploration`); here it is only set, in the frame that all pages share.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from twin_assets.datasets import plots
from twin_assets.datasets.figures import Exploration, Overlap, Pairs
from twin_assets.documents import SPLITS
from twin_assets.pages import Picture, picture, rendered

_FIELD_NAMES = {
    "category": "Category",
    "kind": "What is asked for",
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
            "provenance_items": dict(generated_from or {}),
            **_pictures(exploration),
        },
    )


def _headline(figures: Exploration) -> str:
    noun = "rows" if figures.dataset == "instruct" else "pairs"
    sides = [f"{figures.splits.rows[split]:,} {_SIDES[split]}" for split in SPLITS if figures.splits.rows.get(split)]
    documents = f"{figures.documents:,} document{'' if figures.documents == 1 else 's'}"
    return f"{figures.splits.total:,} {noun} from {documents}: {', '.join(sides)}."


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
    factor = 2.718281828459045**pairs.mean_log_ratio
    side = "longer" if factor >= 1 else "shorter"
    by = factor if factor >= 1 else 1 / factor
    return (
        f"In {pairs.chosen_longer:.0%} of the pairs the chosen text has more words; on the geometric mean it is "
        f"{by:.2f} times {'as long as' if by == 1 else side + ' than'} the rejected one."
    )


def _cues(pairs: Pairs) -> str:
    if pairs.cue_auc is None:
        return "How well shallow cues alone tell chosen from rejected was not measured."
    return (
        f"A classifier that sees only shallow cues (length, opening words, punctuation, marks) tells chosen from "
        f"rejected with an AUC of {pairs.cue_auc:.2f}; 0.50 is chance, 1.00 means that nothing else need be learned."
    )
