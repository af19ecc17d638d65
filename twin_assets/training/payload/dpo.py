"""Direct preference optimisation with TRL and a LoRA adapter.

The model that training starts from, its adapter off, is the reference: one copy of the weights serves both.
"""

from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer

from twin_assets.training.chat_template import answer_message, messages_for
from twin_assets.training.hyperparameters import DPOHyperparameters
from twin_assets.training.payload.adapters import lora_config, steps_of, train_adapter
from twin_assets.training.payload.doubts import Trained
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.rows import Rows, spread
from twin_assets.training.payload.runtime import dtype_for, load_model, load_tokenizer, training_arguments
from twin_assets.training.spec import TrainingSpec

REWARDS = {
    "reward_margin": "rewards/margins",
    "reward_accuracy": "rewards/accuracies",
    "reward_chosen": "rewards/chosen",
    "reward_rejected": "rewards/rejected",
}
"""Our name of each reward metric, and TRL's."""


def dpo(spec: TrainingSpec, train: Rows, test: Rows, *, folder: Path, callback: ReportingCallback) -> Trained:
    """Align the SFT model with the author's own text, and write the adapter and the merged model into `folder`.

    Raises:
        TrainingError: If no pair keeps a word of its answers within `max_length`, or the merge fails its test.
    """
    tokenizer = load_tokenizer(spec)
    trainer = dpo_trainer(spec, train, test, tokenizer=tokenizer, work=folder / "work", callback=callback)
    probe = [row["prompt_ids"] + row["chosen_ids"] for row in trainer.train_dataset]
    trained = train_adapter(trainer, spec, tokenizer, sequences=probe, folder=folder, callback=callback)
    return Trained(probe=trained.probe, metrics={**trained.metrics, **reward_metrics(callback)})


def dpo_trainer(
    spec: TrainingSpec,
    train: Rows,
    test: Rows,
    *,
    tokenizer: PreTrainedTokenizerBase,
    work: Path,
    callback: ReportingCallback,
) -> DPOTrainer:
    """Set up the trainer, its pairs rendered and tokenized.

    The loss is that of DPO plus, weighted, the negative log-likelihood per token of what was chosen.
    """
    settings = spec.hyperparameters
    if not isinstance(settings, DPOHyperparameters):
        raise TypeError(f"dpo does not take {type(settings).__name__}")
    losses = {"sigmoid": 1.0, "sft": settings.sft_weight}
    trainer = DPOTrainer(
        model=load_model(spec, dtype_for(settings.precision)),
        args=DPOConfig(
            **training_arguments(
                spec,
                work=work,
                steps=steps_of(settings, len(train)),
                batch_size=settings.batch_size,
                evaluate=bool(test),
            ),
            gradient_accumulation_steps=settings.gradient_accumulation,
            beta=settings.beta,
            loss_type=[name for name, weight in losses.items() if weight],
            loss_weights=[weight for weight in losses.values() if weight],
            max_length=settings.max_length,
        ),
        train_dataset=pairs(train),
        eval_dataset=pairs(spread(test, settings.max_eval_rows)) if test else None,
        processing_class=tokenizer,
        peft_config=lora_config(settings),
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


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


def reward_metrics(callback: ReportingCallback) -> dict[str, float]:
    """Return the last rewards: on held-out pairs where there are any, else on those trained on."""
    values = {
        name: callback.last(f"eval_{logged}") if callback.last(f"eval_{logged}") is not None else callback.last(logged)
        for name, logged in REWARDS.items()
    }
    return {name: value for name, value in values.items() if value is not None}
