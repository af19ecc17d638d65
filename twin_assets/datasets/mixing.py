"""A general instruction set mixed in with the author's rows, so that a model does not forget how to answer others.

Its rows are marked: their generator begins with "general@", and they name no document. What asks whether a row is
grounded in the author's text, or written in the author's style, leaves them out by that mark (`is_general`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twin_assets.datasets.curation.decontamination import HeldOut
from twin_assets.datasets.curation.overlap import SketchedTexts, normal_form
from twin_assets.datasets.curation.rows import is_general, texts_of
from twin_assets.datasets.formats.contract import Example, Located
from twin_assets.datasets.formats.reading import read_examples, understood
from twin_assets.datasets.generation.extractive import HOLDS_MARKER
from twin_assets.documents import InstructRow, content_hash
from twin_assets.errors import UserError
from twin_assets.training.chat_template import holds_marker

GENERATOR = "general@1"

REPEATS_HELD_OUT = "repeats what is held out"
REPEATED = "repeats another row"
MISSING = "missing: the general set has no more"

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class GeneralRows:
    """The general rows to add, and how many examples were passed over, by reason.

    Under "missing" stands how many rows are lacking of the ratio, because the general set is too small.
    """

    rows: list[InstructRow]
    dropped: Counter[str] = field(default_factory=Counter)


def general_rows(
    rows: Sequence[InstructRow],
    general: Iterable[Example],
    *,
    author: str,
    ratio: float,
    seed: int,
    held_out: Iterable[str] = (),
) -> GeneralRows:
    """Choose the rows of a general set that join the training side; the others of `rows` stay as they are.

    The hash of the seed, the instruction and the answer chooses. So the choice does not depend on the order of the
    set; one row more or less of the author's adds or takes at most as many general rows as the ratio says; and the rows
    for a larger ratio hold those for a smaller one.

    Args:
        rows: The author's rows, split.
        general: The general set.
        author: Slug of the author.
        ratio: General rows for each training row of the author's.
        seed: Another seed chooses others.
        held_out: Further texts that no row may nearly repeat, such as the documents of the test side.

    Returns:
        Rows for training only, without a document; category `articles`, which says nothing of them.

    Raises:
        ValueError: If the ratio is negative.
    """
    if ratio < 0:
        raise ValueError(f"ratio is {ratio}: give 0 for no general rows, or a positive number.")
    wanted = round(ratio * sum(row.split == "train" and not is_general(row) for row in rows))
    guard = _Guard(rows, held_out, seed=seed)
    dropped: Counter[str] = Counter()
    chosen: list[InstructRow] = []
    for example in sorted(general, key=lambda one: _draw(one, seed)) if wanted else ():
        if len(chosen) == wanted:
            break
        row = _row(example, author)
        if reason := guard.objection(row):
            dropped[reason] += 1
        else:
            chosen.append(row)
    if lacking := wanted - len(chosen):
        dropped[MISSING] = lacking
    return GeneralRows(chosen, dropped)


def load_general(source: str, *, base: Path, offline: bool) -> list[Example]:
    """Return the examples of a general set, of a file or folder, or of the train split of a dataset on a hub.

    Args:
        source: A path, relative to `base` unless absolute, or a hub id such as "tatsu-lab/alpaca".
        base: Folder that relative paths start from.
        offline: Whether a hub may not be asked.

    Raises:
        UserError: If there is no such file, the hub may not be or cannot be asked, or the records cannot be used.
    """
    if (path := base / source).exists() or not _HUB_ID.fullmatch(source):
        examples = read_examples(path).examples
    elif offline:
        raise UserError(
            f"There is no {path}, and as a hub id {source} may not be downloaded: set TWIN_HUB_OFFLINE=false, or give "
            "TWIN_GENERAL_DATASET a path."
        )
    else:
        examples = understood(_hub_records(source), source).examples
    answers = [one for one in examples if one.exchange.rejected is None]
    if not answers:
        raise UserError(f"{source} holds pairs and no single answers: give a set of instructions with answers.")
    return answers


def _hub_records(source: str) -> list[Located]:
    import datasets

    try:
        rows: Any = datasets.load_dataset(source, split="train")
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{source} could not be loaded from the hub ({error}): check the id and the network."
        ) from error
    return [Located(row, f"{source}, train, row {number}") for number, row in enumerate(rows, start=1)]


class _Guard:
    """What a general row must not repeat: what is held out, the author's other rows, and those already chosen.

    It is held against all that the checks on a dataset will hold it against: a set that is good enough for them blocks
    no training.
    """

    def __init__(self, rows: Sequence[InstructRow], held_out: Iterable[str], *, seed: int) -> None:
        kept_back = [row for row in rows if row.split != "train"]
        texts = [text for row in kept_back for text in texts_of(row)]
        self._held_out = HeldOut([], [*held_out, *texts])
        self._prompts_held_out = {normal_form(row.instruction) for row in kept_back}
        self._asked = {normal_form(row.instruction) for row in rows}
        self._answers = SketchedTexts(seed=seed)
        for number, row in enumerate(rows):
            self._answers.repeated_by_or_add(str(number), row.answer)

    def objection(self, row: InstructRow) -> str | None:
        """Return why a row cannot join, or None; then it counts as chosen."""
        asked = normal_form(row.instruction)
        if any(map(holds_marker, texts_of(row))):
            return HOLDS_MARKER
        if asked in self._prompts_held_out or self._held_out.objection(row):
            return REPEATS_HELD_OUT
        name = content_hash([row.instruction, row.answer])
        if asked in self._asked or self._answers.repeated_by_or_add(name, row.answer) is not None:
            return REPEATED
        self._asked.add(asked)
        return None


def _draw(example: Example, seed: int) -> str:
    return content_hash([seed, example.exchange.instruction, example.exchange.answer])


def _row(example: Example, author: str) -> InstructRow:
    said = example.exchange
    return InstructRow(
        instruction=said.instruction,
        answer=said.answer,
        author=author,
        category="articles",
        document_id="",
        start=0,
        end=0,
        generator=GENERATOR,
        prompt_hash=content_hash({"generator": GENERATOR, "said": [said.instruction, said.answer]}),
        split="train",
        support=0.0,
    )
