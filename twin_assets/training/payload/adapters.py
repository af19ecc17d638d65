"""LoRA adapters: how they are set up and trained, and how they become one with the model they were trained on.

The merge starts from the base model and the adapter as they lie on disk, not from the trainer's memory: what is tested
is what will be loaded. Which loss is trained belongs to the stages.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import ADAPTER
from twin_assets.training.payload.doubts import Probe, Trained, largest_difference, logits_of
from twin_assets.training.payload.launcher import number_of_processes
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.runtime import dtype_for, load_model
from twin_assets.training.spec import TrainingError, TrainingSpec

AdapterHyperparameters = SFTHyperparameters | DPOHyperparameters

# Progress is reported by the callback; a bar per preparation step would only clutter the log.
datasets.disable_progress_bars()

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Largest difference between merged and adapter logits, relative to the largest logit: rounding, with some room."""


def lora_config(settings: AdapterHyperparameters) -> LoraConfig:
    """Return the adapter's configuration: on every linear layer but the output layer."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear",
        bias="none",
    )


def steps_of(settings: AdapterHyperparameters, rows: int) -> int:
    """Return the optimizer steps of a run over `rows` rows."""
    per_step = settings.batch_size * settings.gradient_accumulation * number_of_processes()
    return min(settings.max_steps, math.ceil(settings.epochs * rows / per_step))


def train_adapter(
    trainer: Any,
    spec: TrainingSpec,
    tokenizer: PreTrainedTokenizerBase,
    *,
    sequences: Sequence[Sequence[int]],
    folder: Path,
    callback: ReportingCallback,
) -> Trained:
    """Train, and write the adapter and the merged model with its tokenizer into `folder`.

    Args:
        trainer: A TRL trainer that wrapped its model in an adapter.
        spec: The run.
        tokenizer: Tokenizer with the project's chat template.
        sequences: Token ids of the rows that are trained on.
        folder: Where the checkpoint is written.
        callback: What the trainer reports to.

    Raises:
        TrainingError: If there is nothing to train on, or the merged model does not answer like the adapter.
    """
    settings = spec.hyperparameters
    if not isinstance(settings, AdapterHyperparameters):
        raise TypeError(f"an adapter is not trained with {type(settings).__name__}")
    if not sequences:
        raise TrainingError("Every prompt alone fills max_length: raise it, or shorten the instructions.")
    trainer.train()
    model = trainer.accelerator.unwrap_model(trainer.model)
    trainable, _ = model.get_nb_trainable_parameters()
    probe = [list(ids)[: settings.max_length] for ids in sequences[:2]]
    tokens = callback.last("num_tokens")
    metrics = {
        **callback.summary(),
        "train_rows": float(len(sequences)),
        "steps": float(trainer.state.max_steps),
        **({} if tokens is None else {"tokens": tokens}),
        "trainable_parameters": float(trainable),
    }
    if trainer.is_world_process_zero():
        model.save_pretrained(folder / ADAPTER)
        (folder / ADAPTER / "README.md").unlink(missing_ok=True)
        merged, difference = merge_adapter(spec, folder / ADAPTER, probe=probe)
        metrics["merge_difference"] = difference
        _stop_at_eos(merged, tokenizer)
        merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return Trained(probe=probe, metrics=metrics)


def merge_adapter(spec: TrainingSpec, adapter: Path, *, probe: Probe) -> tuple[PreTrainedModel, float]:
    """Merge an adapter into the base model.

    Args:
        spec: The run that trained the adapter: names the base model.
        adapter: Folder of the adapter.
        probe: Token ids on which both must agree.

    Returns:
        The merged model, and the largest difference of its logits to the adapter's, relative to the largest logit.

    Raises:
        TrainingError: If the merged model does not answer like the adapter.
    """
    dtype = dtype_for(spec.hyperparameters.precision)
    adapted = PeftModel.from_pretrained(load_model(spec, dtype), adapter).eval()
    expected = logits_of(adapted, probe)
    merged: PreTrainedModel = adapted.merge_and_unload()
    difference = largest_difference(expected, logits_of(merged, probe))
    if not difference <= TOLERANCE[dtype]:
        raise TrainingError(
            f"The merged model differs from its adapter by {difference:.2g} of the largest logit "
            f"(allowed: {TOLERANCE[dtype]:g}): train in a higher precision."
        )
    return merged, difference


def _stop_at_eos(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make generation stop at the EOS that was learnt, whatever else the base model stops at."""
    stops = model.generation_config.eos_token_id
    stops = stops if isinstance(stops, list) else [] if stops is None else [stops]
    if tokenizer.eos_token_id not in stops:
        model.generation_config.eos_token_id = [tokenizer.eos_token_id, *stops]
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
