"""Links: what a source names, and what became of each.

A source yields one `Link` for everything that it names, whatever happened to it. Only the comparison with what the
warehouse held before tells what is new; it is made here, so that every source counts alike. Nothing is fetched or
written.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from twin_assets.documents import Entity, KnownDocument, RawDocument

Outcome = Literal["found", "gone", "refused", "failed"]
"""What happened to a link: there it is; it is no more; we may not look; we could not look."""

LinkState = Literal["new", "changed", "unchanged", "gone", "refused", "failed"]
LINK_STATES: tuple[LinkState, ...] = ("new", "changed", "unchanged", "gone", "refused", "failed")
"""The states that a link can end in, exactly one each."""

EXAMPLES = 3
"""Addresses that are named of links that ended alike."""

MAX_REFUSED = 50
"""Links that are listed of those that were refused for one reason."""


class Link(Entity):
    """One thing that a source names: a page, a post of an archive, a file, a repository."""

    address: str = Field(description="URL, or the path by which a person finds it")
    outcome: Outcome = Field(default="found", description="What happened to it")
    reason: str = Field(default="", description="Why it was refused or failed, in words; empty otherwise")
    document: RawDocument | None = Field(
        default=None,
        description="The document as found; of a refused or failed link the one known from before, which is kept",
    )

    @property
    def domain(self) -> str:
        """Where it lies: the host of its address, or the platform of its document."""
        return domain_of(self.address, self.document.platform if self.document else "files")


class LedgerLine(Entity):
    """How one link ended."""

    address: str
    domain: str
    state: LinkState
    reason: str = ""


def domain_of(address: str, platform: str) -> str:
    """Return the host of a URL, without `www.`; the platform where the address is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        # The front matter of a file may say anything: an open bracket, or words in brackets.
        return platform
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return platform
    return parts.hostname.removeprefix("www.")


def documents_of(links: Iterable[Link]) -> list[RawDocument]:
    """Return the documents that the author has now: found, or known and not proven gone."""
    return [link.document for link in links if link.document and link.outcome != "gone"]


def with_unread(links: Sequence[Link], known: Iterable[RawDocument]) -> list[Link]:
    """Return the links of an archive with what it held before, if a part of it cannot be read now.

    An unreadable part does not say which documents it holds: so none that is known and not named is taken to be gone.

    Args:
        links: What the archive holds now.
        known: What the warehouse holds of it.
    """
    unread = [link for link in links if link.outcome == "failed" and link.document is None]
    present = {link.document.document_id for link in links if link.document}
    missing = [document for document in known if document.document_id not in present] if unread else []
    by_address = {document.url: document for document in missing}
    links = [
        link.model_copy(update={"document": by_address.get(link.address)}) if link in unread else link for link in links
    ]
    without = [link for link in links if link.outcome == "failed" and link.document is None]
    named = {link.address for link in links}
    if not without:
        return links
    reason = f"it is not in what could be read, and stays as it was, because a part could not: {without[0].address}"
    return links + [
        Link(
            address=document.url or document.title or document.document_id,
            outcome="failed",
            reason=reason,
            document=document,
        )
        for document in missing
        if document.url not in named
    ]


def repeated(link: Link, holder: str) -> Link:
    """Return a link without its document, which the link `holder` brings already, and which must not come twice."""
    return Link(
        address=link.address, outcome="refused", reason=f"it is the same page as {holder}, which is collected already"
    )


def ledger_of(links: Sequence[Link], known: Mapping[str, KnownDocument]) -> list[LedgerLine]:
    """Return one line per link, and one per known document that no source names any more, which is gone.

    Args:
        links: What the sources yielded.
        known: What the warehouse held before, by document id.
    """
    named = {link.document.document_id for link in links if link.document}
    # By address too: a link that is gone, or refused now that an option says so, comes without its document.
    named |= {link.address for link in links}
    vanished = [
        document for document in known.values() if document.document_id not in named and document.address not in named
    ]
    return [
        *(
            LedgerLine(address=link.address, domain=link.domain, state=_state_of(link, known), reason=link.reason)
            for link in links
        ),
        *(
            LedgerLine(address=document.address, domain=domain_of(document.address, document.platform), state="gone")
            for document in vanished
        ),
    ]


def notices_of(ledger: Iterable[LedgerLine]) -> list[str]:
    """Return what there is to say of a ledger: one sentence for all links that ended alike for one reason."""
    alike: dict[tuple[LinkState, str], list[str]] = {}
    for line in ledger:
        if line.reason:
            alike.setdefault((line.state, line.reason), []).append(line.address)
    return [
        f"{state}: {', '.join(addresses[:EXAMPLES])}"
        f"{f' and {len(addresses) - EXAMPLES:,} more' if len(addresses) > EXAMPLES else ''}: {reason}"
        for (state, reason), addresses in alike.items()
    ]


def shortened(ledger: Iterable[LedgerLine]) -> list[LedgerLine]:
    """Return a ledger with the first `MAX_REFUSED` of the links that were refused for one reason.

    A line of its own says how many more there are. An archive may hold tens of thousands of replies.
    """
    kept, seen = [], Counter[str]()
    for line in ledger:
        seen[line.reason] += line.state == "refused"
        if line.state != "refused" or seen[line.reason] <= MAX_REFUSED:
            kept.append(line)
    return kept + [
        LedgerLine(address=f"{times - MAX_REFUSED:,} more", domain="", state="refused", reason=reason)
        for reason, times in seen.items()
        if times > MAX_REFUSED
    ]


def _state_of(link: Link, known: Mapping[str, KnownDocument]) -> LinkState:
    if link.outcome != "found":
        return link.outcome
    if link.document is None:
        raise ValueError(f"{link.address} was found, but has no document.")
    before = known.get(link.document.document_id)
    if before is None:
        return "new"
    return "unchanged" if before.content_hash == link.document.content_hash else "changed"
