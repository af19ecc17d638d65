"""Fine-tuning from its first step to the files: through an adapter that is merged at the end, or of every weight.

The merge starts from the base model and the adapter as they lie on disk, not from the trainer's memory: what is tested
is what will be loaded. What was trained is given back before. Which loss is trained belongs to the stages.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from peft import LoraConfig, PeftModel
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from twin_assets.training.hyperparameters import ALL_LINEAR, FineTuning
from twin_assets.training.manifest import ADAPTER
from twin_assets.training.payload.distributed import end_together, gathered_weights
from twin_assets.training.payload.doubts import Probe, Trained, largest_difference, logits_of
from twin_assets.training.payload.early_stopping import choice_metrics
from twin_assets.training.payload.launcher import number_of_processes
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.resuming import train_resumably
from twin_assets.training.payload.runtime import dtype_for, load_model
from twin_assets.training.spec import TrainingError, TrainingSpec

Weights = dict[str, torch.Tensor]
"""What ZeRO-3 had divided, brought together."""

# Progress is reported by the callback; a bar per preparation step would only clutter the log.
datasets.disable_progress_bars()

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Largest difference between logits that should be equal, relative to the largest logit: rounding, with some room.

bfloat16 keeps 8 bits, so that a weight is off by up to 0.2 % once the adapter has been added to it, and so is each sum
over the layers; 5 % of the largest logit holds what tens of layers make of that. It holds for 4 bits as well, because
what the merge starts from is then the very weights that the adapter was trained on, written out in bfloat16.
"""


def lora_config(settings: FineTuning, model: PreTrainedModel) -> LoraConfig | None:
    """Return the adapter's configuration; None if every weight is trained.

    Raises:
        TrainingError: If a layer that is to have an adapter is not there, or is the output layer, whose weights the
            loss reads past the adapter.
    """
    if not settings.has_adapter:
        return None
    targets: str | list[str] = settings.target_modules.strip()
    if targets != ALL_LINEAR:
        targets = [name.strip() for name in settings.target_modules.split(",")]
        output = model.get_output_embeddings()
        there = {
            name for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not output
        }
        for target in targets:
            if not any(name == target or name.endswith(f".{target}") for name in there):
                known = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in there}))
                raise TrainingError(
                    f"target_modules names {target}, which this model has no such layer of: use {known}."
                )
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        bias="none",
    )


def steps_of(settings: FineTuning, rows: int) -> int:
    """Return the optimizer steps of a run over `rows` rows; packed, a row is a whole sequence."""
    per_step = settings.batch_size * settings.gradient_accumulation * number_of_processes()
    return min(settings.max_steps, math.ceil(settings.epochs * rows / per_step))


def fine_tune(
    trainer: Any,
    spec: TrainingSpec,
    tokenizer: PreTrainedTokenizerBase,
    *,
    sequences: Sequence[Sequence[int]],
    folder: Path,
    callback: ReportingCallback,
) -> Trained:
    """Train, and write the model with its tokenizer into `folder`, and the adapter, if there is one, beside it.

    Args:
        trainer: A TRL trainer.
        spec: The run.
        tokenizer: Tokenizer with the project's chat template.
        sequences: Token ids of the rows that are trained on.
        folder: Where the checkpoint is written.
        callback: What the trainer reports to.

    Raises:
        TrainingError: If there is nothing to train on, or the model that was written does not answer like the one that
            was trained.
    """
    settings = spec.hyperparameters
    if not isinstance(settings, FineTuning):
        raise TypeError(f"fine-tuning does not take {type(settings).__name__}")
    if not sequences:
        raise TrainingError("Every prompt alone fills max_length: raise it, or shorten the instructions.")
    train_resumably(trainer, spec, callback)
    model = trainer.accelerator.unwrap_model(trainer.model)
    trainable = sum(getattr(part, "ds_numel", part.numel()) for part in model.parameters() if part.requires_grad)
    probe = [list(ids)[: settings.max_length] for ids in sequences[:2]]
    tokens = callback.last("num_tokens")
    metrics = {
        **callback.summary(),
        "train_rows": float(len(sequences)),
        "steps": float(trainer.state.max_steps),
        **({} if tokens is None else {"tokens": tokens}),
        "trainable_parameters": float(trainable),
        **choice_metrics(trainer, callback),
    }
    weights = gathered_weights(trainer)
    end_together(trainer)
    trainer.optimizer.state.clear()
    if trainer.is_world_process_zero():
        write = _write_merged if settings.has_adapter else _write_whole
        metrics |= write(spec, model, tokenizer, probe=probe, folder=folder, weights=weights)
        tokenizer.save_pretrained(folder)
    return Trained(probe=probe, metrics=metrics)


def _write_merged(
    spec: TrainingSpec,
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    probe: Probe,
    folder: Path,
    weights: Weights | None,
) -> dict[str, float]:
    model.save_pretrained(folder / ADAPTER, state_dict=weights)
    (folder / ADAPTER / "README.md").unlink(missing_ok=True)
    release(model)
    merged, difference = merge_adapter(spec, folder / ADAPTER, probe=probe)
    _stop_at_eos(merged, tokenizer)
    merged.save_pretrained(folder)
    release(merged)
    return {"merge_difference": difference}


def _write_whole(
    spec: TrainingSpec,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    probe: Probe,
    folder: Path,
    weights: Weights | None,
) -> dict[str, float]:
    """Write a model that was trained as a whole, in the run's precision, and hold what was written against it."""
    dtype = dtype_for(spec.hyperparameters.precision)
    expected = logits_of(model.eval(), probe)
    _stop_at_eos(model, tokenizer)
    model.to(dtype).save_pretrained(folder)
    written = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(model.device).eval()
    difference = largest_difference(expected, logits_of(written, probe))
    if not difference <= TOLERANCE[dtype]:
        raise TrainingError(
            f"The model that was written differs from the trained one by {difference:.2g} of the largest logit "
            f"(allowed: {TOLERANCE[dtype]:g}): set precision to fp32."
        )
    return {"written_difference": difference}


def merge_adapter(spec: TrainingSpec, adapter: Path, *, probe: Probe) -> tuple[PreTrainedModel, float]:
    """Merge an adapter into the base model that it was trained on.

    A base in 4 bits is written out in full first, so that what comes out is the model that was trained: merged into the
    weights from before the quantisation, the adapter would also correct errors that are not there; merged into 4 bits,
    most of it would be rounded away.

    Args:
        spec: The run that trained the adapter: names the base model.
        adapter: Folder of the adapter.
        probe: Token ids on which both must agree.

    Returns:
        The merged model, and the largest difference of its logits to the adapter's, relative to the largest logit.

    Raises:
        TrainingError: If the merged model does not answer like the adapter.
    """
    settings = spec.hyperparameters
    dtype = dtype_for(settings.precision)
    in_4_bits = isinstance(settings, FineTuning) and settings.method == "qlora"
    adapted = PeftModel.from_pretrained(load_model(spec, dtype, in_4_bits=in_4_bits), adapter).eval()
    expected = logits_of(adapted, probe)
    if in_4_bits:
        release(adapted)
        whole = load_model(spec, dtype, in_4_bits=True).dequantize().to(dtype)
        adapted = PeftModel.from_pretrained(whole, adapter).eval()
    merged: PreTrainedModel = adapted.merge_and_unload()
    difference = largest_difference(expected, logits_of(merged, probe))
    if not difference <= TOLERANCE[dtype]:
        raise TrainingError(
            f"The merged model differs from its adapter by {difference:.2g} of the largest logit "
            f"(allowed: {TOLERANCE[dtype]:g}): train in a higher precision."
        )
    return merged, difference


def release(model: nn.Module) -> None:
    """Give back the memory of a model that is not needed any more, whoever still holds on to it.

    A trainer has its model in many places, and they hold each other: only emptied tensors are gone at once.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.grad = None
        tensor.data = tensor.data.new_empty(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _stop_at_eos(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make generation stop at the EOS that was learnt, whatever else the base model stops at."""
    stops = model.generation_config.eos_token_id
    stops = stops if isinstance(stops, list) else [] if stops is None else [stops]
    if tokenizer.eos_token_id not in stops:
        model.generation_config.eos_token_id = [tokenizer.eos_token_id, *stops]
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
