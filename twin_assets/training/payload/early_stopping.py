"""Early stopping: training ends when the loss on rows held out for choosing no longer falls, and the best weights stay.

The rows it is chosen by are `validation.parquet`. Test rows never choose: a loss that was picked for being the lowest
says too little about rows that nobody picked by. They are evaluated at the same steps and reported as always.

Stopping itself is the Hugging Face trainer's callback; the best weights are those of a checkpoint on the way, which
lies where `resuming` keeps them.
"""

from collections.abc import Callable
from typing import Any

from datasets import Dataset
from transformers import EarlyStoppingCallback, TrainerCallback

from twin_assets.training.hyperparameters import Hyperparameters
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.rows import Rows, patience_of, spread

CHOICES_PER_RUN = 20
"""Evaluations of a run that may end early: its patience is counted in twentieths of the run."""

CHOSEN_BY = "eval_validation_loss"


def choosing_arguments(settings: Hyperparameters, *, steps: int, keep: int) -> dict[str, Any]:
    """Return the trainer's arguments for a training that may end early; none for one that may not."""
    if not patience_of(settings):
        return {}
    every = max(1, steps // CHOICES_PER_RUN)
    return {
        "eval_strategy": "steps",
        "eval_steps": every,
        # What may turn out to be the best has to be saved when it is evaluated.
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": keep + 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": CHOSEN_BY,
        "greater_is_better": False,
        # After an interruption, patience goes on where it was.
        "restore_callback_states_from_checkpoint": True,
    }


def choosing_callbacks(settings: Hyperparameters) -> list[TrainerCallback]:
    """Return what ends the training early, if anything may."""
    patience = patience_of(settings)
    return [EarlyStoppingCallback(early_stopping_patience=patience)] if patience else []


def evaluated_rows(
    test: Rows,
    validation: Rows | None,
    settings: Hyperparameters,
    render: Callable[[Rows], Dataset],
) -> Dataset | dict[str, Dataset] | None:
    """Return what the trainer evaluates on: the test rows, and beside them the rows that are chosen by.

    Args:
        test: Rows of the test side.
        validation: Rows for choosing; empty for a training that may not end early.
        settings: How many rows are evaluated on, of each.
        render: Turns rows into the trainer's dataset.
    """
    limit = settings.max_eval_rows
    if not validation:
        return render(spread(test, limit)) if test else None
    return {
        "validation": render(spread(validation, limit)),
        **({"test": render(spread(test, limit))} if test else {}),
    }


def choice_metrics(trainer: Any, callback: ReportingCallback) -> dict[str, float]:
    """Return when training ended and which weights it kept; nothing for one that could not end early."""
    state = trainer.state
    if not trainer.args.load_best_model_at_end or state.best_global_step is None:
        return {}
    best = float(state.best_global_step)
    kept = {name: value for row in callback.history if row["step"] == best for name, value in row.items()}
    return {
        "steps": float(state.global_step),
        "best_step": best,
        "validation_loss": float(state.best_metric),
        **({"eval_loss": kept["eval_loss"]} if "eval_loss" in kept else {}),
    }
