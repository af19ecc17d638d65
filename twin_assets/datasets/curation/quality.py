"""How good a row is as training data, as a judge sees it: a score from 1 to 4 with its reason.

The judge is a language model, and optional. It sees one row at a time, so no position can favour one row over another,
and gives its reason before the score (Zheng et al., 2023, "Judging LLM-as-a-Judge", on reasoning first and on the
judges' bias for length). The prompt says that length is no merit; `length_bias` says whether it was one all the same.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from twin_assets.asking import LanguageModel, Progress, Question
from twin_assets.datasets.generation.prompts import load_prompt
from twin_assets.documents import InstructRow

MIN_QUALITY = 3
"""Rows below are not helpful, by the words of the rubric."""
MIN_ROWS_FOR_BIAS = 20
"""With fewer scored rows a correlation says nothing: at 20, one beyond 0.44 has a p-value under 0.05."""


class Judgement(BaseModel):
    """What a judge says of a row; the reason comes first, so that the score follows from it."""

    feedback: str = Field(description="Two or three sentences: what is strong, what is weak")
    score: Literal[1, 2, 3, 4] = Field(description="1 terrible, 2 not helpful, 3 helpful, 4 excellent")


@dataclass(frozen=True)
class Scored:
    """Rows with the scores of a judge.

    Attributes:
        rows: All rows, in order; one that could not be scored keeps the quality that it had, and pays for the try.
        failures: How many rows have no score, by reason.
    """

    rows: list[InstructRow]
    failures: Counter[str] = field(default_factory=Counter)


def score_rows(rows: Sequence[InstructRow], judge: LanguageModel, progress: Progress | None = None) -> Scored:
    """Return the rows with `quality` and `quality_reason`, the judge's call and its cost added to theirs.

    A row that the judge does not score (a refusal, a budget that is spent) gets no score and is counted: a number that
    nobody gave would be read as an opinion. A judge with a cache is asked about an unchanged row once.

    Args:
        rows: Rows of any generator.
        judge: Who is asked, once per row.
        progress: Told how many rows are done.

    Raises:
        UserError: If the judge cannot be asked at all.
    """
    if not rows:
        return Scored([])
    replies = judge.ask([judge_question(row) for row in rows], progress=progress)
    failures: Counter[str] = Counter()
    scored = []
    for row, reply in zip(rows, replies, strict=True):
        update: dict[str, Any] = {}
        if reply.answer is not None or reply.cost:
            update = {"calls": [*row.calls, reply.key], "cost": row.cost + reply.cost}
        if isinstance(reply.answer, Judgement):
            update |= {"quality": reply.answer.score, "quality_reason": reply.answer.feedback.strip()}
        else:
            failures[reply.failure or "the answer is no judgement"] += 1
        scored.append(row.model_copy(update=update))
    return Scored(scored, failures)


def judge_question(row: InstructRow) -> Question:
    """Return what a judge is asked about a row; it depends on the instruction and the answer alone."""
    return load_prompt("judge").question(Judgement, instruction=row.instruction, answer=row.answer)


def drop_below(rows: Sequence[InstructRow], minimum: int = MIN_QUALITY) -> tuple[list[InstructRow], Counter[str]]:
    """Return the rows that reach a score, and how many do not, by their score. Rows without a score are kept.

    Raises:
        ValueError: If the minimum is not from 1 to 4.
    """
    if minimum not in (1, 2, 3, 4):
        raise ValueError(f"minimum is {minimum}: choose a score from 1 to 4.")
    dropped = Counter(f"scored {row.quality} of 4" for row in rows if row.quality is not None and row.quality < minimum)
    return [row for row in rows if row.quality is None or row.quality >= minimum], dropped


def length_bias(rows: Sequence[InstructRow]) -> float | None:
    """Return the rank correlation (Spearman) of score and length of the answer in words, from -1 to 1.

    Returns:
        None with fewer than 20 scored rows, or if all scores or all lengths are the same.
    """
    scores = [row.quality for row in rows if row.quality is not None]
    lengths = [len(row.answer.split()) for row in rows if row.quality is not None]
    if len(scores) < MIN_ROWS_FOR_BIAS or len(set(scores)) == 1 or len(set(lengths)) == 1:
        return None
    return float(np.corrcoef(_ranks(scores), _ranks(lengths))[0, 1])


def _ranks(values: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the rank of every value, from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return ranks[place]
