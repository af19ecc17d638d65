import struct
from collections import Counter
from collections.abc import Callable

import pytest

from twin_assets.canvas import Theme
from twin_assets.datasets import plots
from twin_assets.datasets.curation.contract import StageCount
from twin_assets.datasets.figures import Place, Subjects, Tally, Topic

STAGES = [StageCount("rule filters", 90, Counter({"refusal": 10})), StageCount("balance", 90)]
LENGTHS = {"instruction": {"train": (8, 9, 30), "test": (7,)}, "answer": {"train": (80, 90, 200), "test": (75,)}}
SUBJECTS = Subjects(
    topics=tuple(Topic(name=name, size=2, held_out=1, examples=()) for name in ("tides", "fog")),
    silhouette=0.4,
    places=tuple(Place(x=x, y=x * x, topic=x % 2, held_out=x > 1) for x in range(4)),
    variance=(0.5, 0.2),
)
TALLIES = [Tally(value=f"kind {number}", rows={"train": 20 - number, "test": 1}) for number in range(20)]

DRAWINGS: dict[str, Callable[[Theme], bytes]] = {
    "funnel": lambda theme: plots.stages_funnel(STAGES, theme=theme),
    "lengths": lambda theme: plots.text_lengths(LENGTHS, theme=theme),
    "rows": lambda theme: plots.rows_by(TALLIES, theme=theme),
    "map": lambda theme: plots.topic_map(SUBJECTS, theme=theme),
    "overlap": lambda theme: plots.overlap_histograms([0.0, 0.3], [0.4, 0.9], theme=theme),
    "openings": lambda theme: plots.opening_bars([("tell me", 4), ("why", 1)], theme=theme),
}


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_plot_is_900_pixels_wide_differs_by_ground_and_is_drawn_alike_twice(name: str) -> None:
    light, dark = DRAWINGS[name]("light"), DRAWINGS[name]("dark")

    assert size_of(light) == size_of(dark)
    assert size_of(light)[0] == 900
    assert light != dark
    assert DRAWINGS[name]("light") == light


def test_other_numbers_give_other_pictures() -> None:
    fewer = [StageCount("rule filters", 80, Counter({"refusal": 20})), StageCount("balance", 80)]

    assert plots.stages_funnel(fewer) != plots.stages_funnel(STAGES)


def test_a_funnel_without_a_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.stages_funnel([])


def test_dollar_signs_are_letters_and_no_formula() -> None:
    formula = r"$\frac{ $"

    assert size_of(plots.opening_bars([(formula, 2), ("why", 1)]))[0] == 900
    assert size_of(plots.stages_funnel([StageCount(formula, 1)]))[0] == 900


def test_many_values_are_added_up_in_the_last_bar() -> None:
    shown = plots._largest(TALLIES)

    assert len(shown) == plots.MAX_BARS
    assert shown[-1].value == "7 others"
    assert shown[-1].rows["train"] == sum(20 - number for number in range(13, 20))
    assert sum(tally.total for tally in shown) == sum(tally.total for tally in TALLIES)


def test_the_numbers_of_topics_stand_apart_even_on_one_spot() -> None:
    places = tuple(Place(x=float(x), y=0.0, topic=topic, held_out=False) for x in (-5, 0, 5) for topic in (0, 1))
    [first, second] = plots._middles(SUBJECTS.model_copy(update={"places": places}))

    assert abs(first[0] - second[0]) == pytest.approx(plots.BADGE_SHARE * 10)


def test_bins_hold_whole_words_and_every_text() -> None:
    edges = plots._bins([3, 4, 5, 300])

    assert edges[0] == -0.5
    assert all(edge % 1 == 0.5 for edge in edges)
    assert edges[-1] > 5
    assert plots._bins([0, 0])[-1] > 0
