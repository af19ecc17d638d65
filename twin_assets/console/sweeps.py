"""What `twin sweep` does: one run of the job `sweep` for each trial, a table of the results, the best ones stored.

What is tried and how trials are compared stands in `training.sweeping`.
"""

import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import typer

from jobs.jobs import SWEEP_JOB
from resources.artifacts import ArtifactStore
from resources.tracker import Tracker
from twin_assets.collection.author_edits import set_training
from twin_assets.collection.authors import load_author
from twin_assets.console.building import QUIET_LOG
from twin_assets.console.instance import local_instance
from twin_assets.console.progress import RunProgress
from twin_assets.console.runs import end_killed_runs, give_places_back, process_tags
from twin_assets.console.saying import complain, say
from twin_assets.console.tables import print_rows
from twin_assets.console.watching import RunWatch
from twin_assets.definitions import build_defs
from twin_assets.errors import UserError
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.settings import Settings
from twin_assets.training.manifest import MANIFEST
from twin_assets.training.sweeping import METRICS, Sweep, Trial, best_first, read_sweep, settings_of

TRIAL = "sweep_trial"
NEEDED = {"sft": ("base_model", "instruct_dataset"), "dpo": ("base_model", "preference_dataset", "sft_checkpoint")}
"""What the trials of a stage read."""


@dataclass(frozen=True)
class Result:
    """How a trial ended."""

    trial: Trial
    state: str
    """built, reused or failed."""
    figures: dict[str, float]
    why: str = ""
    """Why it failed."""


def run_sweep(author: str, file: Path, *, max_runs: int, store: bool, ask: bool, as_json: bool) -> None:
    """Train the trials of a sweep, print them with the best one first, and store its settings in the author file.

    Exits with status 1 if a trial failed: what is best among the others is printed, and stored, all the same.

    Args:
        author: Slug of the author.
        file: The sweep file.
        max_runs: Most trials that may be trained.
        store: Whether the best settings are written into the author file.
        ask: Whether to ask before training, where somebody sits at the terminal.
        as_json: Whether to print JSON.
    """
    settings = Settings.load()
    sweep, trials = _planned(settings, author, file, max_runs)
    if not as_json:
        say(f"Sweep {sweep.id} of {sweep.stage} for {author}, by {sweep.metric}; trials: {len(trials)}.")
    if ask and sys.stdin.isatty() and not typer.confirm("Train them?", err=True):
        raise UserError("Nothing was trained.")
    with local_instance(settings) as instance, RunProgress(quiet=as_json) as progress:
        results = _run_trials(author, sweep, trials, settings, instance, progress)
    compared = [result for result in results if sweep.metric in result.figures]
    best = best_first([(one.trial, one.figures[sweep.metric]) for one in compared], sweep.metric)
    if best:
        _close(settings, author, sweep, best)
    _print(results, best, author, sweep, as_json=as_json)
    if best and store:
        path = set_training(settings.authors_dir, author, sweep.stage, best[0][0])
        if not as_json:
            say(f"The best settings stand in {path.name} under training: {sweep.stage}. Next: twin build {author}")
    if len(compared) < len(results):
        raise typer.Exit(1)


def _planned(settings: Settings, author: str, file: Path, max_runs: int) -> tuple[Sweep, list[Trial]]:
    """Read a sweep and its trials, and refuse what cannot be trained before anything is.

    Raises:
        UserError: If there is no such author, the file is not usable, or asks for too much.
    """
    own = load_author(settings.authors_dir, author).training
    sweep = read_sweep(file)
    if sweep.size > max_runs:
        raise UserError(
            f"{file} asks for {sweep.size:,} trials, more than {max_runs}: list fewer values, sweep at random, "
            f"or allow it with --max-runs {sweep.size}."
        )
    trials = sweep.trials()
    for trial in trials:
        settings_of(sweep.stage, getattr(own, sweep.stage), trial)
    artifacts = ArtifactStore.from_settings(settings)
    if missing := [asset for asset in NEEDED[sweep.stage] if not _is_there(artifacts, asset, author)]:
        raise UserError(f"{missing[0]} of {author} was never built: run twin build {author} first.")
    return sweep, trials


def _is_there(artifacts: ArtifactStore, asset: str, author: str) -> bool:
    """Return whether there is a base model, or something in the folder of a dataset or checkpoint."""
    if asset == "base_model":
        return artifacts.path(asset, suffix=".json").exists()
    return any((artifacts.path(asset, author) / name).exists() for name in ("train.parquet", MANIFEST))


def _print(
    results: Sequence[Result], best: Sequence[tuple[Trial, float]], author: str, sweep: Sweep, *, as_json: bool
) -> None:
    """Print all trials, the best first, and say why those failed that did."""
    order = [trial for trial, _ in best]
    ranked = sorted(results, key=lambda one: order.index(one.trial) if one.trial in order else len(order))
    print_rows([_row(result, sweep) for result in ranked], title=f"Sweep {sweep.id} of {author}", as_json=as_json)
    for result in ranked:
        if result.why:
            complain(f"{_named(result.trial)}: {result.why}")


def _run_trials(
    author: str,
    sweep: Sweep,
    trials: Sequence[Trial],
    settings: Settings,
    instance: dg.DagsterInstance,
    progress: RunProgress,
) -> list[Result]:
    """Run the trials, each as a run of its own; one that fails does not end the sweep, somebody who does, does.

    Raises:
        UserError: If it is interrupted.
    """
    job = build_defs(settings=settings).resolve_job_def(SWEEP_JOB)
    instance.add_dynamic_partitions(AUTHORS_PARTITION, [author])
    results = []
    for number, trial in enumerate(trials, start=1):
        end_killed_runs(instance, progress.notice)
        run_id = str(uuid.uuid4())
        watch = RunWatch(instance, run_id, progress.event, progress.notice)
        instance.add_event_listener(run_id, watch.hear)
        run = job.execute_in_process(
            run_id=run_id,
            partition_key=author,
            instance=instance,
            tags={"author": author, "stage": "sweep", "sweep": sweep.id, **process_tags()},
            run_config={
                **QUIET_LOG,
                "ops": {TRIAL: {"config": {"sweep": sweep.id, "stage": sweep.stage, "settings": trial}}},
            },
            raise_on_error=False,
        )
        give_places_back(instance, run_id)
        if watch.interrupted:
            raise UserError(
                f"The sweep was interrupted in trial {number} of {len(trials)}: start it again, and it goes on there."
            )
        results.append(_result(trial, run, watch))
    return results


def _result(trial: Trial, run: dg.ExecuteInProcessResult, watch: RunWatch) -> Result:
    if not run.success:
        return Result(trial, "failed", {}, why=" ".join(watch.failures()))
    metadata = run.asset_materializations_for_node(TRIAL)[0].metadata
    figures = {name: float(value.value) for name, value in metadata.items() if isinstance(value.value, int | float)}
    return Result(trial, "reused" if metadata["reused"].value else "built", figures)


def _close(settings: Settings, author: str, sweep: Sweep, best: Sequence[tuple[Trial, float]]) -> None:
    """Log in the sweep's own MLflow run what came of it, and close that run."""
    tracker = Tracker.from_settings(settings)
    tracker.finish_run(
        tracker.sweep_run(author, sweep.id),
        params={"stage": sweep.stage, "method": sweep.method, "metric": sweep.metric, "trials": sweep.size},
        metrics={"trials_compared": float(len(best)), f"best_{sweep.metric}": best[0][1]},
    )


def _row(result: Result, sweep: Sweep) -> dict[str, Any]:
    return {
        "state": result.state,
        **result.trial,
        **{name: _shown(result.figures.get(name)) for name in (sweep.metric, *_beside(sweep))},
        "seconds": result.figures.get("seconds"),
    }


def _beside(sweep: Sweep) -> list[str]:
    """Return the other figures that a person would want to see beside the one that decides."""
    others = ["train_loss"] if sweep.stage == "sft" else list(METRICS)
    return [name for name in others if name != sweep.metric]


def _shown(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _named(trial: Trial) -> str:
    return ", ".join(f"{name} {value}" for name, value in trial.items())
