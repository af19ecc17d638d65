"""What a source is: what it is given, and what it has to answer.

Each kind of source is a module of its own that fits `Source`; `sources` lists them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from twin_assets.collection.links import Link
from twin_assets.collection.pages import PageStore
from twin_assets.documents import Author, RawDocument, SourceConfig
from twin_assets.errors import UserError

Options = TypeVar("Options", bound=BaseModel)


class Source(Protocol):
    """One place that an author's writings come from."""

    def fingerprint(self) -> str | None:
        """Return a hash that changes when, and only when, what would be collected changes.

        None if only collecting can tell, as for a site: then every build collects, and the sensors leave it to the
        schedule.

        Raises:
            UserError: If the source is missing or unreadable.
        """
        ...

    def collect(self) -> Iterator[Link]:
        """Yield a link for everything that the source names, whatever happened to it.

        Raises:
            UserError: If the source as a whole is missing, empty or unreadable; what cannot be read of a source that
                can is a link that failed.
        """
        ...


class WebLimits(Protocol):
    """How other people's servers are asked (`resources.web.Web`)."""

    @property
    def user_agent(self) -> str:
        """Who we say we are."""
        ...

    @property
    def allow_private_hosts(self) -> bool:
        """Whether addresses of a private network may be asked."""
        ...

    @property
    def requests_per_second(self) -> float:
        """Requests to one host per second, at most."""
        ...

    @property
    def connections_per_host(self) -> int:
        """Requests to one host at a time, at most."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """How long one answer may take."""
        ...

    @property
    def max_page_bytes(self) -> int:
        """Longest page that is read, unpacked."""
        ...

    @property
    def chromium(self) -> str:
        """Browser for pages that need JavaScript."""
        ...


@dataclass(frozen=True)
class SourceContext:
    """What a source may need besides its own configuration."""

    authors_dir: Path
    """Relative paths in an author file start here."""
    imported_documents: Callable[[str], Sequence[RawDocument]]
    """Returns the documents of an author that `twin import` has put into the warehouse."""
    pages: PageStore
    """What is remembered of pages between two crawls."""
    web: WebLimits
    """How other people's servers are asked."""
    collected_documents: Callable[[str, str], Sequence[RawDocument]] = lambda _author, _kind: ()
    """Returns the documents of an author that the warehouse holds of one kind of source."""


def options_of(author: Author, config: SourceConfig, kind: type[Options]) -> Options:
    """Return what an author file says of one source, in the form that the source declares.

    Raises:
        UserError: If an option is missing, unknown or of the wrong form; it is named.
    """
    try:
        return kind.model_validate(config.model_extra or {})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = ", ".join(kind.model_fields)
        raise UserError(
            f"{author.slug}: source {config.type}: {field}: {first['msg'].removeprefix('Value error, ')} "
            f"(its options are: {known or 'none'})."
        ) from error
