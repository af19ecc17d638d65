"""The registry of sources: the kinds of places that writings come from.

A new source is one module with a class that fits `Source`, and one entry in `SOURCES`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twin_assets.collection.folder import FolderSource
from twin_assets.collection.imported import ImportedSource
from twin_assets.documents import Author, RawDocument, SourceConfig, content_hash
from twin_assets.errors import UserError


class Source(Protocol):
    """One place that an author's writings come from."""

    def fingerprint(self) -> str:
        """Return a hash that changes when, and only when, what would be collected changes."""
        ...

    def collect(self) -> Iterator[RawDocument]:
        """Yield every document that is there now.

        Raises:
            UserError: If the source is missing, empty or unreadable; the file or record is named.
        """
        ...


@dataclass(frozen=True)
class SourceContext:
    """What a source may need besides its own configuration."""

    authors_dir: Path
    """Relative paths in an author file start here."""
    imported_documents: Callable[[str], Sequence[RawDocument]]
    """Returns the documents of an author that `twin import` has put into the warehouse."""


SOURCES: dict[str, Callable[[Author, SourceConfig, SourceContext], Source]] = {
    "folder": lambda author, config, context: FolderSource.from_config(author.slug, config, context.authors_dir),
    "import": lambda author, _, context: ImportedSource(author.slug, context.imported_documents),
}


def sources_of(author: Author, context: SourceContext) -> list[Source]:
    """Return the sources that an author file names.

    Raises:
        UserError: If a kind of source is unknown or misconfigured.
    """
    sources = []
    for config in author.sources:
        if config.type not in SOURCES:
            raise UserError(
                f"{author.slug}: there is no source of type {config.type!r}; known are: {', '.join(sorted(SOURCES))}."
            )
        sources.append(SOURCES[config.type](author, config, context))
    return sources


def fingerprint_of(author: Author, context: SourceContext) -> str:
    """Return a hash of everything that the author's sources hold now."""
    return content_hash([source.fingerprint() for source in sources_of(author, context)])


def collect_documents(author: Author, context: SourceContext) -> list[RawDocument]:
    """Read all sources of an author.

    Raises:
        UserError: If a source cannot be read, or two sources bring a document of the same id.
    """
    documents: dict[str, RawDocument] = {}
    for source in sources_of(author, context):
        for document in source.collect():
            if document.document_id in documents:
                raise UserError(
                    f"{author.slug}: two documents have the same address or id "
                    f"{document.url or document.document_id!r}: {documents[document.document_id].title!r} and "
                    f"{document.title!r}; remove one of them, or give it a url of its own."
                )
            documents[document.document_id] = document
    return list(documents.values())
