"""What a generator of preference pairs is given, and what it gives back."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twin_assets.asking import LanguageModel
from twin_assets.datasets.generation.contract import Report
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, Rejection, Split

Sample = Callable[[Sequence[str]], list[str | None]]
"""Writes one answer to each prompt, in order; None to a prompt that leaves no room for one in the model's context.
What it writes depends on model, prompt and settings, not on the prompts beside it, as `CausalModel.generate` promises.
"""


@dataclass(frozen=True)
class PairMaterial:
    """What preference pairs are made from.

    Attributes:
        author: Slug of the author.
        rows: The author's instruct rows; those whose answers are not the author's own words give no pairs.
        documents: All cleaned documents of the author.
        splits: The side of each document, by id.
        seed: Draws what is left to chance.
        ask: Returns the teacher; raises UserError where none is configured, so call it only if it is needed.
        sample: Lets a model of this platform write.
        report: Takes sentences about progress.
    """

    author: str
    rows: Sequence[InstructRow]
    documents: Sequence[CleanedDocument]
    splits: Mapping[str, Split]
    seed: int
    ask: Callable[[], LanguageModel]
    sample: Sample
    report: Report = lambda sentence: None


@dataclass(frozen=True)
class GeneratedPairs:
    """Pairs, and what it took to make them.

    Attributes:
        rows: The pairs.
        dropped: How many prompts or entries gave no pair, by reason.
        generated: Texts that a model wrote for them now.
        reused: Texts that were looked up.
        cost: What was paid now, in US dollars, also for answers that gave no pair.
        rejections: Every sampled text behind the rows and behind what was dropped, to be kept for the next run.
    """

    rows: list[PreferenceRow]
    dropped: Counter[str] = field(default_factory=Counter)
    generated: int = 0
    reused: int = 0
    cost: float = 0.0
    rejections: list[Rejection] = field(default_factory=list)


class PairGenerator(Protocol):
    """One way to make preference pairs."""

    def generate(self, material: PairMaterial) -> GeneratedPairs:
        """Return pairs, each with the split of its document; the same material gives the same pairs."""
        ...
