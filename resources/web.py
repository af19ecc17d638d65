"""How other people's servers are asked: politely, and only where we may go."""

import dagster as dg
from pydantic import Field

from twin_assets.settings import Settings


class Web(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Limits of collecting from sites."""

    user_agent: str = Field(description="Who we say we are; robots.txt rules are looked up under this name")
    allow_private_hosts: bool = Field(
        default=False, description="Whether addresses of a private network may be asked, as on an intranet"
    )
    requests_per_second: float = Field(default=1.0, gt=0, description="Requests to one host per second, at most")
    connections_per_host: int = Field(default=2, ge=1, description="Requests to one host at a time, at most")
    timeout_seconds: float = Field(default=30.0, gt=0, description="How long one answer may take")
    max_page_bytes: int = Field(default=10_000_000, ge=1, description="Longest page that is read, unpacked")
    chromium: str = Field(default="/usr/bin/chromium", description="Browser for pages that need JavaScript")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Web":
        """Take over what the settings say."""
        return cls(
            user_agent=settings.crawl_user_agent,
            allow_private_hosts=settings.crawl_private_hosts,
            requests_per_second=settings.crawl_requests_per_second,
            timeout_seconds=settings.crawl_timeout_seconds,
            max_page_bytes=settings.crawl_max_page_bytes,
            chromium=settings.chromium,
        )
