"""The leaderboard: one row per author, from the reports of each. No model is run and no page is drawn here."""

from collections.abc import Mapping
from typing import Any

from twin_assets.evaluation.reports import EvalReport, LeaderboardRow, RetrievalReport


def leaderboard_rows(
    authors: Mapping[str, str],
    *,
    documents: Mapping[str, int],
    evaluations: Mapping[str, EvalReport],
    retrievals: Mapping[str, RetrievalReport],
    champions: Mapping[str, str],
) -> list[LeaderboardRow]:
    """Return one row per author, the greatest improvement over the base model first, then those without one by name.

    Args:
        authors: Slug to name of every registered author.
        documents: Slug to number of cleaned documents.
        evaluations: Slug to evaluation report.
        retrievals: Slug to retrieval report.
        champions: Slug to the registry version that is champion.

    An author missing from a mapping has not come so far yet, and the row says so.
    """
    rows = []
    for slug, name in authors.items():
        evaluation, retrieval, champion = evaluations.get(slug), retrievals.get(slug), champions.get(slug)
        row = LeaderboardRow(
            author=slug,
            author_name=name,
            state="champion" if champion else "evaluated" if evaluation else "not built yet",
            documents=documents.get(slug),
            champion=champion,
            recall_at_5=retrieval.exact.recall[5] if retrieval else None,
            **_scores(evaluation),
        )
        rows.append(row)
    return sorted(rows, key=_place)


def _scores(evaluation: EvalReport | None) -> dict[str, Any]:
    if evaluation is None:
        return {}
    scores: dict[str, Any] = {
        "perplexity": {model.model: model.perplexity.perplexity for model in evaluation.models},
        "ceiling": evaluation.human.to_own if evaluation.human else None,
    }
    if evaluation.chosen is None:
        return scores
    scores |= {"chosen": evaluation.chosen, "improvement": evaluation.improvement(evaluation.chosen)}
    likeness = evaluation.scores_of(evaluation.chosen).likeness
    if likeness is None:
        return scores
    scores["likeness_own"] = likeness.to_own
    if likeness.nearest_other is not None:
        scores["nearest_other"], scores["likeness_other"] = likeness.nearest_other
    return scores


def _place(row: LeaderboardRow) -> tuple[bool, float, str]:
    return (row.improvement is None, -row.improvement.estimate if row.improvement else 0.0, row.author_name)
