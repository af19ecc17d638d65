"""Medium and Substack: where a publication has its feed and its sitemap, and which of its pages are writings."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from twin_assets.collection.web.addresses import host_of, normalised

_MEDIUM_POST = re.compile(r"-[0-9a-f]{8,12}$")
"""The end of a story's address: the id of the story."""


@dataclass(frozen=True)
class Publication:
    """Where a publication lists its pages."""

    feed: str
    sitemap: str | None
    """None if there is none of its own."""


def medium_publication(handle: str | None, url: str | None) -> Publication:
    """Return where a writer on Medium, or a publication there, lists the stories."""
    if url is None:
        return Publication(f"https://medium.com/feed/@{(handle or '').removeprefix('@')}", None)
    if host_of(url) in {"medium.com", "www.medium.com"}:
        # On the shared host the feed stands before the name, and the sitemap is that of everybody.
        return Publication(f"https://medium.com/feed{urlsplit(url).path.rstrip('/')}", None)
    return Publication(normalised("/feed", url), normalised("/sitemap/sitemap.xml", url))


def substack_publication(handle: str | None, url: str | None) -> Publication:
    """Return where a publication on Substack lists the posts."""
    home = url or f"https://{(handle or '').removeprefix('@')}.substack.com/"
    return Publication(normalised("/feed", home), normalised("/sitemap.xml", home))


def is_medium_story(url: str) -> bool:
    """Whether an address is that of a story, and not of a profile, a list or a tag."""
    return _MEDIUM_POST.search(urlsplit(url).path) is not None


def is_substack_post(url: str) -> bool:
    """Whether an address is that of a post, and not of the archive, a podcast page or the comments."""
    return re.fullmatch(r"/p/[^/]+", urlsplit(url).path) is not None
