"""ORPO (Hong et al. 2024) with TRL's trainer, held to this project's target: the answer alone, its end exactly once.

TRL's `ORPOTrainer` is experimental and differs from its other trainers in two things that are put right here: it takes
the likelihood over the prompt, too, and it adds a BOS token that the chat template does not have. A pair whose prompt
fills `max_length` would make its loss NaN and is dropped, as the other trainers drop it.
"""

import warnings
from typing import Any

import torch
from datasets import Dataset

with warnings.catch_warnings():
    # That it may change is known: the version is pinned, and the tests look at its labels.
    warnings.simplefilter("ignore")
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

__all__ = ["CompletionORPOTrainer", "ORPOConfig"]

IGNORED = -100


class CompletionORPOTrainer(ORPOTrainer):  # type: ignore[misc]
    """ORPO whose likelihood term covers the chosen answer and nothing else."""

    train_dataset: Dataset
    eval_dataset: Dataset | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set up the trainer, and drop the pairs that no token of an answer is left of."""
        super().__init__(*args, **kwargs)
        self.train_dataset = self.train_dataset.filter(_has_both_answers)
        if self.eval_dataset is not None:
            self.eval_dataset = self.eval_dataset.filter(_has_both_answers)

    def tokenize_row(self, feature: dict[str, Any], model: object = None) -> dict[str, list[int]]:
        """Return the token ids and labels of a pair that the chat template has been applied to.

        Returns:
            `input_ids`, `attention_mask` and `labels` of chosen and rejected, each with the prompt before it, masked in
            the labels; and the prompt by itself.
        """
        prompt = self._ids(feature["prompt"])
        row = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for answer in ("chosen", "rejected"):
            ids = self._ids(feature["prompt"] + feature[answer])[: self.max_length]
            row[f"{answer}_input_ids"] = ids
            row[f"{answer}_attention_mask"] = [1] * len(ids)
            row[f"{answer}_labels"] = [IGNORED] * min(len(prompt), len(ids)) + ids[len(prompt) :]
        return row

    def concatenated_forward(self, model: Any, batch: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """Return what TRL does, with the likelihood of chosen per token of the answer alone."""
        chosen, rejected, chosen_logits, rejected_logits, _, *more = super().concatenated_forward(model, batch)
        # The log-probabilities are means over each answer: weighted by its tokens, they are the mean over all tokens.
        tokens = (batch["chosen_labels"][:, 1:] != IGNORED).sum(-1).to(chosen.device)
        likelihood = -(chosen * tokens).sum() / tokens.sum()
        return (chosen, rejected, chosen_logits, rejected_logits, likelihood, *more)

    def _ids(self, text: str) -> list[int]:
        return list(self.processing_class(text, add_special_tokens=False)["input_ids"])


def _has_both_answers(row: dict[str, Any]) -> bool:
    return all(any(label != IGNORED for label in row[f"{answer}_labels"]) for answer in ("chosen", "rejected"))
