"""The source `github`: git repositories, by https, by ssh or on this machine.

A repository elsewhere is cloned into a temporary folder and read; what was read, of local ones too, is remembered in
the warehouse with its commit. So a later collection asks for the commit alone, and clones only if it is another one,
and what is out of reach today stays as it was. No clone is kept: the
warehouse holds every text already, a second copy would grow with the history, and a machine that is new each time, as
in the cloud, would have none.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from twin_assets.collection.code_files import CODE_SUFFIXES, EXTENSIONLESS_FILES
from twin_assets.collection.contract import SourceContext, options_of
from twin_assets.collection.links import Link, Outcome
from twin_assets.collection.repositories import git, selection
from twin_assets.collection.repositories.addresses import (
    PRIVATE_PROTOCOLS,
    PROTOCOLS,
    Address,
    address_of,
    is_private,
)
from twin_assets.collection.repositories.reading import (
    PASSED_OVER,
    READING_VERSION,
    README,
    Reading,
    read_repository,
)
from twin_assets.collection.repositories.selection import MAX_FILE_BYTES
from twin_assets.documents import Author, KnownPage, SourceConfig, content_hash
from twin_assets.errors import UserError

SOURCE = "github"


class RepositoryOptions(BaseModel):
    """What an author file says of repositories."""

    model_config = ConfigDict(extra="forbid")

    repositories: list[str] = Field(min_length=1, description="Addresses (https, ssh), or paths on this machine")
    exclude: list[str] = Field(default=[], description="Further files to pass over, as in .gitignore")


@dataclass(frozen=True)
class RepositoriesSource:
    """Some repositories of an author."""

    author: str
    options: RepositoryOptions
    context: SourceContext
    named_anywhere: frozenset[str]
    """What all sources of this kind in the author file name together."""

    @classmethod
    def from_config(cls, author: Author, config: SourceConfig, context: SourceContext) -> "RepositoriesSource":
        """Read the options `repositories` and `exclude`.

        Raises:
            UserError: If an option is missing, unknown or of the wrong form, or an address is none.
        """
        options = options_of(author, config, RepositoryOptions)
        alike = [options_of(author, other, RepositoryOptions) for other in author.sources if other.type == config.type]
        source = cls(author.slug, options, context, frozenset())
        named = {source._address(written).url for other in alike for written in other.repositories}
        return cls(author.slug, options, context, frozenset(named))

    def fingerprint(self) -> str | None:
        """Return a hash over commits and options; None if a repository lies elsewhere."""
        addresses = self._addresses()
        if any(address.host for address in addresses):
            return None
        return content_hash([[address.url, _head_or_reason(address)] for address in addresses] + [self.options.exclude])

    def collect(self) -> Iterator[Link]:
        """Yield links for each repository, for its README, and for what was passed over; one failure hides no other."""
        known = self.context.pages.pages(self.author, SOURCE)
        unnamed = [
            url for url in known if url.removesuffix(README).removesuffix(PASSED_OVER) not in self.named_anywhere
        ]
        self.context.pages.forget_pages(self.author, SOURCE, unnamed)
        for address in self._addresses():
            before = {place: known[url] for place in ("", README) if (url := address.url + place) in known}
            if address.host and not self.context.web.allow_private_hosts and is_private(address.host):
                yield from _failures(address, before, "an address of a private network", outcome="refused")
                continue
            try:
                yield from self._links(address, before)
            except UserError as error:
                yield from _failures(address, before, str(error))

    def _addresses(self) -> list[Address]:
        return [self._address(written) for written in self.options.repositories]

    def _address(self, written: str) -> Address:
        return address_of(written, self.context.authors_dir, private=self.context.web.allow_private_hosts)

    def _links(self, address: Address, before: dict[str, KnownPage]) -> Iterator[Link]:
        commit = self._head(address)
        if commit is None:
            raise UserError("it is empty: nothing was committed to it yet.")
        known_version = self._version(commit, before)
        if before and all(page.etag == known_version for page in before.values()):
            reading = Reading({place: page.document for place, page in before.items() if page.document}, _note(before))
        else:
            reading = self._read(address)
            self._remember(address, reading, self._version(commit, reading.documents))
        for place, document in reading.documents.items():
            yield Link(address=address.url + place, document=document)
        if reading.passed_over:
            yield Link(address=address.url + PASSED_OVER, outcome="refused", reason=f"files: {reading.passed_over}")

    def _version(self, commit: str, places: Iterable[str]) -> str:
        """Return a hash over all that decides how a commit is read.

        Its places belong to it: if one of two documents was remembered, and then the collection stopped, the repository
        is read again.
        """
        selecting = [selection.MAX_FILE_BYTES, selection.MAX_TOTAL_BYTES, selection.DEFAULT_EXCLUDES]
        names = [sorted(CODE_SUFFIXES), sorted(EXTENSIONLESS_FILES)]
        return content_hash([READING_VERSION, commit, self.options.exclude, *selecting, *names, sorted(places)])

    def _head(self, address: Address) -> str | None:
        if not address.host:
            return git.local_head(address.location)
        return git.remote_head(address.location, protocols=self._protocols(), timeout=self.context.web.timeout_seconds)

    def _read(self, address: Address) -> Reading:
        if not address.host:
            return read_repository(address.location, address, self.author, self.options.exclude)
        with tempfile.TemporaryDirectory(prefix="twin-repository-") as folder:
            clone = str(Path(folder) / "clone")
            git.clone(address.location, clone, protocols=self._protocols(), largest=MAX_FILE_BYTES)
            return read_repository(clone, address, self.author, self.options.exclude)

    def _remember(self, address: Address, reading: Reading, version: str) -> None:
        for place, document in reading.documents.items():
            page = KnownPage(url=address.url + place, etag=version, note=reading.passed_over, document=document)
            self.context.pages.remember_page(self.author, SOURCE, page)
        gone = [address.url + place for place in ("", README) if place not in reading.documents]
        self.context.pages.forget_pages(self.author, SOURCE, gone)

    def _protocols(self) -> tuple[str, ...]:
        return PRIVATE_PROTOCOLS if self.context.web.allow_private_hosts else PROTOCOLS


def _note(pages: dict[str, KnownPage]) -> str:
    return next(iter(pages.values())).note


def _head_or_reason(address: Address) -> str | None:
    try:
        return git.local_head(address.location)
    except UserError as error:
        return str(error)


def _failures(
    address: Address, before: dict[str, KnownPage], reason: str, outcome: Outcome = "failed"
) -> Iterator[Link]:
    """Yield what failed or is refused; what is known from before stays."""
    for place in before or [""]:
        page = before.get(place)
        yield Link(
            address=address.url + place, outcome=outcome, reason=reason, document=page.document if page else None
        )
