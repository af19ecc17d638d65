"""Supervised fine-tuning with TRL and a LoRA adapter.

Rows become a conversational prompt and completion; TRL renders both with the project's chat template and takes the loss
on the completion alone: the author's words and the EOS after them.
"""

from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from twin_assets.training.chat_template import answer_message, messages_for
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.payload.adapters import lora_config, steps_of, train_adapter
from twin_assets.training.payload.doubts import Trained
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.rows import Rows, spread
from twin_assets.training.payload.runtime import dtype_for, load_model, load_tokenizer, training_arguments
from twin_assets.training.spec import TrainingSpec


def sft(spec: TrainingSpec, train: Rows, test: Rows, *, folder: Path, callback: ReportingCallback) -> Trained:
    """Fine-tune the base model on instruction and answer, and write the adapter and the merged model into `folder`.

    Raises:
        TrainingError: If no row keeps a word of its answer within `max_length`, or the merge fails its test.
    """
    tokenizer = load_tokenizer(spec)
    trainer = sft_trainer(spec, train, test, tokenizer=tokenizer, work=folder / "work", callback=callback)
    sequences = list(trainer.train_dataset["input_ids"])
    trained = train_adapter(trainer, spec, tokenizer, sequences=sequences, folder=folder, callback=callback)
    # A row that was cut off has lost its EOS: many of them, and the model does not learn to stop.
    cut_off = sum(ids[-1] != tokenizer.eos_token_id for ids in sequences)
    return Trained(probe=trained.probe, metrics={**trained.metrics, "rows_cut_off": float(cut_off)})


def sft_trainer(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    *,
    tokenizer: PreTrainedTokenizerBase,
    work: Path,
    callback: ReportingCallback,
) -> SFTTrainer:
    """Set up the trainer, its dataset rendered, tokenized and masked."""
    settings = spec.hyperparameters
    if not isinstance(settings, SFTHyperparameters):
        raise TypeError(f"sft does not take {type(settings).__name__}")
    trainer = SFTTrainer(
        model=load_model(spec, dtype_for(settings.precision)),
        args=SFTConfig(
            **training_arguments(
                spec,
                work=work,
                steps=steps_of(settings, len(train)),
                batch_size=settings.batch_size,
                evaluate=bool(test),
            ),
            gradient_accumulation_steps=settings.gradient_accumulation,
            # Rows of like length share a batch: little time is spent on padding.
            train_sampling_strategy="group_by_length",
            max_length=settings.max_length,
            completion_only_loss=True,
        ),
        train_dataset=conversations(train),
        eval_dataset=conversations(spread(test, settings.max_eval_rows)) if test else None,
        processing_class=tokenizer,
        peft_config=lora_config(settings),
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def conversations(rows: Rows) -> Dataset:
    """Return rows in TRL's conversational prompt-completion form."""
    return Dataset.from_list(
        [{"prompt": messages_for(row["instruction"]), "completion": answer_message(row["answer"])} for row in rows]
    )
