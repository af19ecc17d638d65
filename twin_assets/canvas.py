"""The house style of plots: palette, an empty figure, and the few marks that plots share.

What is drawn stands in the `plots.py` of each stage. Figures are made without pyplot, so matplotlib's global state
stays untouched.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Theme = Literal["light", "dark"]

WIDTH = 7.2
DPI = 125
"""Inches and dots per inch: 900 pixels across."""


class Palette(NamedTuple):
    """Colours on one ground; grey is the base model, blues are the tuned ones, ochre is the author."""

    ground: str
    ink: str
    muted: str
    grid: str
    models: dict[str, str]

    def of_model(self, model: str) -> str:
        """Return the colour of a model; a muted one for a model that has none of its own."""
        return self.models.get(model, self.muted)


PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        ground="#ffffff",
        ink="#20242c",
        muted="#646c7a",
        grid="#e7e9ed",
        models={"base": "#a9b0bc", "sft": "#6d9dc5", "dpo": "#23527c", "human": "#bd6a33"},
    ),
    "dark": Palette(
        ground="#181b21",
        ink="#e4e7ec",
        muted="#98a1b0",
        grid="#2b3039",
        models={"base": "#6b7484", "sft": "#4f83b0", "dpo": "#a5cdf0", "human": "#e29a63"},
    ),
}


class Canvas:
    """An empty figure in house style: panels one above the other, on one x axis unless each has its own."""

    def __init__(self, theme: Theme, height: float, panels: Sequence[float] = (1.0,), *, share_x: bool = True) -> None:
        """Lay out panels of the given relative heights on a figure of `height` inches."""
        from matplotlib.figure import Figure

        self.palette = PALETTES[theme]
        self.figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=self.palette.ground, layout="constrained")
        grid = self.figure.subplots(len(panels), 1, squeeze=False, sharex=share_x, height_ratios=list(panels))
        self.panels: list[Axes] = [row[0] for row in grid]
        for ax in self.panels:
            ax.set_facecolor(self.palette.ground)
            ax.set_axisbelow(True)
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.spines["bottom"].set_color(self.palette.grid)
            ax.tick_params(length=0, colors=self.palette.muted, labelsize=9.5)
            for label in (ax.xaxis.label, ax.yaxis.label):
                label.set(color=self.palette.muted, fontsize=9.5)

    def categories(self, names: Sequence[str]) -> None:
        """Name the rows of a horizontal plot, the first on top."""
        [ax] = self.panels
        # Names may be anybody's words, in which a dollar sign begins no formula.
        ax.set_yticks(range(len(names)), names, color=self.palette.ink, fontsize=10.5, parse_math=False)
        ax.set_ylim(len(names) - 0.5, -0.5)

    def whisker(self, y: float, low: float, high: float, colour: str, width: float = 1.4) -> None:
        """Draw an interval as a horizontal line."""
        [ax] = self.panels
        ax.plot([low, high], [y, y], color=colour, linewidth=width, solid_capstyle="butt")

    def label(
        self,
        text: str,
        at: tuple[float, float],
        offset: tuple[float, float],
        *,
        colour: str | None = None,
        at_top: bool = False,
    ) -> None:
        """Write text beside a point, `offset` in points from it; `at_top` takes y as a share of the panel's height."""
        [ax] = self.panels
        ax.annotate(
            text,
            at,
            offset,
            xycoords=("data", "axes fraction") if at_top else "data",
            textcoords="offset points",
            color=colour or self.palette.ink,
            fontsize=9.5,
            parse_math=False,
            ha="left" if offset[0] > 0 else "right" if offset[0] < 0 else "center",
            va="center" if offset[1] == 0 else "bottom" if offset[1] > 0 else "top",
        )

    def legend(self, ax: "Axes", place: Literal["best", "lower right", "above"] = "best") -> None:
        """Name the series of a panel, inside it or in a line above it on the right."""
        above = {"loc": "lower right", "bbox_to_anchor": (1, 0.98), "ncols": 4, "borderaxespad": 0.0}
        above |= {"handlelength": 1.0, "handletextpad": 0.5, "columnspacing": 1.2}
        where: dict[str, Any] = above if place == "above" else {"loc": place}
        ax.legend(frameon=False, labelcolor=self.palette.ink, fontsize=9.5, **where)

    def png(self) -> bytes:
        """Return the picture; without the software's name in it, so that equal numbers give equal bytes."""
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", metadata={"Software": None})
        return picture.getvalue()
