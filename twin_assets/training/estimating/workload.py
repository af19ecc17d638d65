"""How much a training reads: rows, tokens and steps, counted in the dataset that it is trained on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
from upath import UPath

from twin_assets.errors import UserError
from twin_assets.training.chat_template import CHATML, answer_message, chat_template, messages_for
from twin_assets.training.estimating.plan import TrainingPlan
from twin_assets.training.hyperparameters import Hyperparameters, PretrainHyperparameters
from twin_assets.training.spec import Stage

CHARACTERS_PER_TOKEN = 4.0
"""Rule of thumb for English and a large vocabulary (OpenAI, "What are tokens and how to count them?"): used where there
is no tokenizer to ask. Other languages and small vocabularies take more tokens."""

COUNTED_ROWS = 2000
"""Rows that are tokenized at most, evenly spread: enough for a mean."""

SEQUENCES: dict[Stage, tuple[tuple[str, ...], ...]] = {
    "pretrain": (("text",),),
    "sft": (("instruction", "answer"),),
    "dpo": (("prompt", "chosen"), ("prompt", "rejected")),
}
"""The columns that are read together as one sequence; a row of DPO is two of them."""


@dataclass(frozen=True)
class Workload:
    """The rows of a dataset, in tokens."""

    rows: int
    lengths: tuple[int, ...]
    """Tokens of the sequences that were counted; a row has one, a pair two."""
    counted_by: Literal["tokenizer", "characters"]
    every_row: bool = True
    """Whether every row was counted."""

    @property
    def longest(self) -> int | None:
        """Tokens of the longest sequence; none if a row that was not counted by the tokenizer may be longer."""
        return max(self.lengths) if self.every_row and self.counted_by == "tokenizer" else None

    def mean_length(self, max_length: int | None = None) -> float:
        """Return the mean tokens of a sequence, those cut off beyond `max_length` left out."""
        return sum(min(length, max_length or length) for length in self.lengths) / len(self.lengths)


def workload_of(stage: Stage, dataset: str, tokenizer: Path | None, template: str = CHATML) -> Workload:
    """Count the rows and the tokens of a dataset's training side.

    Args:
        stage: Decides which columns are read.
        dataset: Folder or s3:// address with train.parquet.
        tokenizer: A tokenizer.json; characters are counted without one.
        template: Name of the chat template, which adds its own text to a row.

    Raises:
        UserError: If there are no rows.
    """
    columns = sorted({column for sequence in SEQUENCES[stage] for column in sequence})
    path = UPath(dataset) / "train.parquet"
    try:
        with path.open("rb") as file:
            table = pq.read_table(file, columns=columns).to_pydict()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: build the dataset before its training is estimated.") from error
    rows = len(table[columns[0]])
    if not rows:
        raise UserError(f"{path} has no rows: there is nothing to train on.")
    count = _counter(tokenizer)
    added = _tokens_around(count, template) if stage != "pretrain" else 1
    apart = math.ceil(rows / COUNTED_ROWS)
    lengths = tuple(
        count("\n".join(str(table[column][row]) for column in sequence)) + added
        for row in range(0, rows, apart)
        for sequence in SEQUENCES[stage]
    )
    counted_by: Literal["tokenizer", "characters"] = "tokenizer" if tokenizer else "characters"
    return Workload(rows=rows, lengths=lengths, counted_by=counted_by, every_row=apart == 1)


def steps_and_tokens(plan: TrainingPlan, settings: Hyperparameters, workload: Workload) -> tuple[int, float]:
    """Return the optimizer steps of a training, and the tokens that it is trained on in all of them."""
    if isinstance(settings, PretrainHyperparameters):
        tokens = min(float(settings.token_budget), settings.max_epochs * workload.rows * workload.mean_length())
        return max(1, int(tokens) // settings.tokens_per_step), tokens * plan.processes
    per_row = workload.mean_length(settings.max_length)
    rows_per_step = float(plan.batch_size * plan.gradient_accumulation * plan.processes)
    if plan.packing:
        rows_per_step *= max(1.0, plan.max_length / per_row)
    rows = workload.rows * plan.texts_per_pair
    steps = min(settings.max_steps, math.ceil(settings.epochs * rows / rows_per_step))
    return steps, steps * rows_per_step * plan.sequences_per_row * per_row


def _tokens_around(count: Callable[[str], int], template: str) -> int:
    """Return the tokens that a chat template adds to a row: roles, markers, BOS and EOS."""
    from jinja2 import Template

    conversation = [*messages_for(""), *answer_message("")]
    text = Template(chat_template(template)).render(messages=conversation, bos_token="", eos_token="")
    return count(text) + 2


def _counter(tokenizer: Path | None) -> Callable[[str], int]:
    if tokenizer is None:
        return lambda text: math.ceil(len(text) / CHARACTERS_PER_TOKEN)
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(tokenizer))
    return lambda text: len(reader.encode(text, add_special_tokens=False).ids)
