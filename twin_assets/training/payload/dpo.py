"""Preference optimisation with TRL: DPO, or ORPO or KTO in its place.

The model that training starts from is the reference of DPO and KTO. Under an adapter one copy of the weights serves
both, the adapter off; where every weight is trained, a frozen copy stands beside it. What is peculiar to ORPO and to
KTO stands in `orpo.py` and `kto.py`.
"""

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from twin_assets.training.chat_template import answer_message, messages_for
from twin_assets.training.hyperparameters import DPOHyperparameters, PreferenceLoss
from twin_assets.training.payload.adapters import fine_tune, lora_config, steps_of
from twin_assets.training.payload.doubts import Trained
from twin_assets.training.payload.early_stopping import choosing_callbacks, evaluated_rows
from twin_assets.training.payload.kto import unpaired
from twin_assets.training.payload.order import in_seeded_order
from twin_assets.training.payload.orpo import CompletionORPOTrainer, ORPOConfig
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.resuming import checkpoints_folder
from twin_assets.training.payload.rows import Rows
from twin_assets.training.payload.runtime import load_tokenizer, model_to_train, training_arguments
from twin_assets.training.spec import TrainingSpec

REWARDS = {
    "reward_margin": "rewards/margins",
    "reward_accuracy": "rewards/accuracies",
    "reward_chosen": "rewards/chosen",
    "reward_rejected": "rewards/rejected",
}
"""Our name of each reward metric, and TRL's."""


def dpo(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    *,
    folder: Path,
    callback: ReportingCallback,
    validation: Rows | None = None,
) -> Trained:
    """Align the SFT model with the author's own text, and write the result into `folder`.

    Raises:
        TrainingError: If no pair keeps a word of its answers within `max_length`, or what was written does not answer
            like what was trained.
    """
    tokenizer = load_tokenizer(spec)
    trainer = preference_trainer(
        spec, train, test, tokenizer=tokenizer, work=checkpoints_folder(spec), callback=callback, validation=validation
    )
    sequences = wanted_sequences(trainer.train_dataset)
    trained = fine_tune(trainer, spec, tokenizer, sequences=sequences, folder=folder, callback=callback)
    return Trained(probe=trained.probe, metrics={**trained.metrics, **reward_metrics(callback)})


def preference_trainer(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    *,
    tokenizer: PreTrainedTokenizerBase,
    work: Path,
    callback: ReportingCallback,
    validation: Rows | None = None,
) -> Any:
    """Set up the trainer of the loss that is asked for, its rows rendered and tokenized."""
    settings = spec.hyperparameters
    if not isinstance(settings, DPOHyperparameters):
        raise TypeError(f"dpo does not take {type(settings).__name__}")
    rows = _rows_of(settings.loss, train, seed=spec.seed)
    held_out = evaluated_rows(test, validation, settings, lambda part: _rows_of(settings.loss, part, seed=spec.seed))
    arguments = {
        **training_arguments(
            spec,
            work=work,
            steps=steps_of(settings, len(rows)),
            batch_size=settings.batch_size,
            evaluate=bool(test or validation),
        ),
        "beta": settings.beta,
        "max_length": settings.max_length,
    }
    model = model_to_train(spec)
    shared = {
        "model": model,
        "train_dataset": rows,
        "eval_dataset": held_out,
        "processing_class": tokenizer,
        "peft_config": lora_config(settings, model),
        "callbacks": [callback, *choosing_callbacks(settings)],
    }
    needs_copy = not settings.has_adapter and settings.loss != "orpo"
    reference = {"ref_model": model_to_train(spec)} if needs_copy else {}
    trainer: Any
    if settings.loss == "orpo":
        # Each trainer takes columns of its own out of the rows; to leave them be is the default of this one alone.
        trainer = in_seeded_order(CompletionORPOTrainer)(
            args=ORPOConfig(**arguments, remove_unused_columns=False), **shared
        )
    elif settings.loss == "kto":
        trainer = in_seeded_order(KTOTrainer)(args=KTOConfig(**arguments), **shared, **reference)
    else:
        trainer = in_seeded_order(DPOTrainer)(args=DPOConfig(**arguments, **_weighted(settings)), **shared, **reference)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _weighted(settings: DPOHyperparameters) -> dict[str, Any]:
    """Return the losses of DPO: its own and, weighted, the negative log-likelihood per token of what was chosen."""
    losses = {"sigmoid": 1.0, "sft": settings.sft_weight}
    return {
        "loss_type": [name for name, weight in losses.items() if weight],
        "loss_weights": [weight for weight in losses.values() if weight],
    }


def _rows_of(loss: PreferenceLoss, rows: Rows, *, seed: int) -> Dataset:
    return unpaired(rows, seed=seed) if loss == "kto" else pairs(rows)


def pairs(rows: Rows) -> Dataset:
    """Return rows in TRL's conversational preference form."""
    return Dataset.from_list(
        [
            {
                "prompt": messages_for(row["prompt"]),
                "chosen": answer_message(row["chosen"]),
                "rejected": answer_message(row["rejected"]),
            }
            for row in rows
        ]
    )


def wanted_sequences(dataset: Dataset) -> list[list[int]]:
    """Return the token ids of each prompt with the text that is wanted, from the rows of any of the three trainers."""
    if "completion_ids" in dataset.column_names:
        return [row["prompt_ids"] + row["completion_ids"] for row in dataset if row["label"]]
    if "chosen_input_ids" in dataset.column_names:
        return list(dataset["chosen_input_ids"])
    return [row["prompt_ids"] + row["chosen_ids"] for row in dataset]


def reward_metrics(callback: ReportingCallback) -> dict[str, float]:
    """Return the last rewards: on held-out pairs where there are any, else on those trained on."""
    values = {
        name: callback.last(f"eval_{logged}") if callback.last(f"eval_{logged}") is not None else callback.last(logged)
        for name, logged in REWARDS.items()
    }
    return {name: value for name, value in values.items() if value is not None}
