"""The import generator: rows that were made elsewhere, each led back to the author's text as far as it stands there.

The author file names them under `datasets`. What forms and files there are is the business of `datasets.formats`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.formats.contract import Example, Exchange
from twin_assets.datasets.formats.reading import read_examples
from twin_assets.datasets.generation.contract import Generated, Material, Report
from twin_assets.datasets.generation.extractive import HOLDS_MARKER
from twin_assets.datasets.generation.locating import Locator, Span
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial
from twin_assets.documents import (
    Author,
    CleanedDocument,
    InstructRow,
    PreferenceRow,
    Split,
    SplitRule,
    content_hash,
)
from twin_assets.errors import UserError
from twin_assets.features.masking import mask_personal_data
from twin_assets.training.chat_template import holds_marker

GENERATOR = "import@1"
NOT_UNDERSTOOD = "record cannot be used"
REPEATED = "repeated row"

Row = TypeVar("Row", InstructRow, PreferenceRow)


@dataclass(frozen=True)
class Import:
    """Instruct rows from the files that an author file names.

    Attributes:
        author: The author file.
        authors_dir: Its folder, to which the paths in it are relative.
        rule: How documents are drawn; a row that stands in none is drawn by the same shares.
    """

    author: Author
    authors_dir: Path
    rule: SplitRule

    def generate(self, material: Material) -> Generated:
        """Return the rows of every file that holds answers, in the order of the author file.

        An answer that stands in a document of the author, but for its white space, becomes that passage, verbatim, and
        takes the document's side. Any other has no document_id and the support 0: whether it is kept is for the
        curation to decide. Personal data is masked as in the documents, unless the author file says otherwise.

        Raises:
            UserError: If one of them is not there or cannot be used.
        """
        examples, dropped = _examples(self.author, self.authors_dir, material.report, pairs=False)
        placing = Placing(material.documents, material.splits, self.rule)
        rows = [instruct_row(one, material.author, placing) for one in examples]
        return Generated(list(_usable(rows, dropped)), dropped)


@dataclass(frozen=True)
class ImportPairs:
    """Preference pairs from the files that an author file names.

    Attributes:
        author: The author file.
        authors_dir: Its folder, to which the paths in it are relative.
        rule: How documents are drawn; a pair whose chosen text stands in none is drawn by the same shares.
    """

    author: Author
    authors_dir: Path
    rule: SplitRule

    def generate(self, material: PairMaterial) -> GeneratedPairs:
        """Return the pairs of every file that holds such; chosen is looked for as an answer is.

        Raises:
            UserError: If one of them is not there or cannot be used.
        """
        examples, dropped = _examples(self.author, self.authors_dir, material.report, pairs=True)
        placing = Placing(material.documents, material.splits, self.rule)
        rows = [preference_row(one, material.author, placing) for one in examples]
        return GeneratedPairs(list(_usable(rows, dropped)), dropped)


def import_fingerprint(author: Author, authors_dir: Path) -> str:
    """Return a hash over what the files of an author file hold, and how they are to be read.

    Raises:
        UserError: If one of them is not there.
    """
    held = []
    for config in author.datasets:
        path = authors_dir / config.path
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        try:
            hashes = [[one.name, sha256(one.read_bytes()).hexdigest()] for one in files]
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): mend `datasets` in the author file.") from error
        held.append([config.form, config.on_fault, hashes])
    return content_hash(held)


class Placing:
    """Leads texts back to documents, and gives each row its side."""

    def __init__(
        self,
        documents: Sequence[CleanedDocument],
        splits: Mapping[str, Split],
        rule: SplitRule,
        *,
        declared: bool = False,
    ) -> None:
        """Index the documents.

        Args:
            documents: All cleaned documents of the author.
            splits: The side of each document.
            rule: How to draw a row that stands in no document.
            declared: Whether a row keeps the side that its file gives it, for judging a file as it is.
        """
        self._locator = Locator(documents)
        self._splits = splits
        self._rule = rule
        self._declared = declared

    def find(self, text: str) -> Span | None:
        """Return where a text stands in the author's documents, or None."""
        return self._locator.find(text)

    def side(self, example: Example, span: Span | None) -> Split:
        """Return the side of a row: that of its document, else drawn by the hash of its instruction.

        The draw uses the shares of the split rule. An author whose documents leave none for validation has no rows for
        it either.
        """
        if self._declared and example.split:
            return example.split
        if span:
            return self._splits[span.document.document_id]
        question = normal_form(example.exchange.instruction)
        draw = int(content_hash([self._rule.seed, question])[:13], 16) / 16**13
        # With a day in place of a share, what bears no date was published before it, as for documents.
        held_out = 0.0 if self._rule.test_since else self._rule.test_fraction
        if draw < held_out:
            return "test"
        validated = "validation" in self._splits.values() and draw < held_out + self._rule.validation_fraction
        return "validation" if validated else "train"


def instruct_row(example: Example, author: str, placing: Placing) -> InstructRow:
    """Return the row of an example, with the place of its answer if the author's documents hold it."""
    said, span = example.exchange, placing.find(example.exchange.answer)
    return InstructRow(
        instruction=said.instruction,
        answer=span.text if span else said.answer,
        author=author,
        category=span.document.category if span else example.category or "articles",
        document_id=span.document.document_id if span else "",
        start=span.start if span else 0,
        end=span.end if span else 0,
        generator=GENERATOR,
        prompt_hash=_origin(said),
        split=placing.side(example, span),
        support=1.0 if span else 0.0,
    )


def preference_row(example: Example, author: str, placing: Placing) -> PreferenceRow:
    """Return the pair of an example, with the place of its chosen text if the author's documents hold it.

    Raises:
        ValueError: If the example is no pair.
    """
    said, span = example.exchange, placing.find(example.exchange.answer)
    if said.rejected is None:
        raise ValueError(f"{example.place} is a single answer, and no pair.")
    return PreferenceRow(
        prompt=said.instruction,
        chosen=span.text if span else said.answer,
        rejected=said.rejected,
        author=author,
        category=span.document.category if span else example.category or "articles",
        document_id=span.document.document_id if span else "",
        start=span.start if span else 0,
        end=span.end if span else 0,
        rejected_by=GENERATOR,
        prompt_hash=_origin(said),
        split=placing.side(example, span),
        generator=GENERATOR,
    )


def _origin(said: Exchange) -> str:
    return content_hash({"generator": GENERATOR, "said": [said.instruction, said.answer, said.rejected]})


def _examples(author: Author, authors_dir: Path, report: Report, *, pairs: bool) -> tuple[list[Example], Counter[str]]:
    """Return the examples of all files that hold pairs, or answers; what was left out of them is counted and told."""
    dropped: Counter[str] = Counter()
    examples: list[Example] = []
    for config in author.datasets:
        path = authors_dir / config.path
        reading = read_examples(path, form=config.form, on_fault=config.on_fault)
        wanted = [one for one in reading.examples if (one.exchange.rejected is not None) == pairs]
        if not wanted:
            continue
        notes = [f"{note}: {count:,}" for note, count in sorted(reading.notes.items())]
        told = [f"{path.name}: {len(wanted):,} records in the form {reading.form}", *notes]
        report("; ".join(told + [f"dropped {fault}" for fault in reading.faults[:5]]))
        dropped[NOT_UNDERSTOOD] += len(reading.faults)
        examples += wanted
    if not examples:
        # The generators are those of all authors; who has no such file is told, and has none of these rows.
        what = "pairs (chosen and rejected)" if pairs else "instructions with answers"
        report(f"{author.slug} has no file of {what} to import: `datasets` in authors/{author.slug}.yaml names none.")
    if author.privacy.mask:
        examples = [_masked(one) for one in examples]
    return examples, +dropped


def _masked(example: Example) -> Example:
    said = example.exchange
    masked = replace(
        said,
        instruction=mask_personal_data(said.instruction, Counter()),
        answer=mask_personal_data(said.answer, Counter()),
        rejected=said.rejected and mask_personal_data(said.rejected, Counter()),
    )
    return replace(example, exchange=masked)


def _usable(rows: Sequence[Row], dropped: Counter[str]) -> Iterator[Row]:
    """Yield the rows that hold no marker of the chat template, and none of which was there before."""
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        texts = (
            (row.instruction, row.answer) if isinstance(row, InstructRow) else (row.prompt, row.chosen, row.rejected)
        )
        if any(holds_marker(text) for text in texts):
            dropped[HOLDS_MARKER] += 1
        elif (key := tuple(map(normal_form, texts))) in seen:
            dropped[REPEATED] += 1
        else:
            seen.add(key)
            yield row
