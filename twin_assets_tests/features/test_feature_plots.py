"""The plots: pictures of the right width on both grounds, equal for equal numbers."""

import struct
from datetime import UTC, datetime

import pytest

from twin_assets.features import plots


@pytest.fixture
def documents(cleaned):
    return [
        cleaned("a", "1", published_at=datetime(2023, 4, 1, tzinfo=UTC)),
        cleaned("b", "2", platform="mastodon", category="posts", published_at=datetime(2024, 6, 1, tzinfo=UTC)),
        cleaned("c", "3", platform="github", category="repositories"),
    ]


@pytest.fixture
def drawings(documents):
    return {
        "platforms": lambda theme: plots.documents_by_platform(documents, theme=theme),
        "dates": lambda theme: plots.publication_dates(documents, theme=theme),
        "dropped": lambda theme: plots.dropped_by_reason({"comments": 300, "footer": 20, "byline": 0}, theme=theme),
        "lengths": lambda theme: plots.passage_lengths([24, 100, 128], 128, theme=theme),
    }


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("name", ["platforms", "dates", "dropped", "lengths"])
def test_every_plot_is_900_pixels_wide_and_differs_by_ground(drawings, name):
    light, dark = drawings[name]("light"), drawings[name]("dark")

    assert size_of(light) == size_of(dark)
    assert size_of(light)[0] == 900
    assert light != dark
    assert drawings[name]("light") == light


def test_a_reason_more_is_a_row_more_and_many_are_added_up():
    def height(reasons):
        return size_of(plots.dropped_by_reason({f"reason {n}": n + 1 for n in range(reasons)}))[1]

    assert height(3) < height(4) < height(plots.MAX_ROWS) == height(plots.MAX_ROWS + 5)


def test_documents_without_a_date_cannot_be_drawn_by_date(cleaned):
    with pytest.raises(ValueError, match="publication date"):
        plots.publication_dates([cleaned("a")])


def test_nothing_dropped_is_drawn_as_nothing():
    assert size_of(plots.dropped_by_reason({}))[0] == 900
