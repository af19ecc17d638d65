"""What the steps of curation ask of a row, whichever kind it is: its texts, where it comes from, who goes first."""

from collections.abc import Iterable, Mapping, Sequence

from twin_assets.datasets.curation.contract import Row
from twin_assets.datasets.curation.groundedness import MIN_SUPPORT
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, Split

GENERAL = "general@"
"""How the generator of rows begins that are mixed in from a general set: they rest on no document of the author."""

SIGNED = "feedback@"
"""How the generator of rows begins that hold corrections signed by the author: some stand in no document."""

BROUGHT = (SIGNED, "import@")
"""How the generators of rows begin that somebody made, one by one."""

SIDES: tuple[Split, ...] = ("test", "validation", "train")
"""Of two rows that are alike the one held out is kept: what is held out stays whole."""


def prompt_of(row: InstructRow | PreferenceRow) -> str:
    """Return what a person would ask."""
    return row.instruction if isinstance(row, InstructRow) else row.prompt


def answer_of(row: InstructRow | PreferenceRow) -> str:
    """Return the author's own passage, or what was written in the author's place."""
    return row.answer if isinstance(row, InstructRow) else row.chosen


def texts_of(row: InstructRow | PreferenceRow) -> tuple[str, ...]:
    """Return every text of a row that a model is trained on."""
    return (prompt_of(row), answer_of(row), *((row.rejected,) if isinstance(row, PreferenceRow) else ()))


def held_out_texts(rows: Iterable[InstructRow | PreferenceRow]) -> list[str]:
    """Return every text of the test rows of a dataset."""
    return [text for row in rows if row.split == "test" for text in texts_of(row)]


def is_general(row: InstructRow | PreferenceRow) -> bool:
    """Whether a row was mixed in from a general set, and is none of the author's."""
    return row.generator.startswith(GENERAL)


def is_signed(row: InstructRow | PreferenceRow) -> bool:
    """Whether the chosen text is a correction that the author signed and that stands in no document."""
    return isinstance(row, PreferenceRow) and row.generator.startswith(SIGNED) and not row.document_id


def is_written(row: InstructRow | PreferenceRow) -> bool:
    """Whether the answer was written on a passage, in place of being the passage."""
    return isinstance(row, InstructRow) and row.passage_start is not None


def objection_to_source(
    row: InstructRow | PreferenceRow, texts: Mapping[str, str], *, min_support: float = MIN_SUPPORT
) -> str | None:
    """Return why a row is not grounded in the author's documents, or None.

    Rows of a general set need no ground, and a correction that the author has signed is the author's word by that.

    Args:
        row: A row; a verbatim answer has to stand at its offsets, a written one needs support by its passage.
        texts: Cleaned texts by `document_id`.
        min_support: Least share of a written answer's sentences that the passage supports.
    """
    if not answer_of(row).strip():
        return "empty answer"
    if is_general(row) or is_signed(row):
        return None
    text = texts.get(row.document_id)
    if text is None:
        return "in no document of the author"
    if isinstance(row, InstructRow) and row.passage_start is not None:
        if row.passage_end is None or not 0 <= row.passage_start < row.passage_end <= len(text):
            return "passage is not in its document"
        return "too little support by its passage" if row.support < min_support else None
    stands = 0 <= row.start < row.end and text[row.start : row.end] == answer_of(row)
    return None if stands else "not verbatim at its offsets"


def texts_by_id(documents: Sequence[CleanedDocument]) -> dict[str, str]:
    """Return the cleaned texts by `document_id`."""
    return {document.document_id: document.text for document in documents}


def by_precedence(rows: Sequence[Row]) -> list[int]:
    """Return the places of the rows in the order in which they are kept: of two that are alike, the first.

    What is held out comes first, for test before for validation; then what somebody brought, a file or a reader's
    verdict; then what the author wrote, before what was written in the author's place or mixed in; then by place, so
    that the order of the rows is of no account.
    """

    def rank(number: int) -> tuple[int, bool, bool, bool, str, int, str]:
        row = rows[number]
        side = SIDES.index(row.split)
        generated = not row.generator.startswith(BROUGHT)
        return side, is_general(row), generated, is_written(row), row.document_id, row.start, row.row_id

    return sorted(range(len(rows)), key=rank)
