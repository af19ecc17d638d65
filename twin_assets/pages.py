"""The house style of pages: the frame that they share, pictures on light and on dark ground, and how they are set.

Styles and pictures are inside a page and nothing is fetched from anywhere: a page can be mailed. What stands in a page
is made in the rooms, each with templates of its own beside those that are shared (`templates/page.html`, `parts.html`).
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from twin_assets.canvas import Theme


class Picture(NamedTuple):
    """A plot on light and on dark ground, as base64, and in words for those who cannot see it."""

    light: str
    dark: str
    alt: str


class Drawing(Protocol):
    """A plot that is still to be told its ground."""

    def __call__(self, *, theme: Theme) -> bytes:
        """Return the PNG."""
        ...


def picture(draw: Drawing, alt: str) -> Picture:
    """Return a plot, drawn on either ground."""
    themes: tuple[Theme, Theme] = ("light", "dark")
    light, dark = (base64.b64encode(draw(theme=theme)).decode() for theme in themes)
    return Picture(light, dark, alt)


def rendered(
    room: str, template: str, values: Mapping[str, Any], *, filters: Mapping[str, Callable[..., Any]] | None = None
) -> str:
    """Return a page: a template with its values, all text escaped.

    Args:
        room: Package whose `templates` folder holds the template, such as "twin_assets.evaluation".
        template: Name of the file.
        values: What the template speaks of; a name that is missing is an error.
        filters: Filters of the room's own.
    """
    # Imported here, because a tenth of a second is much for those who only load the definitions.
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(room), PackageLoader("twin_assets")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(filters or {})
    return environment.get_template(template).render(values)
