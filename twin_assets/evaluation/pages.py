"""The pages of the evaluation room: a report in, one self-contained HTML page out.

Styles and pictures are inside the page, in a light and a dark form, and nothing is fetched from anywhere: a page can be
mailed. What stands in a page stands in the report; here it is only set.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup

from twin_assets.evaluation import plots
from twin_assets.evaluation.bootstrap import Interval
from twin_assets.evaluation.reports import EvalReport, LeaderboardRow, RetrievalReport, label_of
from twin_assets.evaluation.stylometry import StyleProfile, distinctive_words
from twin_assets.pages import picture, rendered

_MARKS = {
    "comma": "Commas",
    "semicolon": "Semicolons",
    "colon": "Colons",
    "dash": "Dashes",
    "parenthesis": "Parentheses",
    "question": "Question marks",
    "exclamation": "Exclamation marks",
    "quote": "Quotation marks",
}


def eval_page(report: EvalReport, *, names: Mapping[str, str] | None = None) -> str:
    """Return the page of an evaluation report.

    Args:
        report: What was measured.
        names: Author slug to name, for the other authors in the pool.
    """
    names = {**(names or {}), report.author: report.author_name}
    models = {scores.model: scores for scores in report.models}
    likenesses = {model: scores.likeness for model, scores in models.items() if scores.likeness is not None}
    perplexities = {model: scores.perplexity.perplexity for model, scores in models.items()}
    return _rendered(
        "eval_report.html",
        report=report,
        names=names,
        gains={model: report.improvement(model) for model in models if model != report.base.model},
        likenesses=likenesses,
        surprise=picture(
            partial(plots.perplexity_bars, perplexities),
            "Bars of held-out perplexity by model: "
            + ", ".join(f"{label_of(model)} {interval.text(1)}" for model, interval in perplexities.items()),
        ),
        nearness=picture(
            partial(plots.likeness_dots, likenesses, report.human, names=names),
            "Dots of Burrows' Delta by model: "
            + ", ".join(f"{label_of(model)} {likeness.to_own.text()}" for model, likeness in likenesses.items()),
        )
        if likenesses
        else None,
    )


def retrieval_page(report: RetrievalReport) -> str:
    """Return the page of a retrieval report."""
    return _rendered(
        "retrieval_report.html",
        report=report,
        cutoffs=list(report.exact.recall),
        recall=picture(
            partial(plots.recall_curve, report.exact, report.half_dropped),
            "Recall by passages looked at: "
            + ", ".join(f"{interval.estimate:.2f} at {k}" for k, interval in report.exact.recall.items()),
        ),
        lengths=picture(
            partial(plots.chunk_lengths, report.chunk_tokens, report.max_tokens),
            f"Histogram of {len(report.chunk_tokens)} passage lengths, the longest {max(report.chunk_tokens)} tokens",
        ),
    )


def style_page(profile: StyleProfile, profiles: Mapping[str, StyleProfile], *, names: Mapping[str, str]) -> str:
    """Return the page of an author's style, beside every other author in the pool.

    Args:
        profile: The author's fingerprint.
        profiles: Author slug to fingerprint of the whole pool, this author among them.
        names: Author slug to name.
    """
    words = distinctive_words(profile.author, profiles)
    others = {slug: other for slug, other in profiles.items() if slug != profile.author}
    return _rendered(
        "style_profile.html",
        profile=profile,
        columns={profile.author: profile, **others},
        names=names,
        marks=_MARKS,
        words=words,
        distinctive=picture(
            partial(plots.distinctive_bars, words),
            "Bars of the most telling function words: " + ", ".join(f"{word.word} {word.z:+.1f}" for word in words),
        )
        if words
        else None,
    )


def leaderboard_page(rows: Sequence[LeaderboardRow], *, names: Mapping[str, str] | None = None) -> str:
    """Return the page of the leaderboard.

    Args:
        rows: Rows in the order to show.
        names: Author slug to name, for authors that are no row.
    """
    measured = [row for row in rows if row.improvement is not None]
    return _rendered(
        "leaderboard.html",
        rows=rows,
        names={**(names or {}), **{row.author: row.author_name for row in rows}},
        measured=measured,
        gains=picture(
            partial(plots.leaderboard_bars, rows),
            "Bars of improvement by author: "
            + ", ".join(f"{row.author_name} {row.improvement.estimate:.0f} %" for row in measured if row.improvement),
        )
        if measured
        else None,
    )


def _rendered(template: str, **values: Any) -> str:
    return rendered("twin_assets.evaluation", template, values, filters={"interval": _interval, "label": label_of})


def _interval(interval: Interval | None, digits: int = 2, unit: str = "") -> str:
    """Return an estimate with its interval beside it in small; a dash for what was not measured."""
    if interval is None:
        return Markup('<span class="none">&ndash;</span>')
    estimate, low, high = (f"{value:,.{digits}f}" for value in (interval.estimate, interval.low, interval.high))
    return Markup('<span class="estimate">{}{}</span> <span class="range">{} to {}</span>').format(
        estimate, unit, low, high
    )
