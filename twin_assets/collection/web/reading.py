"""Reading a page: what the ways to a page, `static` and `browser`, have in common."""

from dataclasses import dataclass
from typing import Protocol

from twin_assets.collection.web.answers import Answer, Refused, Validators

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True)
class Reading:
    """What was read of a page."""

    url: str
    """Where it was found in the end."""
    html: str | None
    """The page; None if it has not changed."""
    validators: Validators


class Reader(Protocol):
    """A way to pages."""

    async def read(self, url: str, validators: Validators) -> Reading:
        """Return the page at `url`.

        Args:
            url: Address of the page.
            validators: Of the last reading, to be told if nothing has changed.

        Raises:
            Refused: If we may not look.
            Missing: If there is no such page.
            Failed: If we could not look.
        """
        ...


def check_type(answer: Answer) -> None:
    """Make sure that an answer is a page.

    Raises:
        Refused: If it is something else, as a picture or a PDF.
    """
    if answer.status == 200 and answer.media_type not in HTML_TYPES:
        raise Refused(f"it is no page, but {answer.media_type}")


def validators_of(headers: dict[str, str]) -> Validators:
    """Return what the headers of an answer hold for the next request."""
    return Validators(headers.get("etag"), headers.get("last-modified"))
