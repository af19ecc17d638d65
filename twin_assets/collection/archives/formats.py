"""What an archive's format is: which members count, and how they become links."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from twin_assets.collection.archives.reading import Archive, NotTextError, text_of
from twin_assets.collection.links import Link
from twin_assets.errors import UserError


class ArchiveOptions(BaseModel):
    """What an author file says of an archive."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="Zip file or unpacked folder, relative to the author file")
    replies: bool = Field(default=False, description="Whether answers to somebody else are collected")
    reposts: bool = Field(default=False, description="Whether the words of somebody else, passed on, are collected")
    site: str | None = Field(
        default=None,
        pattern="^https?://[^/?#]+/?$",
        description="Address of the publication (Substack)",
    )


Reader = Callable[[Archive, list[str], str, ArchiveOptions], Iterator[Link]]
"""Takes an archive, the names of the members that count, the author's slug and the options."""


@dataclass(frozen=True)
class Format:
    """The structure of one service's archive."""

    service: str
    """Name of the service, for messages."""
    members: re.Pattern[str]
    """Names of the members that are read; a folder around all of them is allowed for."""
    expected: str
    """The same in words."""
    read: Reader
    """Yields a link for everything that the author published."""
    takes_site: bool = False
    """Whether the option `site` means something; the other archives hold their addresses."""


def link_of_page(archive: Archive, name: str, read_page: Callable[[str], Link]) -> Link:
    """Return the link of a member that is one page; a page that cannot be read fails, and hides no other."""
    try:
        return read_page(text_of(archive, name))
    except NotTextError as error:
        return Link(address=name, outcome="failed", reason=str(error))
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        return Link(address=name, outcome="failed", reason=f"it cannot be read ({type(error).__name__})")


def members_of(archive: Archive, layout: Format) -> list[str]:
    """Return the names of the members that count.

    Raises:
        UserError: If there is none: then it is the archive of something else.
    """
    # macOS puts a shadow of each file into the archives that it makes.
    names = [name for name in archive.names() if not name.startswith("__MACOSX/") and "/._" not in f"/{name}"]
    found = [name for name in names if layout.members.fullmatch(name)]
    if not found:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise unknown_structure(archive.path, layout.service, expected=layout.expected, found=shown or "nothing")
    return found


def unknown_structure(path: Path, service: str, *, expected: str, found: str) -> UserError:
    """Return the error for an archive that is of another version than is known here."""
    return UserError(
        f"{path} is no export of {service} as it is known here: expected {expected}, found {found}: download the "
        "export anew, or correct `type` and `path`."
    )
