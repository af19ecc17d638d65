"""What an evaluation asset hands on besides its report: a page to read, an MLflow run, and figures to plot.

What is measured, and how a page looks, do not belong here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.tracker import DatasetUsed, Tracker
from twin_assets.evaluation.reports import EvalReport
from twin_assets.reporting import readable
from twin_assets.tracking import open_stage

STAGES = {"eval_report": "evaluation", "retrieval_report": "retrieval"}
"""Name of an asset's run in MLflow."""


def publish(
    context: dg.AssetExecutionContext,
    asset: str,
    *,
    page: str,
    figures: Mapping[str, float],
    artifacts: ArtifactStore,
    tracker: Tracker,
    inputs: Sequence[DatasetUsed] = (),
) -> dict[str, Any]:
    """Write a report's page, log it with its figures to MLflow, and return the metadata that leads to both.

    Args:
        context: The step.
        asset: Name of the report.
        page: HTML for a person.
        figures: Numbers to plot, by name.
        artifacts: Where the page goes.
        tracker: MLflow.
        inputs: What was measured on.
    """
    author = context.partition_key
    page_path = artifacts.path(asset, author, ".html")
    artifacts.write_text(page_path, page)
    run_id = open_stage(context, tracker, STAGES[asset], author=author, inputs=inputs)
    tracker.finish_run(run_id, metrics=figures, files={f"{asset}.html": page.encode()})
    return {
        "dagster/uri": str(artifacts.path(asset, author, ".json")),
        "page": dg.MetadataValue.path(str(page_path)),
        "mlflow_run": dg.MetadataValue.url(tracker.run_url(run_id)),
        **readable(figures),
    }


def figures_of(report: EvalReport) -> dict[str, float]:
    """Return the numbers of an evaluation that a person would plot, under keys that never change."""
    figures: dict[str, float] = {}
    for scores in report.models:
        figures[f"perplexity_{scores.model}"] = scores.perplexity.perplexity.estimate
        figures[f"bits_per_byte_{scores.model}"] = scores.perplexity.bits_per_byte.estimate
        if scores.likeness:
            figures[f"delta_own_{scores.model}"] = scores.likeness.to_own.estimate
            if scores.likeness.nearest_other:
                figures[f"delta_nearest_other_{scores.model}"] = scores.likeness.nearest_other[1].estimate
    if report.human:
        figures["delta_own_human"] = report.human.to_own.estimate
        if report.human.nearest_other:
            figures["delta_nearest_other_human"] = report.human.nearest_other[1].estimate
    return figures
