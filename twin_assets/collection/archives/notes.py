"""Long posts of X, which its archive keeps apart from the posts that they are the whole text of."""

import html
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from twin_assets.collection.archives.values import time_of

_BEGINNING = 100
"""Characters in which a post and its whole text agree: enough to tell two posts of one second apart."""


@dataclass
class Note:
    """The whole text of a long post, and whether its post was found."""

    name: str
    text: str
    used: bool = False


def notes_by_second(records: Iterable[dict[str, Any]]) -> dict[int, list[Note]]:
    """Return the long texts by the second in which they were written, links expanded."""
    notes: dict[int, list[Note]] = defaultdict(list)
    for record in records:
        core = record.get("core") or {}
        text = html.unescape(core.get("text") or "")
        for entity in core.get("urls") or []:
            if entity.get("shortUrl") and entity.get("expandedUrl"):
                text = text.replace(entity["shortUrl"], entity["expandedUrl"])
        if text:
            notes[_second(record.get("createdAt"))].append(Note(str(record.get("noteTweetId", "")), text))
    return dict(notes)


def note_of(notes: dict[int, list[Note]], text: str, written: datetime) -> Note | None:
    """Return the whole text of a post, if it has one, and mark it as used.

    The post was stored up to a second after its text, and is cut off with an ellipsis and a link to itself.
    """
    second = int(written.timestamp())
    beginning = text.partition("\u2026")[0][:_BEGINNING].strip()
    for note in [note for near in (second, second - 1, second + 1) for note in notes.get(near, [])]:
        if beginning and note.text.startswith(beginning):
            note.used = True
            return note
    return None


def _second(written: str | None) -> int:
    """Return the second of a time; 0, at which nobody posted, if there is none that can be read."""
    try:
        time = time_of(written)
    except ValueError:
        return 0
    return int(time.timestamp()) if time else 0
