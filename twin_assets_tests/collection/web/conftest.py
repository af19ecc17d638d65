"""A site on loopback, a clock that stands still, and a warehouse that remembers the pages."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from served import Server, Site, page

from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.sources import SOURCES
from twin_assets.collection.web.clock import Clock
from twin_assets.documents import Author, Consent, SourceConfig


@pytest.fixture
def site():
    served = Site()
    with Server(served.answer) as address:
        served.address = address
        yield served


@pytest.fixture
def limits():
    return Web(
        user_agent="twin_assets/test",
        allow_private_hosts=True,
        requests_per_second=10_000,
        connections_per_host=4,
        timeout_seconds=2,
        max_page_bytes=1_000_000,
    )


@dataclass
class Waits:
    """A clock that stands still, and notes for how long it was to wait."""

    seconds: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(now=lambda: datetime(2024, 6, 1, tzinfo=UTC), sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def store(tmp_path):
    with Warehouse(path=str(tmp_path / "warehouse.db")).session() as session:
        yield session


@pytest.fixture
def author():
    return Author(
        slug="ann", name="Ann", consent=Consent(given_by="Ann"), sources=[SourceConfig.model_validate({"type": "web"})]
    )


@pytest.fixture
def source(author, store, limits, waits):
    """Return a source by its options: `source("feed", url=...)`."""

    def make(kind: str, *, limits=limits, **options):
        context = SourceContext(Path(), lambda _: [], pages=store, web=limits)
        config = SourceConfig.model_validate({"type": kind, **options})
        return replace(SOURCES[kind](author, config, context), clock=waits.clock())

    return make


@pytest.fixture
def collect(source, site):
    """Collect from a source, and return its links by path."""

    def run(kind: str, **options):
        links = list(source(kind, **options).collect())
        return {link.address.removeprefix(site.address): link for link in links}

    return run


@pytest.fixture
def look(site, collect):
    """Collect a page that was known before, beside a good one, and return how it ended."""

    def run(handler, *, path="/page", **options):
        known = collect("web", pages=[site.put(path, page("Known"))])[path].document
        site.put(path, handler)
        site.asked.clear()
        links = collect("web", pages=[site.url(path), site.put("/good", page("Good"))], **options)
        assert links["/good"].outcome == "found"
        assert links[path].document == known
        return links[path]

    return run
