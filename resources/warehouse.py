"""The document warehouse: MongoDB, or neosqlite, which speaks the same API on one SQLite file.

One code path serves both. Reading never writes, and a bulk write that fails raises and names its records. What a
document means does not belong here.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from bson.errors import BSONError
from pydantic import Field, SecretStr
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError

from twin_assets.documents import (
    CATEGORIES,
    Category,
    Entity,
    KnownDocument,
    KnownPage,
    RawDocument,
    content_hash,
)
from twin_assets.errors import UserError
from twin_assets.settings import Settings

BATCH_SIZE = 500
"""Documents per bulk write: far under MongoDB's 48 MB message limit for texts of the usual size."""
SERVER_TIMEOUT_MS = 5_000
"""How long a server may take to answer, before it counts as absent."""


class WriteCounts(Entity):
    """What a write changed, in documents."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0


class WarehouseSession:
    """An open connection to the warehouse."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def documents(self, author: str) -> list[RawDocument]:
        """Return the present documents of an author: articles, posts, repositories, each by position in its source."""
        return [
            _document_of(record)
            for category in CATEGORIES
            for record in sorted(
                self._records(category, author), key=lambda record: (record["position"], record["_id"])
            )
            if not record["gone"]
        ]

    def imported_documents(self, author: str) -> list[RawDocument]:
        """Return the documents that came by `twin import`."""
        return [document for document in self.documents(author) if document.source == "import"]

    def authors(self) -> list[str]:
        """Return the slugs of all authors that have a document, present or gone."""
        return sorted({slug for category in CATEGORIES for slug in self._database[category].distinct("author")})

    def known_documents(self, author: str) -> dict[str, KnownDocument]:
        """Return what is there of an author's present documents, without their texts, by id."""
        wanted = {"content_hash": 1, "url": 1, "title": 1, "platform": 1}
        return {
            record["_id"]: KnownDocument(
                document_id=record["_id"],
                content_hash=record["content_hash"],
                address=record["url"] or record["title"] or record["_id"],
                platform=record["platform"],
            )
            for category in CATEGORIES
            for record in self._database[category].find({"author": author, "gone": False}, wanted)
        }

    def replace_documents(self, author: str, documents: Sequence[RawDocument]) -> WriteCounts:
        """Make the present documents of an author be exactly these.

        A document that is no longer there becomes a tombstone: its id stays, its text goes. What is unchanged is not
        written at all.

        Raises:
            UserError: If the warehouse refuses a write (the record is named), or a document is another author's: then
                nothing is written.
        """
        self._refuse_those_of_others(author, documents)
        self._ensure_indexes()
        counts = {"new": 0, "changed": 0, "unchanged": 0, "gone": 0}
        for category in CATEGORIES:
            stored = {record["_id"]: record for record in self._records(category, author)}
            incoming = [document for document in documents if document.category == category]
            writes = []
            for document in incoming:
                record = _record_of(document)
                known = stored.pop(document.document_id, None)
                if known is None or known["gone"]:
                    counts["new"] += 1
                elif known["content_hash"] != record["content_hash"]:
                    counts["changed"] += 1
                else:
                    counts["unchanged"] += 1
                    if known["position"] == document.position:
                        continue
                writes.append(record)
            tombstones = [_tombstone_of(record) for record in stored.values() if not record["gone"]]
            counts["gone"] += len(tombstones)
            self._write(category, writes + tombstones)
        return WriteCounts(**counts)

    def pages(self, author: str, source: str) -> dict[str, KnownPage]:
        """Return the known pages of a source, by URL."""
        records = self._database["pages"].find({"author": author, "source": source})
        return {record["url"]: KnownPage.model_validate_json(record["page"]) for record in records}

    def remember_page(self, author: str, source: str, page: KnownPage) -> None:
        """Keep a page; from then on it is known, even if the crawl is interrupted."""
        # As text, because a page holds names of files, which MongoDB takes for paths into a record.
        record = {
            "_id": content_hash([author, source, page.url]),
            "author": author,
            "source": source,
            "url": page.url,
            "page": page.model_dump_json(),
        }
        self._write("pages", [record])

    def forget_pages(self, author: str, source: str, urls: list[str]) -> None:
        """Forget pages that are gone."""
        for url in urls:
            self._database["pages"].delete_one({"_id": content_hash([author, source, url])})

    def open_crawl(self, author: str, source: str) -> str | None:
        """Return the id of the crawl that was begun and not ended; None if the last one ended."""
        record = self._database["crawls"].find_one({"_id": content_hash([author, source])})
        return record["crawl"] if record else None

    def begin_crawl(self, author: str, source: str) -> str:
        """Note that a crawl has begun, and return its id."""
        crawl = str(uuid.uuid4())
        name = content_hash([author, source])
        self._write("crawls", [{"_id": name, "author": author, "source": source, "crawl": crawl}])
        return crawl

    def end_crawl(self, author: str, source: str) -> None:
        """Note that the crawl came to its end."""
        self._database["crawls"].delete_one({"_id": content_hash([author, source])})

    def users(self) -> list[dict[str, Any]]:
        """Return the user records that came with an import, by arrival."""
        return sorted(self._database["users"].find({}), key=lambda record: record["position"])

    def add_users(self, users: Sequence[dict[str, Any]]) -> None:
        """Insert or replace user records by their `_id`."""
        known = {record["_id"]: record["position"] for record in self.users()}
        first_free = max(known.values(), default=-1) + 1
        self._write(
            "users",
            [{**user, "position": known.get(user["_id"], first_free + number)} for number, user in enumerate(users)],
        )

    def _records(self, category: Category, author: str) -> Iterable[dict[str, Any]]:
        return self._database[category].find({"author": author})  # type: ignore[no-any-return]

    def _refuse_those_of_others(self, author: str, documents: Sequence[RawDocument]) -> None:
        for begin in range(0, len(documents), BATCH_SIZE):
            batch = {document.document_id: document for document in documents[begin : begin + BATCH_SIZE]}
            wanted = {"_id": {"$in": list(batch)}, "author": {"$ne": author}, "gone": False}
            for category in CATEGORIES:
                for record in self._database[category].find(wanted, {"author": 1}).limit(1):
                    document = batch[record["_id"]]
                    raise UserError(
                        f"{document.url or document.title or document.document_id}, a document of {author}, is one of "
                        f"{record['author']} already: leave it to one of them."
                    )

    def _ensure_indexes(self) -> None:
        for category in CATEGORIES:
            self._database[category].create_index("author")

    def _write(self, collection: str, records: Sequence[dict[str, Any]]) -> None:
        for begin in range(0, len(records), BATCH_SIZE):
            batch = records[begin : begin + BATCH_SIZE]
            try:
                self._database[collection].bulk_write(
                    [ReplaceOne({"_id": record["_id"]}, record, upsert=True) for record in batch]
                )
            except _refusals() as error:
                raise UserError(_refusal(collection, batch, error)) from error


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The document warehouse, opened for one step at a time."""

    path: str = Field(description="SQLite file of the embedded warehouse")
    # Not a field of the configuration, because the Dagster UI shows those, and the address may hold a password.
    url: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    database: str = Field(default="twin", description="Database on the MongoDB server")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Warehouse":
        """Configure the warehouse that the settings name."""
        return cls(
            path=str(settings.home / "warehouse.db"), url=settings.mongodb_url, database=settings.mongodb_database
        )

    @property
    def uri(self) -> str:
        """Where the documents lie, without the password of a server."""
        return f"mongodb database {self.database}" if self.url else self.path

    @contextmanager
    def session(self) -> Iterator[WarehouseSession]:
        """Open the warehouse for the length of a `with` block.

        Raises:
            UserError: If the server does not answer, or the warehouse cannot be read or written.
        """
        try:
            connection, database = self._connect()
            try:
                yield WarehouseSession(database)
            finally:
                connection.close()
        except _refusals() as error:
            raise UserError(f"The warehouse ({self.uri}) cannot be used: {error}.") from error

    def imported_documents(self, author: str) -> list[RawDocument]:
        """Return the documents of an author that came by `twin import`, in a session of its own."""
        with self.session() as session:
            return session.imported_documents(author)

    def _connect(self) -> tuple[Any, Any]:
        if not self.url:
            from neosqlite import Connection

            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            connection = Connection(self.path)
            return connection, connection

        from pymongo import MongoClient

        try:
            client: Any = MongoClient(self.url.get_secret_value(), serverSelectionTimeoutMS=SERVER_TIMEOUT_MS)
        except PyMongoError as error:
            raise UserError("MONGODB_URL is not an address of MongoDB: write mongodb://host:27017.") from error
        try:
            client.admin.command("ping")
        except PyMongoError as error:
            client.close()
            raise UserError("MongoDB does not answer at MONGODB_URL: start it, or unset MONGODB_URL.") from error
        return client, client[self.database]


def _refusals() -> tuple[type[Exception], ...]:
    """Return what the two forms of the warehouse raise when they cannot do what they are asked."""
    from neosqlite.exceptions import BulkWriteError

    return PyMongoError, BSONError, BulkWriteError, sqlite3.Error


def _refusal(collection: str, batch: Sequence[dict[str, Any]], error: Exception) -> str:
    # The errors of both forms quote the record, which may be megabytes long: only its id and the reason are said.
    refused = (getattr(error, "details", None) or {}).get("writeErrors") or [
        {"index": 0, "errmsg": type(error).__name__}
    ]
    name, reason = batch[refused[0]["index"]]["_id"], str(refused[0]["errmsg"])[:200]
    return (
        f"The warehouse refused to write {name} to {collection} ({reason}); no document was lost: mend that, then run "
        "this again."
    )


def _record_of(document: RawDocument) -> dict[str, Any]:
    record = document.model_dump(mode="json")
    # File names hold dots, which MongoDB takes for paths into a record: so files are a list.
    if document.files is not None:
        record["files"] = [{"path": path, "text": text} for path, text in document.files.items()]
    if document.native is not None:
        # As text, so that key order and keys of any form come back as they were imported.
        record["native"] = json.dumps(document.native)
    record["_id"] = record.pop("document_id")
    return {**record, "content_hash": document.content_hash, "gone": False}


def _document_of(record: dict[str, Any]) -> RawDocument:
    fields = {key: value for key, value in record.items() if key not in {"_id", "content_hash", "gone"}}
    if fields.get("files") is not None:
        fields["files"] = {file["path"]: file["text"] for file in fields["files"]}
    if fields.get("native") is not None:
        fields["native"] = json.loads(fields["native"])
    return RawDocument(document_id=record["_id"], **fields)


def _tombstone_of(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "text": None, "files": None, "native": None, "gone": True}
