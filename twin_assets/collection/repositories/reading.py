"""From a repository to documents: its code as one, its README as another."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal

from twin_assets.collection.repositories import git
from twin_assets.collection.repositories.addresses import Address
from twin_assets.collection.repositories.selection import said_of, select_files, texts_of
from twin_assets.documents import RawDocument, document_id_for
from twin_assets.errors import UserError

READING_VERSION = "1"
"""Raised when the same commit gives other documents: then repositories are read again."""

README = "#readme"
"""What follows the address of a repository in that of its README, as on GitHub."""
PASSED_OVER = "#passed-over"
"""The same for the files that were passed over."""

_README_TYPES: dict[str, Literal["text/markdown", "text/plain"]] = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".rst": "text/plain",
    ".txt": "text/plain",
    "": "text/plain",
}


@dataclass(frozen=True)
class Reading:
    """What a repository holds."""

    documents: dict[str, RawDocument]
    """The code under "", the README under `#readme`."""
    passed_over: str
    """How many files were passed over, and why, in words."""


def read_repository(folder: str, address: Address, author: str, exclude: list[str]) -> Reading:
    """Read the commit at HEAD of a repository on this machine, bare or not.

    Raises:
        UserError: If it holds no text, or git cannot read it.
    """
    entries = git.tree(folder)
    missing = git.missing_objects(folder)
    regular = [entry.object_id for entry in entries if entry.mode.startswith(git.REGULAR_FILE)]
    sizes = git.sizes(folder, sorted(set(regular) - missing))
    selection = select_files(entries, missing=missing, sizes=sizes, exclude=exclude)
    contents = git.contents(folder, sorted({entry.object_id for entry in selection.entries}))
    files = texts_of(selection.entries, contents, selection.passed_over)
    readme = readme_of(files)
    text = files.pop(readme) if readme else ""
    documents = {}
    commit = git.local_head(folder)
    committed_at = datetime.fromisoformat(git.committed_at(folder)).astimezone(UTC)
    if any(code.strip() for code in files.values()):
        documents[""] = RawDocument(
            document_id=document_id_for(_identity(address, author)),
            author=author,
            category="repositories",
            platform=address.platform,
            url=address.url if address.host else None,
            title=address.name,
            updated_at=committed_at,
            revision=commit,
            media_type="text/plain",
            files=files,
            source="github",
        )
    if readme and text.strip():
        # It carries no commit: else each commit would be an edit of it.
        documents[README] = RawDocument(
            document_id=document_id_for(_identity(address, author) + README),
            author=author,
            category="articles",
            platform=address.platform,
            url=address.url + README if address.host else None,
            title=address.name,
            media_type=_README_TYPES[PurePosixPath(readme).suffix.lower()],
            text=text,
            source="github",
        )
    passed_over = said_of(selection.passed_over)
    if not documents:
        raise UserError(f"it holds no text that is read (passed over: {passed_over or 'nothing'}).")
    return Reading(documents, passed_over)


def readme_of(files: dict[str, str]) -> str | None:
    """Return the path of the README at the top of a repository; None if there is none."""
    names = [
        path
        for path in sorted(files)
        if PurePosixPath(path).stem.lower() == "readme"
        and "/" not in path
        and PurePosixPath(path).suffix.lower() in _README_TYPES
    ]
    return names[0] if names else None


def _identity(address: Address, author: str) -> str:
    return address.url if address.host else f"git:{author}/{address.url}"
