"""The datasets of an author as they were built, for the commands that show them or hand them on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from upath import UPath

from resources.artifacts import ArtifactStore
from resources.io_managers import read_rows
from resources.project import Project
from twin_assets.collection.authors import load_author
from twin_assets.documents import (
    SPLITS,
    Author,
    CleanedDocument,
    InstructRow,
    PreferenceRow,
    Split,
    SplitRule,
)
from twin_assets.errors import UserError
from twin_assets.settings import Settings

INSTRUCT = "instruct_dataset"
PREFERENCE = "preference_dataset"

Row = InstructRow | PreferenceRow


@dataclass(frozen=True)
class BuiltDatasets:
    """What was built for one author."""

    author: Author
    rule: SplitRule
    artifacts: ArtifactStore

    @classmethod
    def of(cls, slug: str, settings: Settings) -> "BuiltDatasets":
        """Return what was built for an author.

        Raises:
            UserError: If there is no such author.
        """
        author = load_author(settings.authors_dir, slug)
        return cls(author, Project.from_settings(settings).split_rule, ArtifactStore.from_settings(settings))

    @cached_property
    def documents(self) -> dict[str, CleanedDocument]:
        """The cleaned documents, by id.

        Raises:
            UserError: If none were built.
        """
        path = self.artifacts.path("cleaned_documents", self.author.slug, ".parquet")
        if not path.exists():
            raise self._missing("cleaned_documents")
        return {document.document_id: document for document in read_rows(path, CleanedDocument)}

    def rows(self, dataset: str, split: Split | None = None) -> list[Row]:
        """Return the rows of a dataset, train first, or those of one side.

        Raises:
            UserError: If it was not built, or the side has no rows.
        """
        folder = self.folder(dataset)
        files = [folder / f"{side}.parquet" for side in SPLITS]
        if not any(file.exists() for file in files):
            raise self._missing(dataset)
        kind: type[Any] = PreferenceRow if dataset == PREFERENCE else InstructRow
        rows: list[Row] = [row for file in files if file.exists() for row in read_rows(file, kind)]
        wanted = [row for row in rows if split in (None, row.split)]
        if not wanted:
            raise UserError(f"{dataset} of {self.author.slug} has no rows for {split}: leave --split out to see all.")
        return wanted

    def folder(self, dataset: str) -> UPath:
        """Return where a dataset lies."""
        return self.artifacts.path(dataset, self.author.slug)

    def find(self, row_id: str) -> tuple[str, Row]:
        """Return the dataset and the row that an id, or the beginning of one, names.

        Raises:
            UserError: If no row or more than one is named, or no dataset was built.
        """
        there = [name for name in (INSTRUCT, PREFERENCE) if self.folder(name).exists()]
        if not there:
            raise self._missing(INSTRUCT)
        found = {
            (row.row_id, name): row
            for name in there
            for row in self.rows(name)
            if row_id and row.row_id.startswith(row_id)
        }
        if not found:
            raise UserError(
                f"No row of {self.author.slug} has the id {row_id!r}: see `twin dataset show {self.author.slug}`."
            )
        if len(found) > 1:
            ids = ", ".join(sorted(name for name, _ in found)[:5])
            raise UserError(f"{row_id!r} begins the ids of {len(found)} rows ({ids}): give more of the one you mean.")
        ((_, dataset), row) = next(iter(found.items()))
        return dataset, row

    def _missing(self, asset: str) -> UserError:
        slug = self.author.slug
        return UserError(f"{asset} was not built for {slug} yet: run `twin build {slug} --until {asset}` first.")


@dataclass(frozen=True)
class Source:
    """Where a row comes from.

    Attributes:
        document: The document; None if the row names none, or one that is gone.
        start: Offset of the passage that is, or stands behind, the row's answer.
        end: Offset after that passage.
        before: What stands before the passage, cut.
        passage: The passage.
        after: What stands after it, cut.
        remark: What is to be said about it: whether the answer is the passage, and why there is no passage.
    """

    document: CleanedDocument | None
    start: int
    end: int
    before: str
    passage: str
    after: str
    remark: str


def source_of(row: Row, documents: Mapping[str, CleanedDocument], *, around: int) -> Source:
    """Return where a row comes from, with `around` characters before and after the passage."""
    document = documents.get(row.document_id)
    if document is None:
        gone = f"The document {row.document_id} is not among the cleaned documents any more."
        return Source(None, 0, 0, "", "", "", gone if row.document_id else "The row names no document of the author.")
    answer = row.answer if isinstance(row, InstructRow) else row.chosen
    start, end = row.start, row.end
    if isinstance(row, InstructRow) and row.passage_start is not None and row.passage_end is not None:
        start, end = row.passage_start, row.passage_end
        remark = "The answer was written on the ground of this passage."
    elif document.text[start:end] == answer:
        remark = "The answer is this passage, verbatim."
    else:
        remark = "The answer does not stand here: the document was changed since the dataset was built."
    passage = document.text[start:end]
    before = document.text[max(0, start - around) : start]
    return Source(document, start, end, before, passage, document.text[end : end + around], remark)


def sample_of(rows: Sequence[Row], count: int) -> list[Row]:
    """Return some rows, always the same ones: those of the lowest ids."""
    return sorted(rows, key=lambda row: row.row_id)[:count]
