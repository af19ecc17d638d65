"""Records in collections: found, written in batches, and named where they are refused.

One code path serves both forms of the warehouse. Reading never writes, not even an empty collection.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from bson.errors import BSONError
from pymongo import ReplaceOne
from pymongo.errors import ConnectionFailure, DocumentTooLarge, PyMongoError

from resources.records import Record
from twin_assets.documents import CATEGORIES
from twin_assets.errors import UserError

Item = TypeVar("Item")

BATCH_SIZE = 500
"""Documents per bulk write: far under MongoDB's 48 MB message limit for texts of the usual size."""
MAX_NAMED = 5
"""Refused records that an error names; it counts the others."""

_INDEXED: dict[str, tuple[str, ...]] = {
    **{str(category): ("author", "url") for category in CATEGORIES},
    "pages": ("author",),
}
"""Fields that each collection is looked up by, besides its ids."""


class RecordStore:
    """The collections of an open warehouse."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._indexed: set[str] = set()

    def _names(self) -> set[str]:
        return set(self._database.list_collection_names())

    def find(self, collection: str, where: Record, wanted: Record | None = None) -> Iterator[Record]:
        """Yield records.

        Args:
            collection: Name of the collection; one that does not exist holds nothing.
            where: What they have to match, as MongoDB writes it.
            wanted: The fields that are wanted; all without it.
        """
        # The embedded warehouse creates a collection as soon as somebody asks it for one.
        if collection in self._names():
            yield from self._database[collection].find(where, wanted)

    def ids(self, collection: str, where: Record) -> Iterator[str]:
        """Yield the ids of records, a page at a time: the embedded warehouse reads the texts of all that it finds."""
        seen = 0
        while page := list(
            self._database[collection].find(where, {"_id": 1}).sort("_id", 1).skip(seen).limit(BATCH_SIZE)
        ):
            yield from (record["_id"] for record in page)
            seen += len(page)

    def values(self, collection: str, field: str) -> list[Any]:
        """Return every value that a field has."""
        return list(self._database[collection].distinct(field)) if collection in self._names() else []

    def count(self, collection: str, where: Record) -> int:
        """Return how many records there are."""
        return int(self._database[collection].count_documents(where)) if collection in self._names() else 0

    def delete(self, collection: str, name: str) -> None:
        """Delete a record by its id; one that is not there is no fault."""
        self._database[collection].delete_one({"_id": name})

    def delete_all(self, collection: str, where: Record) -> int:
        """Delete every record that matches, and return how many there were."""
        if collection not in self._names():
            return 0
        return int(self._database[collection].delete_many(where).deleted_count)

    def write(self, collection: str, records: Sequence[Record]) -> None:
        """Insert or replace records by their ids, in batches.

        Raises:
            UserError: If some are refused; they are named, and the others are written.
        """
        if not records:
            return
        self._ensure_indexes(collection)
        for batch in batches(records):
            try:
                # Not in order, so that one record that is refused does not hold up those behind it.
                self._database[collection].bulk_write(
                    [ReplaceOne({"_id": record["_id"]}, record, upsert=True) for record in batch], ordered=False
                )
            except ConnectionFailure as error:
                raise UserError(
                    f"MongoDB stopped answering while {len(batch)} records ({batch[0]['_id']} to {batch[-1]['_id']}) "
                    f"were written to {collection}; what was written before stays: start it, then run this again."
                ) from error
            except refusals() as error:
                raise UserError(_refusal(collection, batch, error)) from error

    def _ensure_indexes(self, collection: str) -> None:
        """Create the indexes of a collection before the first write to it; those that are there stay."""
        if collection not in self._indexed:
            for field in _INDEXED.get(collection, ()):
                self._database[collection].create_index(field)
            self._indexed.add(collection)


def refusals() -> tuple[type[Exception], ...]:
    """Return what the two forms of the warehouse raise when they cannot do what they are asked."""
    from neosqlite.exceptions import BulkWriteError

    return PyMongoError, BSONError, BulkWriteError, sqlite3.Error


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items in lists of `BATCH_SIZE`, the last one shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch


def _longest(batch: Sequence[Record]) -> int:
    return max(range(len(batch)), key=lambda index: len(json.dumps(batch[index])))


def _refusal(collection: str, batch: Sequence[Record], error: Exception) -> str:
    # The errors of both forms quote the record, which may be megabytes long: only its id and the reason are said.
    refused = (getattr(error, "details", None) or {}).get("writeErrors") or []
    if isinstance(error, DocumentTooLarge):
        # The client refuses it before it is sent, and does not say which it was.
        refused = [{"index": _longest(batch), "errmsg": "it is longer than 16 MB, the most that MongoDB keeps of one"}]
    names = [batch[entry["index"]]["_id"] for entry in refused] or [record["_id"] for record in batch]
    reason = str(refused[0]["errmsg"])[:200] if refused else type(error).__name__
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return (
        f"The warehouse refused to write {', '.join(names[:MAX_NAMED])}{more} to {collection} ({reason}); no document "
        "was lost: mend that, then run this again."
    )
