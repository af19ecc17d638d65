"""Documents as records of the warehouse, and back; and what is remembered of their changes.

Both forms of the warehouse take these records, so their fields hold what JSON holds and nothing else.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from twin_assets.documents import Entity, RawDocument

Record = dict[str, Any]

MAX_CHANGES = 50
"""Changes remembered of one document, the latest: a page edited each week for a year, and a record that stays small."""

_OWN_FIELDS = frozenset({"_id", "content_hash", "gone", "history"})
"""Fields of a record that a document does not have."""


class Change(Entity):
    """One change of a document, as a collection saw it."""

    content_hash: str = Field(description="SHA-256 of what was collected; of a deleted document what it was last")
    seen_at: datetime = Field(description="When the change was seen, UTC")
    state: Literal["new", "changed", "gone"] = Field(description="What had happened")


def record_of(document: RawDocument) -> Record:
    """Return the record of a present document, without its history."""
    record = document.model_dump(mode="json")
    # File names hold dots, which MongoDB takes for paths into a record: so files are a list.
    if document.files is not None:
        record["files"] = [{"path": path, "text": text} for path, text in document.files.items()]
    if document.native is not None:
        # As text, so that key order and keys of any form come back as they were imported.
        record["native"] = json.dumps(document.native)
    record["_id"] = record.pop("document_id")
    return {**record, "content_hash": document.content_hash, "gone": False}


def document_of(record: Record) -> RawDocument:
    """Return the document of a record."""
    fields = {key: value for key, value in record.items() if key not in _OWN_FIELDS}
    if fields.get("files") is not None:
        fields["files"] = {file["path"]: file["text"] for file in fields["files"]}
    if fields.get("native") is not None:
        fields["native"] = json.loads(fields["native"])
    return RawDocument(document_id=record["_id"], **fields)


def tombstone_of(record: Record, seen_at: datetime) -> Record:
    """Return what stays of a deleted document: its id and history, and none of its text."""
    change = Change(content_hash=record["content_hash"], seen_at=seen_at, state="gone")
    return {
        **record,
        "subtitle": None,
        "text": None,
        "files": None,
        "native": None,
        "gone": True,
        "history": _longer(record, change),
    }


def with_history(record: Record, known: Mapping[str, Any] | None, seen_at: datetime) -> Record:
    """Return a record with its history: that of the known one, and the change if there is one.

    Args:
        record: The document as collected now.
        known: The record that the warehouse holds, or None.
        seen_at: The time of the collection.
    """
    state = state_of(record, known)
    if state == "unchanged":
        return {**record, "history": (known or {}).get("history") or []}
    change = Change(content_hash=record["content_hash"], seen_at=seen_at, state=state)
    return {**record, "history": _longer(known or {}, change)}


def state_of(record: Record, known: Mapping[str, Any] | None) -> Literal["new", "changed", "unchanged"]:
    """Return what has happened to a document that is there; one that returns is new."""
    if known is None or known["gone"]:
        return "new"
    return "unchanged" if known["content_hash"] == record["content_hash"] else "changed"


def _longer(known: Mapping[str, Any], change: Change) -> list[Record]:
    return [*(known.get("history") or []), change.model_dump(mode="json")][-MAX_CHANGES:]
