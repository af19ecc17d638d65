"""The sources `linkedin`, `x`, `mastodon`, `medium-export` and `substack-export`: an export archive on this machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from twin_assets.collection.archives import linkedin, mastodon, medium, substack, x
from twin_assets.collection.archives.formats import ArchiveOptions, Format, members_of
from twin_assets.collection.archives.reading import open_archive
from twin_assets.collection.contract import SourceContext, options_of
from twin_assets.collection.links import Link
from twin_assets.documents import Author, SourceConfig, content_hash
from twin_assets.errors import UserError

FORMATS: Mapping[str, Format] = {
    "linkedin": linkedin.FORMAT,
    "x": x.FORMAT,
    "mastodon": mastodon.FORMAT,
    "medium-export": medium.FORMAT,
    "substack-export": substack.FORMAT,
}
"""The archives that can be read, by the type in the author file."""


@dataclass(frozen=True)
class ArchiveSource:
    """One export archive of an author."""

    author: str
    kind: str
    path: Path
    options: ArchiveOptions

    @classmethod
    def from_config(cls, author: Author, config: SourceConfig, context: SourceContext) -> "ArchiveSource":
        """Read the options; the type of the source says which format it is.

        Raises:
            UserError: If an option is missing, unknown or of the wrong form.
        """
        options = options_of(author, config, ArchiveOptions)
        if options.site and not FORMATS[config.type].takes_site:
            raise UserError(f"{author.slug}: source {config.type}: site: its archive holds the addresses: remove this.")
        return cls(author.slug, config.type, (context.authors_dir / options.path).resolve(), options)

    def fingerprint(self) -> str:
        """Return a hash over the options and every member that counts; nothing is unpacked for it.

        Raises:
            UserError: If the archive is missing, unsafe, or of an unknown structure.
        """
        with open_archive(self.path) as archive:
            stamps = [[name, archive.stamp(name)] for name in members_of(archive, FORMATS[self.kind])]
        return content_hash([self.kind, self.options.model_dump(exclude={"path"}), stamps])

    def collect(self) -> Iterator[Link]:
        """Yield a link for everything in the archive, in its order.

        Raises:
            UserError: If the archive is missing, unsafe, damaged, empty, or of an unknown structure.
        """
        layout = FORMATS[self.kind]
        seen: set[str] = set()
        with open_archive(self.path) as archive:
            links = layout.read(archive, members_of(archive, layout), self.author, self.options)
            position = -1
            for position, link in enumerate(links):
                yield self._wanted(link, position, seen)
        if position < 0:
            raise UserError(f"{self.path} holds nothing that {self.author} published on {layout.service}: remove it.")

    def _wanted(self, link: Link, position: int, seen: set[str]) -> Link:
        if not link.document:
            return link
        if link.document.document_id in seen:
            return _refused(link, "the archive holds it twice")
        seen.add(link.document.document_id)
        if link.document.relation == "reply" and not self.options.replies:
            return _refused(link, "a reply; the option `replies: true` collects these")
        if link.document.relation == "repost" and not self.options.reposts:
            return _refused(link, "a repost; the option `reposts: true` collects these")
        document = link.document.model_copy(update={"position": position, "source": self.kind})
        return link.model_copy(update={"document": document})


def _refused(link: Link, reason: str) -> Link:
    return Link(address=link.address, outcome="refused", reason=reason)
