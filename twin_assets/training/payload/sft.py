"""Supervised fine-tuning with TRL.

Rows become a conversational prompt and completion; TRL renders both with the project's chat template and takes the loss
on the completion alone: the author's words and the EOS after them. Packed, several of them lie in one sequence, and the
positions, which begin anew with each, keep them from seeing each other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from twin_assets.training.chat_template import answer_message, messages_for
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.payload.adapters import TOLERANCE, fine_tune, lora_config, steps_of
from twin_assets.training.payload.doubts import Trained, samples_are_apart
from twin_assets.training.payload.early_stopping import choosing_callbacks, evaluated_rows
from twin_assets.training.payload.order import in_seeded_order
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.resuming import checkpoints_folder
from twin_assets.training.payload.rows import Rows
from twin_assets.training.payload.runtime import (
    FOLLOW_FROM_STEPS,
    load_tokenizer,
    model_to_train,
    training_arguments,
)
from twin_assets.training.spec import TrainingError, TrainingSpec

IGNORED = -100
SAMPLE = 32
"""Tokens of a sample that packing is tried on."""


def sft(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    *,
    folder: Path,
    callback: ReportingCallback,
    validation: Rows | None = None,
) -> Trained:
    """Fine-tune the base model on instruction and answer, and write the result into `folder`.

    Raises:
        TrainingError: If no row keeps a word of its answer within `max_length`, packed rows would see each other, or
            what was written does not answer like what was trained.
    """
    tokenizer = load_tokenizer(spec)
    trainer = sft_trainer(
        spec, train, test, tokenizer=tokenizer, work=checkpoints_folder(spec), callback=callback, validation=validation
    )
    sequences = rows_within(trainer.train_dataset)
    trained = fine_tune(trainer, spec, tokenizer, sequences=sequences, folder=folder, callback=callback)
    # A row that was cut off has lost its EOS: many of them, and the model does not learn to stop.
    cut_off = sum(ids[-1] != tokenizer.eos_token_id for ids in sequences)
    packed = {"packed_sequences": float(len(trainer.train_dataset))} if trainer.args.packing else {}
    return Trained(probe=trained.probe, metrics={**trained.metrics, **packed, "rows_cut_off": float(cut_off)})


def sft_trainer(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    *,
    tokenizer: PreTrainedTokenizerBase,
    work: Path,
    callback: ReportingCallback,
    validation: Rows | None = None,
) -> SFTTrainer:
    """Set up the trainer, its dataset rendered, tokenized, masked and, if asked for, packed."""
    settings = spec.hyperparameters
    if not isinstance(settings, SFTHyperparameters):
        raise TypeError(f"sft does not take {type(settings).__name__}")
    model = model_to_train(spec)

    def arguments(rows: int) -> dict[str, Any]:
        steps, evaluate = steps_of(settings, rows), bool(test or validation)
        return training_arguments(spec, work=work, steps=steps, batch_size=settings.batch_size, evaluate=evaluate)

    trainer = in_seeded_order(SFTTrainer)(
        model=model,
        args=SFTConfig(
            **arguments(len(train)),
            # Rows of like length share a batch: little time is spent on padding. Packed, they are of one length.
            train_sampling_strategy="random" if settings.packing else "group_by_length",
            max_length=settings.max_length,
            completion_only_loss=True,
            packing=settings.packing,
            # Held-out rows stay as they are, so that their loss can be compared with that of a run without packing.
            eval_packing=False,
            neftune_noise_alpha=settings.neftune_alpha or None,
        ),
        train_dataset=conversations(train),
        eval_dataset=evaluated_rows(test, validation, settings, conversations),
        processing_class=tokenizer,
        peft_config=lora_config(settings, model),
        callbacks=[callback, *choosing_callbacks(settings)],
    )
    trainer.remove_callback(PrinterCallback)
    if settings.packing:
        # Only now is it known how many sequences the rows make.
        planned = arguments(max(1, len(trainer.train_dataset)))
        for name in FOLLOW_FROM_STEPS:
            setattr(trainer.args, name, planned[name])
        # Under ZeRO-3 no process holds whole weights before training begins. The model is the same as without.
        if not is_deepspeed_zero3_enabled():
            refuse_contamination(trainer, rows_within(trainer.train_dataset)[:2])
    return trainer


def conversations(rows: Rows) -> Dataset:
    """Return rows in TRL's conversational prompt-completion form."""
    return Dataset.from_list(
        [{"prompt": messages_for(row["instruction"]), "completion": answer_message(row["answer"])} for row in rows]
    )


def rows_within(dataset: Dataset) -> list[list[int]]:
    """Return the token ids of each row that has something to learn, also of those that share a sequence."""
    if "seq_lengths" not in dataset.column_names:
        return list(dataset["input_ids"])
    rows = []
    for sequence in dataset:
        start = 0
        for length in sequence["seq_lengths"]:
            end = start + length
            if any(label != IGNORED for label in sequence["labels"][start:end]):
                rows.append(sequence["input_ids"][start:end])
            start = end
    return rows


def refuse_contamination(trainer: Any, rows: Sequence[Sequence[int]]) -> None:
    """Make sure that two packed samples do not see each other in the model that is to be trained.

    Raises:
        TrainingError: If one of them is answered otherwise than it would be alone.
    """
    samples = [list(ids)[:SAMPLE] for ids in rows]
    on_cpu_in_32_bits = trainer.model.device.type == "cpu" and trainer.model.dtype == torch.float32
    tolerance = TOLERANCE[torch.float32 if on_cpu_in_32_bits else torch.bfloat16]
    if len(samples) > 1 and not samples_are_apart(trainer.model, trainer.data_collator, samples, tolerance=tolerance):
        raise TrainingError(
            f"Packed rows would see each other in {type(trainer.model).__name__} with attention "
            f"{trainer.model.config._attn_implementation}: set packing to false."  # noqa: SLF001 - it has no other name
        )
