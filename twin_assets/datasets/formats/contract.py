"""What a record of another tool says, whatever its form."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin_assets.documents import Category, Split

Record = Mapping[str, Any]
"""One row of a file, as its form lays it out."""


class FormError(ValueError):
    """What is wrong with one record, in words that follow its place: "has no field output"."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a record says.

    Attributes:
        instruction: What is asked.
        answer: What is answered; of a pair, the chosen answer.
        rejected: The other answer of a pair; None of a single answer.
        notes: What the record held beyond that, and was left out; each is counted.
    """

    instruction: str
    answer: str
    rejected: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """An exchange, and where it was read.

    Attributes:
        exchange: What is asked and answered.
        place: File and line or row, as a person looks it up.
        split: The side that the file gives it; None if it gives none.
        category: The category that the file gives it; None if it gives none.
    """

    exchange: Exchange
    place: str
    split: Split | None = None
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """A record before it is understood, or why it cannot be.

    Attributes:
        record: What stands there, of any type; None if `fault` says why nothing could be read.
        place: File and line or row.
        split: The side that the file gives it.
        category: The category that the file gives it.
        fault: Why there is no record.
    """

    record: Any
    place: str
    split: Split | None = None
    category: Category | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Reading:
    """What a file holds.

    Attributes:
        form: Name of the form of its records.
        examples: What was understood, in the order of the file.
        notes: What was left out of examples that were kept, counted by reason.
        faults: One sentence per record that was dropped, with its place.
    """

    form: str
    examples: list[Example]
    notes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


Records = Iterator[Located]
