"""The JSON dump format of the LLM Engineer's Handbook: read with `twin import`, written with `twin export`.

A dump is a folder with `UserDocument.json`, `ArticleDocument.json`, `PostDocument.json` and `RepositoryDocument.json`,
each a list of records. Import and export are inverse: every record keeps its native form beside what we read from it.
"""

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, ValidationError

from twin_assets.collection.imported import IMPORT_SOURCE
from twin_assets.collection.records import Record, records_of
from twin_assets.documents import CATEGORIES, Category, Entity, RawDocument, checked_slug
from twin_assets.errors import UserError

USER_FILE = "UserDocument.json"
CATEGORY_FILES: dict[Category, str] = {
    "articles": "ArticleDocument.json",
    "posts": "PostDocument.json",
    "repositories": "RepositoryDocument.json",
}


class DumpUser(Entity):
    """A person in a dump."""

    user_id: str = Field(description="The dump's own id")
    first_name: str
    last_name: str

    @property
    def name(self) -> str:
        """First and last name, as a reader knows the person."""
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def slug(self) -> str:
        """The author slug made of the name.

        Raises:
            UserError: If no letter or digit of the name can stand in a slug.
        """
        ascii_name = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        try:
            return checked_slug(re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-"))
        except ValueError as error:
            raise UserError(f"{USER_FILE}: record {self.user_id!r}: no slug can be made of {self.name!r}.") from error


@dataclass(frozen=True)
class DumpDocuments:
    """The documents of a dump, read from its files each time that they are gone through; none is held."""

    folder: Path
    slugs: Mapping[str, str]
    """Author slugs by the dump's own ids."""
    author: str | None = None
    """Slug of the author to whom they are limited."""

    def __iter__(self) -> Iterator[RawDocument]:
        for category in CATEGORIES:
            path = self.folder / CATEGORY_FILES[category]
            for number, record in enumerate(_records(path)):
                if self.author in (None, self.slugs.get(str(record.get("author_id")))):
                    where = f"{path}: record {number} ({record.get('_id', 'no _id')})"
                    document = _document(record, category, self.slugs, where)
                    yield document.model_copy(update={"position": number})


@dataclass(frozen=True)
class Dump:
    """What a dump holds: users, and documents by the slug of their author."""

    users: list[DumpUser]
    documents: DumpDocuments

    def documents_of(self, author: str) -> DumpDocuments:
        """Return the documents of one author."""
        return replace(self.documents, author=author)


def read_dump(folder: Path) -> Dump:
    """Read and validate a whole dump, record by record, before anything of it is kept.

    Raises:
        UserError: If a file is missing or malformed (line), a record lacks a field, has the id of another one, or
            belongs to nobody in the dump (record).
    """
    users = [_user(record, number) for number, record in enumerate(_records(folder / USER_FILE))]
    slugs = {user.user_id: user.slug for user in users}
    if len(set(slugs.values())) < len(users):
        raise UserError(f"{folder / USER_FILE}: two users have the same name or id.")
    documents = DumpDocuments(folder, slugs)
    seen: set[str] = set()
    for document in documents:
        if document.document_id in seen:
            raise UserError(
                f"{folder / CATEGORY_FILES[document.category]}: record {document.position}: the id "
                f"{document.document_id!r} occurs twice in this dump."
            )
        seen.add(document.document_id)
    if not seen:
        raise UserError(f"{folder} holds no document: is it a dump?")
    return Dump(users, documents)


def write_dump(folder: Path, users: Iterable[DumpUser], documents: Iterable[RawDocument]) -> dict[str, int]:
    """Write users and documents as a dump and return the number of records per file.

    Imported documents come out as they came in; the others in the same form. Each file is written whole or not at all.

    Raises:
        UserError: If a document belongs to nobody among the users, or the folder cannot be written.
    """
    ids = {user.slug: user for user in users}
    files: dict[str, list[Record]] = {
        USER_FILE: [
            {"first_name": user.first_name, "last_name": user.last_name, "_id": user.user_id} for user in ids.values()
        ],
        **{name: [] for name in CATEGORY_FILES.values()},
    }
    for document in sorted(documents, key=lambda document: document.position):
        if document.author not in ids:
            raise UserError(f"{document.document_id}: its author {document.author!r} is not among the users to export.")
        files[CATEGORY_FILES[document.category]].append(document.native or _native(document, ids[document.author]))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, records in files.items():
            _write_whole(folder / name, json.dumps(records))
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): mend that, or choose another folder."
        ) from error
    return {name: len(records) for name, records in files.items()}


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)  # noqa: PTH105 - the atomic form is the point
    finally:
        partial.unlink(missing_ok=True)


def _records(path: Path) -> Iterator[Record]:
    return records_of(path, expected=f"a dump holds {USER_FILE} and {', '.join(CATEGORY_FILES.values())}")


def _user(record: Record, number: int) -> DumpUser:
    where = f"{USER_FILE}: record {number}"
    return DumpUser(
        user_id=_field(record, "_id", where),
        first_name=_field(record, "first_name", where),
        last_name=_field(record, "last_name", where),
    )


def _document(record: Record, category: Category, slugs: Mapping[str, str], where: str) -> RawDocument:
    owner = _field(record, "author_id", where)
    if owner not in slugs:
        raise UserError(f"{where}: its author_id {owner!r} is not in {USER_FILE}.")
    content = record.get("content")
    if not isinstance(content, dict):
        raise UserError(f"{where}: the field 'content' is missing or not an object.")
    try:
        document = RawDocument(
            document_id=_field(record, "_id", where),
            author=slugs[owner],
            category=category,
            platform=_field(record, "platform", where),
            url=record.get("link"),
            source=IMPORT_SOURCE,
            native=record,
            **_READERS[category](record, content, where),
        )
        _ = document.content_hash  # What cannot be hashed cannot be stored either.
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: {error.object[error.start]!a} is half of a character: remove it.") from error
    return document


def _read_article(_: Record, content: Record, where: str) -> Record:
    return {
        "text": _field(content, "Content", where, name="content.Content"),
        "title": content.get("Title"),
        "subtitle": content.get("Subtitle"),
        "language": content.get("language"),
    }


def _read_post(_: Record, content: Record, where: str) -> Record:
    texts = [value for value in content.values() if isinstance(value, str)]
    if not texts:
        raise UserError(f"{where}: the field 'content' holds no text.")
    return {"text": "\n\n".join(texts)}


def _read_repository(record: Record, content: Record, where: str) -> Record:
    return {
        "title": _field(record, "name", where),
        "files": {path: _field(content, path, where) for path in content},
        "media_type": "text/plain",
    }


_READERS: dict[Category, Callable[[Record, Record, str], Record]] = {
    "articles": _read_article,
    "posts": _read_post,
    "repositories": _read_repository,
}


def _field(record: Record, key: str, where: str, *, name: str | None = None) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise UserError(f"{where}: the field {name or key!r} is missing or not text.")
    return value


def _native(document: RawDocument, user: DumpUser) -> Record:
    content: Record
    if document.category == "articles":
        content = {
            "Title": document.title,
            "Subtitle": document.subtitle,
            "Content": document.text,
            "language": document.language,
        }
    else:
        content = dict(document.files or {}) or {"Post": document.text}
    record: Record = {
        "content": content,
        "platform": document.platform,
        "author_id": user.user_id,
        "author_full_name": user.name,
        "link": document.url,
        "_id": document.document_id,
    }
    if document.category == "repositories":
        record["name"] = document.title
    return record
