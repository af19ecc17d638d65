"""What a server answered: a page, or the reason why there is none."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """What one address holds."""

    url: str
    """Where it was found in the end, after redirects."""
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """What the server says that it is, without parameters; HTML if it says nothing."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() or "text/html"


@dataclass(frozen=True)
class Validators:
    """What lets a server say that nothing has changed (RFC 9110, section 13.1)."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of a conditional request."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


class NoPageError(Exception):
    """There is no page, for a reason that is said in words."""


class Refused(NoPageError):  # noqa: N818 - an outcome of a link, by its name
    """We may not look."""


class Missing(NoPageError):  # noqa: N818 - an outcome of a link, by its name
    """The server says that there is no such page: 404 or 410."""


class Failed(NoPageError):  # noqa: N818 - an outcome of a link, by its name
    """We could not look: something is wrong with this page."""


class HostTrouble(Failed):
    """We could not look, and the host is to blame: others of its pages may fail likewise."""


class Retryable(HostTrouble):
    """We could not look, and may succeed if we ask again."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the server asks us to wait."""
