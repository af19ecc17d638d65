"""What a generator of rows is given, and what it gives back."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twin_assets.asking import LanguageModel
from twin_assets.documents import CleanedDocument, InstructRow, Split

Report = Callable[[str], None]
"""Called with a sentence about progress."""


@dataclass(frozen=True)
class Material:
    """What instruct rows are made from.

    Attributes:
        author: Slug of the author.
        documents: All cleaned documents of the author, near-duplicates marked.
        splits: The side of each document, by id.
        seed: Draws what is left to chance.
        ask: Returns the teacher; raises UserError where none is configured, so call it only if it is needed.
        report: Takes sentences about progress.
    """

    author: str
    documents: Sequence[CleanedDocument]
    splits: Mapping[str, Split]
    seed: int
    ask: Callable[[], LanguageModel]
    report: Report = lambda sentence: None


@dataclass(frozen=True)
class Generated:
    """Rows, and how many pieces of the material gave none, by reason."""

    rows: list[InstructRow]
    dropped: Counter[str] = field(default_factory=Counter)


class InstructGenerator(Protocol):
    """One way to make instruct rows."""

    def generate(self, material: Material) -> Generated:
        """Return rows, each with the split of its document; the same material gives the same rows."""
        ...
