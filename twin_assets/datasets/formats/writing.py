"""Writing a dataset in the form of another tool: JSON Lines, a file per side."""

import json
from collections.abc import Sequence

from twin_assets.datasets.formats.forms import FORMS, Form, form_named
from twin_assets.documents import SPLITS, InstructRow, PreferenceRow, Split
from twin_assets.errors import UserError

WRITTEN = tuple(name for name, form in FORMS.items() if form.render)
"""Names of the forms that can be written."""


def writable(name: str) -> Form:
    """Return a form by its name.

    Raises:
        UserError: If no form of that name is written.
    """
    if name not in WRITTEN:
        raise UserError(f"{name!r} is no form to write; those are: {', '.join(WRITTEN)}.")
    return form_named(name)


def json_lines(rows: Sequence[InstructRow] | Sequence[PreferenceRow], form: str) -> dict[Split, str]:
    """Return the content of one file per side that has rows, train first.

    Each record carries the row's id in a field of its own, by which `twin dataset trace` leads it back.

    Raises:
        UserError: If the form is not one to write.
        ValueError: If the rows are not what the form holds: answers, or pairs.
    """
    wanted = writable(form)
    kind = PreferenceRow if wanted.holds == "pairs" else InstructRow
    if wrong := next((row for row in rows if not isinstance(row, kind)), None):
        raise ValueError(f"{form} holds {wanted.holds}, and not a {type(wrong).__name__}.")
    assert wanted.render is not None  # noqa: S101  # `writable` has seen to it
    lines: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for row in rows:
        lines[row.split].append(json.dumps(wanted.render(row), ensure_ascii=False) + "\n")
    return {split: "".join(of_side) for split, of_side in lines.items() if of_side}
