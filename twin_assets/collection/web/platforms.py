"""Furniture of platforms: elements that Medium and Substack put into every page, and where the writing stands.

What any site may have (menus, footers, share boxes) is known to `features.html` and `features.furniture`.
"""

from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag


@dataclass(frozen=True)
class Furniture:
    """Where a platform puts the writing, and what else it puts there, as CSS selectors."""

    main: tuple[str, ...] = ()
    """The first that is found holds the writing."""
    dropped: tuple[str, ...] = ()
    subtitle: str | None = None


FURNITURE: dict[str, Furniture] = {
    "medium": Furniture(
        main=("article section", "article"),
        dropped=(
            "[data-testid$=Button]", "[data-testid=authorPhoto]", "[data-testid=authorName]",
            "[data-testid=storyReadTime]", "[data-testid=storyPublishDate]", "[data-testid=publicationName]",
            ".speechify-ignore", ".pw-multi-vote-count", ".pw-responses-count", "[aria-label=responses]",
        ),
        subtitle=".pw-subtitle-paragraph",
    ),
    "substack": Furniture(
        main=(".available-content .body.markup", ".body.markup", "article"),
        dropped=(
            ".post-ufi", ".subscription-widget-wrap", ".subscription-widget-wrap-editor", ".subscribe-widget",
            ".subscription-widget", ".post-footer", ".byline-wrapper", ".comments-section", ".share-dialog",
            ".button-wrapper", ".captioned-button-wrap", ".header-anchor-parent", ".image-link-expand",
            ".digest-post-embed", ".install-substack-app-embed", ".paywall",
        ),
        subtitle="h3.subtitle",
    ),
}  # fmt: skip

NOWHERE = Furniture()


@dataclass(frozen=True)
class Writing:
    """The part of a page that holds the writing."""

    element: Tag
    subtitle: str | None = None


def writing_of(soup: BeautifulSoup, platform: str) -> Writing:
    """Return the part of a page that holds the writing, without the platform's furniture, which is removed from it.

    Of a platform that is not known it is the whole page.
    """
    furniture = FURNITURE.get(platform, NOWHERE)
    subtitle = soup.select_one(furniture.subtitle) if furniture.subtitle else None
    words = " ".join(subtitle.get_text().split()) if subtitle else ""
    for selector in furniture.dropped:
        for element in soup.select(selector):
            if not element.find_parent("pre"):
                element.decompose()
    found = (soup.select_one(selector) for selector in furniture.main)
    return Writing(next((element for element in found if element), soup), words or None)
