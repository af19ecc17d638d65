"""What an author file may say of a site."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from twin_assets.collection.web.addresses import is_web_address, normalised
from twin_assets.documents import Category


def _checked(url: str) -> str:
    if not is_web_address(url):
        raise ValueError(f"{url!r} is no address of the web: write it as https://ann.example/blog")
    return normalised(url)


Address = Annotated[str, AfterValidator(_checked)]


class SiteOptions(BaseModel):
    """What every kind of site can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: Category = Field(default="articles", description="What its pages are")
    javascript: bool = Field(default=False, description="Whether a browser has to show the pages")


class WebOptions(SiteOptions):
    """Options of `web`."""

    pages: tuple[Address, ...] = Field(min_length=1, description="Addresses of the pages")


class SitemapOptions(SiteOptions):
    """Options of `sitemap`."""

    url: Address = Field(description="Address of the sitemap, or of an index of sitemaps")
    include: tuple[str, ...] = Field(default=(), description="Patterns of paths, as /blog/*; all pages without one")
    exclude: tuple[str, ...] = Field(default=(), description="Patterns of paths that are not wanted")


class FeedOptions(SiteOptions):
    """Options of `feed`."""

    url: Address = Field(description="Address of the RSS or Atom feed")
    content: Literal["page", "feed"] = Field(
        default="page", description="Where the text is taken from; from the feed, too, if a page cannot be had"
    )


class PublicationOptions(SiteOptions):
    """Options of `medium` and `substack`."""

    handle: str | None = Field(default=None, pattern=r"^@?[\w.-]+$", description="Name of the author there")
    url: Address | None = Field(default=None, description="Address of the publication, in place of the name")
    content: Literal["page", "feed"] = Field(default="page", description="As of a feed")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.handle is None) == (self.url is None):
            raise ValueError("give either `handle` or `url`")
        return self
