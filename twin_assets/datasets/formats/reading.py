"""Reading a dataset of another tool: every record understood, or told with its place.

What a record says stands in `forms`, where it lies in `files`; what becomes of it is for the generators to decide.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from twin_assets.datasets.formats.contract import Example, FormError, Located, Reading
from twin_assets.datasets.formats.files import category_named, records_of
from twin_assets.datasets.formats.forms import FORMS, Form, form_named, recognised
from twin_assets.errors import UserError

OnFault = Literal["refuse", "drop"]

TOLD = 5
"""Faults that an error names; the others are counted."""


def read_examples(path: Path, *, form: str | None = None, on_fault: OnFault = "refuse") -> Reading:
    """Return what a file or a folder holds.

    Of a conversation the first question and its answer are kept: an answer further down cannot be understood without
    what was said before it. What is left out so is counted in the notes, as are system messages.

    Args:
        path: A .jsonl, .json or .parquet file, a folder of them, or one that `datasets` saved.
        form: Name of the form of its records; recognised by the fields of the first that has any without it.
        on_fault: Whether one record that cannot be understood refuses the file, or is dropped and told.

    Raises:
        UserError: If the file is not there, is broken as a whole or holds nothing, the form is unknown, or a record is
            at fault: the first five are named with their places, and all are counted.
    """
    return understood(records_of(path), str(path), form=form, on_fault=on_fault)


def understood(
    records: Iterable[Located], source: str, *, form: str | None = None, on_fault: OnFault = "refuse"
) -> Reading:
    """Return what records say, as `read_examples` does of a file; `source` names them in errors."""
    wanted = form_named(form) if form else None
    examples: list[Example] = []
    notes: Counter[str] = Counter()
    faults: list[str] = []
    for located in records:
        if wanted is None and isinstance(located.record, dict):
            wanted = recognised(located.record)
        try:
            example = _understand(located, wanted, given=form is not None)
        except FormError as fault:
            faults.append(f"{located.place}: {fault}")
            continue
        notes.update(example.exchange.notes)
        examples.append(example)
    if not examples and not faults:
        raise UserError(f"{source} holds no record: give a file with at least one.")
    if faults and (on_fault == "refuse" or not examples):
        raise UserError(_told(source, faults, len(examples) + len(faults)))
    return Reading(wanted.name if wanted else "", examples, notes, faults)


def _understand(located: Located, form: Form | None, *, given: bool) -> Example:
    if located.fault:
        raise FormError(located.fault)
    record = located.record
    if not isinstance(record, dict):
        raise FormError("is not a JSON object with fields")
    if form is None:
        fields = ", ".join(sorted(map(str, record))) or "none"
        raise FormError(f"is in no known form (fields: {fields}; forms: {', '.join(FORMS)})")
    if not given and not form.fits(record) and (other := recognised(record)) is not None:
        raise FormError(f"is in the form {other.name}, and a record before it in the form {form.name}")
    exchange = form.parse(record)
    for text in (exchange.instruction, exchange.answer, exchange.rejected or ""):
        _assert_storable(text)
    category = located.category or category_named(record.get("category"))
    return Example(exchange, located.place, located.split, category)


def _assert_storable(text: str) -> None:
    """Make sure that a text can be stored: JSON can spell out halves of characters, and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormError(f"holds half a character (\\u{ord(text[error.start]):04x}, a surrogate alone)") from error


def _told(source: str, faults: list[str], records: int) -> str:
    more = f"; and {len(faults) - TOLD:,} more" if len(faults) > TOLD else ""
    return (
        f"{source}: {len(faults):,} of {records:,} records cannot be used: {'; '.join(faults[:TOLD])}{more}. "
        "Mend them, give the right form, or drop them with on_fault: drop."
    )
