"""The offline base model: a byte-level BPE tokenizer and a small Llama-architecture model, trained from nothing.

It stands in for a model from a hub where there is none to download. It is undertrained by design: a minute of CPU time
teaches it what the writers' language looks like, and leaves room for what fine-tuning adds.
"""

import math
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from twin_assets.training.chat_template import CHAT_TEMPLATES, CHATML, ChatTemplate
from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets.training.payload.doubts import Trained
from twin_assets.training.payload.launcher import number_of_processes
from twin_assets.training.payload.reporting import ReportingCallback
from twin_assets.training.payload.resuming import checkpoints_folder, train_resumably
from twin_assets.training.payload.rows import Rows, spread
from twin_assets.training.payload.runtime import dtype_for, training_arguments
from twin_assets.training.spec import TrainingError, TrainingSpec

PAD = "<|pad|>"
END_OF_TEXT = "<|endoftext|>"
"""The EOS of a tokenizer whose chat template has no marker of its own for the end of a turn."""


def pretrain(spec: TrainingSpec, train: Rows, test: Rows, *, folder: Path, callback: ReportingCallback) -> Trained:
    """Train the tokenizer and the model, and write both into `folder`.

    Raises:
        TrainingError: If the texts do not fill the context, or one block.
    """
    settings = spec.hyperparameters
    if not isinstance(settings, PretrainHyperparameters):
        raise TypeError(f"pretrain does not take {type(settings).__name__}")
    texts = [row["text"] for row in train]
    tokenizer = train_tokenizer(texts, settings, CHAT_TEMPLATES[spec.chat_template])
    model = new_model(tokenizer, settings)
    tokens = encode(tokenizer, texts, seed=spec.seed)
    if len(tokens) <= settings.context_length:
        raise TrainingError(
            f"The texts are {len(tokens)} tokens long and do not fill the context of {settings.context_length}: "
            "add documents, or lower context_length."
        )
    held_out = blocks_of(encode(tokenizer, [row["text"] for row in test], seed=spec.seed), settings.context_length)
    steps = max(1, int(min(settings.token_budget, settings.max_epochs * len(tokens))) // settings.tokens_per_step)
    batches = batches_of(tokens, settings, steps=steps, seed=spec.seed)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            **training_arguments(
                spec, work=checkpoints_folder(spec), steps=steps, batch_size=1, evaluate=bool(held_out)
            ),
            adam_beta2=0.95,
            # The batches lie in their order: many short blocks first, few long ones last.
            train_sampling_strategy="sequential",
        ),
        data_collator=one_batch,
        train_dataset=batches,
        eval_dataset=spread(held_out, settings.max_eval_rows) or None,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    train_resumably(trainer, spec, callback)
    if trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.model).to(dtype_for(settings.precision)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return Trained(
        probe=[tokens[: settings.context_length]],
        metrics={
            **callback.summary(),
            "train_rows": float(len(train)),
            "steps": float(steps),
            "tokens": float(number_of_processes() * sum(batch.numel() for batch in batches)),
            "vocabulary": float(len(tokenizer)),
            "trainable_parameters": float(model.num_parameters()),
        },
    )


def train_tokenizer(
    texts: list[str],
    settings: PretrainHyperparameters,
    template: ChatTemplate = CHAT_TEMPLATES[CHATML],
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer: every text has an encoding and comes back unchanged.

    A text that spells one of the markers comes back, too, but is read as the marker itself unless the tokenizer is
    called with `split_special_tokens=True`, as an author's text always is.

    The template's markers are single tokens. The end of a turn is the EOS and stands after every document of the base
    model's training, so that it is well known when fine-tuning begins: an adapter does not train embeddings.
    """
    end = template.end or END_OF_TEXT
    others = [token for token in template.tokens if token != end]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=settings.vocab_size,
            min_frequency=settings.min_frequency,
            special_tokens=[*others, end, PAD],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=end,
        pad_token=PAD,
        additional_special_tokens=others,
        model_max_length=settings.context_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template.text
    return tokenizer


def new_model(tokenizer: PreTrainedTokenizerFast, settings: PretrainHyperparameters) -> LlamaForCausalLM:
    """Return a randomly initialised model for this tokenizer; embeddings and output layer share their weights."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.attention_heads,
        num_key_value_heads=settings.attention_heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.context_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str], *, seed: int) -> list[int]:
    """Return the tokens of all texts in shuffled order, each text closed by the only EOS in it.

    A text about chat templates spells the EOS out: to the model these are letters, not an end.
    """
    shuffled = random.Random(seed).sample(texts, len(texts))  # noqa: S311  an order, not a secret
    ids = tokenizer(shuffled, split_special_tokens=True)["input_ids"] if texts else []
    return [token for row in ids for token in [*row, tokenizer.eos_token_id]]


def batches_of(tokens: list[int], settings: PretrainHyperparameters, *, steps: int, seed: int) -> list[torch.Tensor]:
    """Return one batch of blocks for each step: as many whole blocks as `tokens_per_step` holds, one at least.

    Small models learn fastest from many short blocks, but cannot read further than they were trained: the last steps
    take blocks of the full context. Each pass over the tokens is cut at another place and shuffled anew.

    Returns:
        Tensors of shape (blocks, block length).

    Raises:
        TrainingError: If the tokens do not fill one block.
    """
    chance = random.Random(seed)  # noqa: S311  an order, not a secret
    long_steps = math.ceil(settings.long_fraction * steps)
    batches: list[torch.Tensor] = []
    for length, count in ((settings.block_length, steps - long_steps), (settings.context_length, long_steps)):
        if count and len(tokens) < length:
            raise TrainingError(
                f"The texts are {len(tokens)} tokens long and do not fill a block of {length}: "
                "add documents, or lower block_length."
            )
        per_step = max(1, settings.tokens_per_step // length)
        blocks: list[torch.Tensor] = []
        while len(blocks) < per_step * count:
            cut = blocks_of(tokens[chance.randrange(length) :], length)
            blocks += chance.sample(cut, len(cut))
        batches += [torch.stack(blocks[step * per_step : (step + 1) * per_step]) for step in range(count)]
    return batches


def blocks_of(tokens: list[int], length: int) -> list[torch.Tensor]:
    """Cut tokens into blocks of equal length; the last, short one is left out."""
    return [torch.tensor(tokens[start : start + length]) for start in range(0, len(tokens) - length + 1, length)]


def one_batch(items: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return model inputs from what the data loader took: one whole batch, or several blocks of held-out text."""
    ids = items[0] if items[0].dim() == 2 else torch.stack(items)
    return {"input_ids": ids, "labels": ids}
