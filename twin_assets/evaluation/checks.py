"""Checks of evaluation: every model was measured, and the twin is worth having."""

import dagster as dg

from twin_assets.checks import verdict
from twin_assets.evaluation.assets import eval_report, leaderboard, retrieval_report, style_profile
from twin_assets.evaluation.reports import EvalReport, Leaderboard, RetrievalReport
from twin_assets.evaluation.stylometry import StyleProfile
from twin_assets.partitions import authors_partitions

MIN_PROFILE_WORDS = 2_000
"""Words of prose under which function-word frequencies are mostly noise (Eder 2015, 'Does size matter?')."""

MIN_RECALL_AT_5 = 0.6
"""Sentence recall@5 under which a twin would rarely be shown what its author wrote."""


@dg.asset_check(asset=style_profile, partitions_def=authors_partitions)
def enough_prose(style_profile: StyleProfile) -> dg.AssetCheckResult:
    """The profile rests on enough prose to mean something."""
    return verdict(
        passed=style_profile.n_words >= MIN_PROFILE_WORDS,
        expected=f"at least {MIN_PROFILE_WORDS:,} words of prose",
        actual=f"{style_profile.n_words:,} words",
        severity=dg.AssetCheckSeverity.WARN,
    )


@dg.asset_check(asset=eval_report, partitions_def=authors_partitions, blocking=True)
def every_model_was_measured(eval_report: EvalReport) -> dg.AssetCheckResult:
    """Base model, SFT and DPO were measured on the same documents."""
    read = {scores.model: {loss.document_id for loss in scores.perplexity.documents} for scores in eval_report.models}
    same = len({frozenset(documents) for documents in read.values()}) == 1
    return verdict(
        passed=set(read) == {"base", "sft", "dpo"} and same,
        expected="base, sft and dpo on the same documents",
        actual=", ".join(f"{model} on {len(documents)}" for model, documents in read.items()),
    )


@dg.asset_check(asset=eval_report, partitions_def=authors_partitions)
def sft_beats_the_base_model(eval_report: EvalReport) -> dg.AssetCheckResult:
    """SFT is less surprised by the author's held-out text than the base model, outside the noise."""
    gain = eval_report.improvement("sft")
    return verdict(
        passed=gain.low > 0,
        expected="a perplexity lower than the base model's, with the whole interval",
        actual=f"{gain.estimate:.1f} % lower ({gain.low:.1f} to {gain.high:.1f})",
        severity=dg.AssetCheckSeverity.WARN,
    )


@dg.asset_check(asset=eval_report, partitions_def=authors_partitions)
def likeness_was_measured(eval_report: EvalReport) -> dg.AssetCheckResult:
    """Every model wrote enough prose to be compared with the author; without that, no model replaces a champion."""
    without = [scores.model for scores in eval_report.models if scores.likeness is None]
    return verdict(
        passed=not without,
        expected="the likeness of every model",
        actual=f"none of {', '.join(without)}: {eval_report.likeness_note}" if without else "all of them",
        severity=dg.AssetCheckSeverity.WARN,
    )


@dg.asset_check(asset=retrieval_report, partitions_def=authors_partitions)
def finds_the_authors_sentences(retrieval_report: RetrievalReport) -> dg.AssetCheckResult:
    """Sentences of the corpus are found among the first five passages."""
    recall = retrieval_report.exact.recall[5].estimate
    return verdict(
        passed=recall >= MIN_RECALL_AT_5,
        expected=f"recall@5 of at least {MIN_RECALL_AT_5}",
        actual=f"{recall:.2f} over {retrieval_report.exact.n_queries} sentences",
        severity=dg.AssetCheckSeverity.WARN,
    )


@dg.asset_check(asset=leaderboard)
def somebody_was_evaluated(leaderboard: Leaderboard) -> dg.AssetCheckResult:
    """At least one author has a row with figures."""
    evaluated = sum(row.improvement is not None for row in leaderboard.rows)
    return verdict(
        passed=evaluated > 0,
        expected="at least 1 evaluated author",
        actual=f"{evaluated} of {len(leaderboard.rows)}",
        severity=dg.AssetCheckSeverity.WARN,
    )
