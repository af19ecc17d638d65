"""The archive of X, formerly Twitter ("Download an archive of your data"): scripts that assign JSON.

The structure, as in public code that reads such archives (timhutton/twitter-archive-parser, and several readers of
`note-tweet.js`): `data/tweets.js`, further parts in `data/tweets-part1.js` and so on, older archives `data/tweet.js`,
each `window.YTD.tweets.part0 = [{"tweet": {...}}]`; `data/account.js` with the author's id and name; and
`data/note-tweet.js` with the whole text of posts beyond 280 characters, which a post is matched with by time and
beginning, because its id is another one. `retweeted` is false for every tweet: a repost is known by its `RT @`.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from twin_assets.collection.archives.formats import ArchiveOptions, Format, unknown_structure
from twin_assets.collection.archives.notes import Note, note_of, notes_by_second
from twin_assets.collection.archives.reading import Archive, json_in, text_of
from twin_assets.collection.archives.threads import threads_of
from twin_assets.collection.links import Link
from twin_assets.documents import RawDocument, document_id_for

Tweet = dict[str, Any]

_ASSIGNMENT = re.compile(r"\s*window\.YTD\.(\w+)\.part\d+\s*=\s*")
_REPOST = re.compile(r"RT @\w+: ")


def read(archive: Archive, members: list[str], author: str, _: ArchiveOptions) -> Iterator[Link]:
    """Yield a link for every thread, every reply, every repost, and every long text that belongs to none."""
    records: dict[str, list[dict[str, Any]]] = {"account": [], "tweet": [], "noteTweet": []}
    for name in members:
        kind = "account" if "account" in name else "noteTweet" if "note-tweet" in name else "tweet"
        records[kind] += _records(archive, name, kind)
    if not records["account"] or not any("tweet" in name and "note-tweet" not in name for name in members):
        raise unknown_structure(archive.path, "X", expected=FORMAT.expected, found=", ".join(members[:5]))
    account = records["account"][0]
    tweets = {int(tweet["id_str"]): tweet for tweet in records["tweet"]}
    notes = notes_by_second(records["noteTweet"])
    parents = {
        key: int(tweet["in_reply_to_status_id_str"])
        for key, tweet in tweets.items()
        if tweet.get("in_reply_to_status_id_str") and _continues(tweet, account)
    }
    for thread in threads_of(tweets, parents):
        yield _post([tweets[key] for key in thread], notes, account, author)
    for note in (note for second in notes.values() for note in second):
        if not note.used:
            yield Link(
                address=f"x:{note.name}", outcome="refused", reason="a long text whose post is not in the archive"
            )


FORMAT = Format(
    service="X",
    members=re.compile(r"(?:[^/]+/)?data/(?:account|(?:tweets?|note-tweet)(?:-part\d+)?)\.js"),
    expected="data/account.js and data/tweets.js",
    read=read,
)


def _records(archive: Archive, name: str, kind: str) -> list[dict[str, Any]]:
    text = text_of(archive, name)
    assignment = _ASSIGNMENT.match(text)
    if not assignment:
        raise unknown_structure(archive.path, "X", expected=f"window.YTD... = [...] in {name}", found=repr(text[:40]))
    try:
        items = json_in(text[assignment.end() :].rstrip().rstrip(";"))
    except json.JSONDecodeError as error:
        raise unknown_structure(
            archive.path, "X", expected=f"JSON in {name}", found=f"{error.msg} in line {error.lineno}"
        ) from error
    needed = {"account": ("accountId", "username"), "tweet": ("id_str", "full_text", "created_at")}.get(kind, ())
    for number, item in enumerate(items if isinstance(items, list) else [items]):
        record = item.get(kind) if isinstance(item, dict) else None
        if not isinstance(record, dict) or any(key not in record for key in needed):
            keys = ", ".join(list(record or item)[:6]) if isinstance(record or item, dict) else type(item).__name__
            raise unknown_structure(
                archive.path,
                "X",
                expected=f"{kind} with {', '.join(needed)} in record {number} of {name}",
                found=keys or "nothing",
            )
    return [item[kind] for item in items]


def _continues(tweet: Tweet, account: Tweet) -> bool:
    return bool(tweet.get("in_reply_to_user_id_str") == account["accountId"])


def _post(thread: list[Tweet], notes: dict[int, list[Note]], account: Tweet, author: str) -> Link:
    first = thread[0]
    url = f"https://x.com/{account['username']}/status/{first['id_str']}"
    try:
        texts = [_text(tweet, notes, account, _time(tweet)) for tweet in thread]
    except ValueError:
        return Link(address=url, outcome="failed", reason=f"its time {first['created_at']!r} cannot be read")
    text = "\n\n".join(text for text in texts if text)
    if not text:
        return Link(address=url, outcome="refused", reason="a picture or a film, without words of the author")
    answers = bool(first.get("in_reply_to_user_id_str") or first.get("in_reply_to_status_id_str"))
    language = first.get("lang") or ""
    document = RawDocument(
        document_id=document_id_for(url),
        author=author,
        category="posts",
        platform="x",
        url=url,
        published_at=_time(first),
        # X writes und, zxx or qme where it found no language.
        language=language if len(language) == 2 else None,
        relation=(
            "repost"
            if _REPOST.match(first["full_text"])
            else "reply"
            if answers and not _continues(first, account)
            else "original"
        ),
        media_type="text/plain",
        text=text,
        source="x",
    )
    return Link(address=url, document=document)


def _text(tweet: Tweet, notes: dict[int, list[Note]], account: Tweet, written: datetime) -> str:
    text = html.unescape(tweet["full_text"])
    note = note_of(notes, text, written)
    if note:
        text = note.text
    entities = tweet.get("entities") or {}
    for entity in entities.get("urls") or []:
        if entity.get("url") and entity.get("expanded_url"):
            text = text.replace(entity["url"], entity["expanded_url"])
    for entity in _media(tweet):
        text = text.replace(entity.get("url") or "\0", "")
    if _continues(tweet, account):
        # The clients of X hide the name of whom one answers; here it is the author.
        text = re.sub(rf"^(?:@{re.escape(account['username'])}\s+)+", "", text, flags=re.IGNORECASE)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def _media(tweet: Tweet) -> Iterable[dict[str, Any]]:
    for place in ("entities", "extended_entities"):
        yield from ((tweet.get(place) or {}).get("media") or [])


def _time(tweet: Tweet) -> datetime:
    return datetime.strptime(tweet["created_at"], "%a %b %d %H:%M:%S %z %Y").astimezone(UTC)
