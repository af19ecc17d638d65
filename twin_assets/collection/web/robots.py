"""robots.txt: what a host allows, as RFC 9309 reads it."""

from dataclasses import dataclass

from protego import Protego

MAX_BYTES = 500 * 1024
"""A crawler must read at least this much of a robots.txt (RFC 9309, section 2.5); the rest is not read."""

MAX_CRAWL_DELAY_SECONDS = 30.0
"""A Crawl-delay is honoured up to here: a longer one would hold up all the sources of an author."""


@dataclass(frozen=True)
class Rules:
    """What a robots.txt says to us."""

    _parsed: Protego
    _name: str

    def allow(self, url: str) -> bool:
        """Whether the page may be asked for."""
        return bool(self._parsed.can_fetch(url, self._name))

    @property
    def delay(self) -> float:
        """Seconds that should lie between two requests."""
        return min(float(self._parsed.crawl_delay(self._name) or 0.0), MAX_CRAWL_DELAY_SECONDS)

    @property
    def sitemaps(self) -> list[str]:
        """The sitemaps that it names."""
        return list(self._parsed.sitemaps)


def rules_of(body: bytes, user_agent: str) -> Rules:
    """Return the rules of a robots.txt; of an empty one, that everything is allowed.

    Args:
        body: The file.
        user_agent: Who we say we are: the rules are looked up under the part before the slash.
    """
    return Rules(Protego.parse(body[:MAX_BYTES].decode("utf-8", errors="replace")), user_agent.partition("/")[0])
