"""An open warehouse: documents, pages and users, read and written.

How records are found and written stands in `record_store`. What a document means does not belong here.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from resources.record_store import RecordStore, batches
from resources.records import Change, Record, document_of, record_of, state_of, tombstone_of, with_history
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

LONGEST_BREAK = timedelta(days=1)
"""An interrupted crawl that began longer ago is not gone on with: what it has seen may be another page by now."""

OF_AN_AUTHOR = (*CATEGORIES, "pages", "crawls")
"""The collections whose records name their author."""


class WriteCounts(Entity):
    """What a write changed, in documents."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class WarehouseSession:
    """An open connection to the warehouse."""

    def __init__(self, database: Any, now: Callable[[], datetime] = utc_now) -> None:
        self._store = RecordStore(database)
        self._now = now

    def documents(self, author: str, *, source: str | None = None) -> list[RawDocument]:
        """Return the present documents of an author: articles, posts, repositories, each by position in its source.

        Args:
            author: Slug of the author.
            source: Kind of source to which the documents are limited.
        """
        where = {"author": author, "gone": False, **({"source": source} if source else {})}
        return [
            document_of(record)
            for category in CATEGORIES
            for record in sorted(self._store.find(category, where), key=_place)
        ]

    def imported_documents(self, author: str) -> list[RawDocument]:
        """Return the documents that came by `twin import`."""
        return self.documents(author, source="import")

    def documents_of_source(self, author: str, source: str) -> list[RawDocument]:
        """Return the present documents of an author that came from one kind of source."""
        return self.documents(author, source=source)

    def authors(self) -> list[str]:
        """Return the slugs of all authors that have a document, present or gone."""
        return sorted({slug for category in CATEGORIES for slug in self._store.values(category, "author")})

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
            for record in self._store.find(category, {"author": author, "gone": False}, wanted)
        }

    def history(self, document_id: str) -> list[Change]:
        """Return the latest changes of a document, deleted or not, the oldest first; nothing if it is unknown."""
        return [
            Change.model_validate(change)
            for category in CATEGORIES
            for record in self._store.find(category, {"_id": document_id}, {"history": 1})
            for change in record.get("history") or []
        ]

    def replace_documents(
        self, author: str, documents: Iterable[RawDocument], *, source: str | None = None
    ) -> WriteCounts:
        """Make the present documents of an author be exactly these.

        A document that is no longer there becomes a tombstone: its id and history stay, its text goes. What is
        unchanged is not written at all.

        Args:
            author: Slug of the author.
            documents: The documents. They are gone through twice, a batch at a time, and never held all at once.
            source: Kind of source that these are all the documents of; those of other sources stay as they are.

        Raises:
            UserError: If the warehouse refuses a write (the records are named), or a document is another author's: then
                nothing is written.
        """
        for batch in batches(documents):
            self._refuse_those_of_others(author, batch)
        counts = {"new": 0, "changed": 0, "unchanged": 0, "gone": 0}
        present: dict[Category, set[str]] = defaultdict(set)
        for batch in batches(documents):
            for category in CATEGORIES:
                incoming = [document for document in batch if document.category == category]
                present[category] |= {document.document_id for document in incoming}
                self._write_changed(category, incoming, counts)
        for category in CATEGORIES:
            counts["gone"] += self._bury_others(category, author, source, present[category])
        return WriteCounts(**counts)

    def pages(self, author: str, source: str) -> dict[str, KnownPage]:
        """Return the known pages of a source, by URL."""
        records = self._store.find("pages", {"author": author, "source": source})
        return {record["url"]: KnownPage.model_validate_json(record["page"]) for record in records}

    def sources_of_pages(self, author: str) -> list[str]:
        """Return the names of the sources that pages of an author are remembered of."""
        return sorted({record["source"] for record in self._store.find("pages", {"author": author}, {"source": 1})})

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
        self._store.write("pages", [record])

    def forget_pages(self, author: str, source: str, urls: list[str]) -> None:
        """Forget pages that are gone."""
        for url in urls:
            self._store.delete("pages", content_hash([author, source, url]))

    def open_crawl(self, author: str, source: str) -> str | None:
        """Return the id of the crawl that was begun and not ended; None if it began too long ago, or ended."""
        records = list(self._store.find("crawls", {"_id": content_hash([author, source])}))
        begun_at = records[0].get("begun_at") if records else None
        if not begun_at or self._now() - datetime.fromisoformat(begun_at) > LONGEST_BREAK:
            return None
        return str(records[0]["crawl"])

    def begin_crawl(self, author: str, source: str) -> str:
        """Note that a crawl has begun, and return its id."""
        crawl = str(uuid.uuid4())
        name = content_hash([author, source])
        begun_at = self._now().isoformat()
        self._store.write(
            "crawls", [{"_id": name, "author": author, "source": source, "crawl": crawl, "begun_at": begun_at}]
        )
        return crawl

    def end_crawl(self, author: str, source: str) -> None:
        """Note that the crawl came to its end."""
        self._store.delete("crawls", content_hash([author, source]))

    def held_of(self, author: str) -> dict[str, int]:
        """Return how many records of an author each collection holds, tombstones included; only those with any."""
        counts = {name: self._store.count(name, {"author": author}) for name in OF_AN_AUTHOR}
        return {name: count for name, count in counts.items() if count}

    def forget_author(self, author: str) -> None:
        """Delete all that is held of an author, histories and tombstones included: nobody can bring it back."""
        for name in OF_AN_AUTHOR:
            self._store.delete_all(name, {"author": author})

    def forget_users(self, names: Sequence[str]) -> None:
        """Delete user records by their ids."""
        for name in names:
            self._store.delete("users", name)

    def users(self) -> list[Record]:
        """Return the user records that came with an import, by arrival."""
        return sorted(self._store.find("users", {}), key=lambda record: record["position"])

    def add_users(self, users: Sequence[Record]) -> None:
        """Insert or replace user records by their `_id`."""
        known = {record["_id"]: record["position"] for record in self.users()}
        first_free = max(known.values(), default=-1) + 1
        self._store.write(
            "users",
            [{**user, "position": known.get(user["_id"], first_free + number)} for number, user in enumerate(users)],
        )

    def _refuse_those_of_others(self, author: str, documents: Sequence[RawDocument]) -> None:
        batch = {document.document_id: document for document in documents}
        wanted = {"_id": {"$in": list(batch)}, "author": {"$ne": author}, "gone": False}
        for category in CATEGORIES:
            for record in self._store.find(category, wanted, {"author": 1}):
                document = batch[record["_id"]]
                raise UserError(
                    f"{document.url or document.title or document.document_id}, a document of {author}, is one of "
                    f"{record['author']} already: leave it to one of them."
                )

    def _write_changed(self, category: Category, documents: Sequence[RawDocument], counts: dict[str, int]) -> None:
        if not documents:
            return
        where = {"_id": {"$in": [document.document_id for document in documents]}}
        wanted = {"content_hash": 1, "gone": 1, "position": 1, "history": 1}
        known = {record["_id"]: record for record in self._store.find(category, where, wanted)}
        writes = []
        for document in documents:
            record, before = record_of(document), known.get(document.document_id)
            state = state_of(record, before)
            counts[state] += 1
            if state != "unchanged" or (before and before["position"] != document.position):
                writes.append(with_history(record, before, self._now()))
        self._store.write(category, writes)

    def _bury_others(self, category: Category, author: str, source: str | None, present: set[str]) -> int:
        """Write tombstones for what is no longer there, and return how many."""
        where = {"author": author, "gone": False, **({"source": source} if source else {})}
        if self._store.count(category, where) == len(present):
            return 0
        gone = [name for name in self._store.ids(category, where) if name not in present]
        for names in batches(gone):
            records = self._store.find(category, {"_id": {"$in": names}})
            self._store.write(category, [tombstone_of(record, self._now()) for record in records])
        return len(gone)


def _place(record: Record) -> tuple[int, str]:
    return record["position"], record["_id"]
