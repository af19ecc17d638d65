"""Mastodon's archive ("Request your archive"): `outbox.json`, an ActivityStreams OrderedCollection.

The structure is that of Mastodon's `BackupService` and ActivityPub serializers: `Create` holds a `Note` (a poll: a
`Question`) with HTML in `content`, `Announce` the address of somebody else's post. The recipients tell the visibility
(docs.joinmastodon.org, "ActivityPub"): the public collection stands in `to` of public posts, in `cc` of unlisted ones.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from twin_assets.collection.archives.formats import ArchiveOptions, Format, unknown_structure
from twin_assets.collection.archives.reading import Archive, json_in, text_of
from twin_assets.collection.archives.threads import threads_of
from twin_assets.collection.archives.values import soup_of, time_of, words_of
from twin_assets.collection.links import Link
from twin_assets.documents import RawDocument, document_id_for

Note = dict[str, Any]

_PUBLIC = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})
_POSTS = frozenset({"Note", "Question"})


def read(archive: Archive, members: list[str], author: str, _: ArchiveOptions) -> Iterator[Link]:
    """Yield a link for every thread, every reply, and everything that is not collected."""
    notes: dict[str, Note] = {}
    for number, activity in enumerate(_activities(archive, members[0])):
        refused = _refusal(activity)
        if refused:
            yield Link(address=_address(activity, number), outcome="refused", reason=refused)
        else:
            notes[activity["object"]["id"]] = {**activity["object"], "actor": activity.get("actor")}
    # Ids of posts grow with time, but only as numbers; the time of writing does so as text.
    names = {f"{note.get('published', '')} {name}": name for name, note in notes.items()}
    keys = {name: key for key, name in names.items()}
    parents = {keys[name]: keys.get(note["inReplyTo"], "") for name, note in notes.items() if _continues(note, notes)}
    for thread in threads_of(names, parents):
        yield _post([notes[names[key]] for key in thread], notes, author)


FORMAT = Format(
    service="Mastodon",
    members=re.compile(r"(?:[^/]+/)?outbox\.json"),
    expected="outbox.json",
    read=read,
)


def _activities(archive: Archive, name: str) -> list[dict[str, Any]]:
    try:
        collection = json_in(text_of(archive, name))
    except json.JSONDecodeError as error:
        raise unknown_structure(
            archive.path, "Mastodon", expected=f"JSON in {name}", found=f"{error.msg} in line {error.lineno}"
        ) from error
    kind = collection.get("type") if isinstance(collection, dict) else type(collection).__name__
    items = collection.get("orderedItems") if isinstance(collection, dict) else None
    if kind != "OrderedCollection" or not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise unknown_structure(
            archive.path,
            "Mastodon",
            expected=f"an OrderedCollection with orderedItems in {name}",
            found=f"{kind} {'with' if items is not None else 'without'} orderedItems",
        )
    return items


def _address(activity: dict[str, Any], number: int) -> str:
    thing = activity.get("object")
    if isinstance(thing, dict):
        return str(thing.get("url") or thing.get("id") or f"outbox.json, item {number}")
    return str(activity.get("id") or f"outbox.json, item {number}").removesuffix("/activity")


def _refusal(activity: dict[str, Any]) -> str:
    """Return why an activity is not collected; nothing if it is."""
    thing = activity.get("object")
    if activity.get("type") == "Announce":
        return "a repost; the archive holds only its address"
    if activity.get("type") != "Create" or not isinstance(thing, dict) or thing.get("type") not in _POSTS:
        return f"an activity of type {activity.get('type')!r}, not a post"
    if not thing.get("id"):
        return "a post without an id"
    if not _PUBLIC & {*_listed(thing.get("to")), *_listed(thing.get("cc"))}:
        return "not public: for followers, or for those who are named in it"
    if not words_of(soup_of(thing.get("content") or "")):
        return "a picture or a film, without words of the author"
    return ""


def _listed(value: object) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)] if value else []


def _continues(note: Note, notes: dict[str, Note]) -> bool:
    """Return whether a post answers one of the author's own, kept or deleted."""
    answered = note.get("inReplyTo")
    return bool(answered) and (answered in notes or str(answered).startswith(f"{note.get('actor')}/statuses/"))


def _post(thread: list[Note], notes: dict[str, Note], author: str) -> Link:
    first = thread[0]
    url = str(first.get("url") or first["id"])
    languages = list(first.get("contentMap") or {})
    try:
        published_at, updated_at = time_of(first.get("published")), time_of(first.get("updated"))
    except ValueError:
        return Link(address=url, outcome="failed", reason=f"its time {first.get('published')!r} cannot be read")
    document = RawDocument(
        document_id=document_id_for(url),
        author=author,
        category="posts",
        platform="mastodon",
        url=url,
        subtitle=first.get("summary") or None,
        published_at=published_at,
        updated_at=updated_at,
        language=languages[0] if len(languages) == 1 else None,
        relation="reply" if first.get("inReplyTo") and not _continues(first, notes) else "original",
        media_type="text/html",
        text="\n".join(note["content"] for note in thread),
        source="mastodon",
    )
    return Link(address=url, document=document)
