"""The doubts that remain after the last step: two models that should agree, a checkpoint that reads back wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from twin_assets.training.spec import TrainingError

Probe = Sequence[Sequence[int]]
"""A few sequences of token ids on which models are compared."""


@dataclass(frozen=True)
class Trained:
    """What a stage hands back beside the files it wrote."""

    metrics: dict[str, float]
    probe: Probe


def logits_of(model: PreTrainedModel, probe: Probe) -> list[torch.Tensor]:
    """Return a model's logits on each sequence, float32 of shape (tokens, vocabulary)."""
    with torch.no_grad():
        return [
            model(input_ids=torch.tensor([list(ids)], device=model.device)).logits[0].float().cpu() for ids in probe
        ]


def largest_difference(expected: Sequence[torch.Tensor], actual: Sequence[torch.Tensor]) -> float:
    """Return the largest difference between logits, relative to the largest logit; NaN if any is NaN."""
    scale = max(logits.abs().max().item() for logits in expected)
    differences = [(a - b).abs().max() for a, b in zip(expected, actual, strict=True)]
    return torch.stack(differences).max().item() / max(scale, 1e-12)


def samples_are_apart(model: PreTrainedModel, collate: Callable[..., Any], probe: Probe, *, tolerance: float) -> bool:
    """Return whether samples that are packed into one sequence are answered as each would be alone.

    What keeps them apart is made of their positions by the model's own attention mask, which not every architecture
    makes: so it is measured, on the model that is to be trained.

    Args:
        model: The model, in any precision.
        collate: The trainer's data collator, which packs.
        probe: Token ids of two samples.
        tolerance: Largest difference, relative to the largest logit, that is still rounding.
    """
    packed = [token for ids in probe for token in ids]
    batch = collate([{"input_ids": packed, "labels": packed, "seq_lengths": [len(ids) for ids in probe]}])
    inputs = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
        if name != "labels"
    }
    training = model.training
    model.eval()
    with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda"):
        together = model(**inputs, use_cache=False).logits[0].float().cpu()
        alone = [
            model(input_ids=torch.tensor([list(ids)], device=model.device), use_cache=False).logits[0].float().cpu()
            for ids in probe
        ]
    model.train(training)
    return largest_difference([torch.cat(alone)], [together]) <= tolerance


def read_back(folder: Path, probe: Probe, *, chat_template: str) -> int:
    """Load a finished checkpoint as everyone else will, and use it once.

    Returns:
        The number of its parameters.

    Raises:
        TrainingError: If it cannot be loaded, answers with something else than numbers, or lost its chat template.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise TrainingError(f"The checkpoint that was written cannot be read back: {error}.") from error
    if not all(torch.isfinite(logits).all() for logits in logits_of(model, probe)):
        raise TrainingError("The trained model answers with NaN or infinity: lower the learning rate.")
    if tokenizer.chat_template != chat_template:
        raise TrainingError("The checkpoint that was written lost its chat template: report this as a fault.")
    return int(model.num_parameters())
