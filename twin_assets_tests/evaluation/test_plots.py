"""The plots: pictures of the right size on both grounds, equal for equal numbers."""

import struct

import pytest

from twin_assets.evaluation import plots
from twin_assets.evaluation.leaderboard import leaderboard_rows
from twin_assets.evaluation.retrieval import retrieval_scores
from twin_assets.evaluation.stylometry import DistinctiveWord
from twin_assets.training.plots import loss_curve

HISTORY = [
    {"step": 10, "loss": 3.0, "learning_rate": 1e-4, "rewards/margins": 0.1},
    {"step": 20, "loss": 2.5, "learning_rate": 5e-5, "rewards/margins": 0.3},
    {"step": 20, "eval_loss": 2.7, "eval_rewards/margins": 0.2},
]


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


@pytest.fixture
def drawings(report, make_interval):
    likenesses = {scores.model: scores.likeness for scores in report.models}
    words = [
        DistinctiveWord(word="upon", per_thousand=4, pool_per_thousand=2, z=1.5),
        DistinctiveWord(word="the", per_thousand=40, pool_per_thousand=60, z=-1.1),
    ]
    rows = leaderboard_rows({"ada": "Ada"}, documents={}, evaluations={"ada": report}, retrievals={}, champions={})
    return {
        "loss": lambda theme: loss_curve(HISTORY, theme=theme),
        "perplexity": lambda theme: plots.perplexity_bars({"base": make_interval(50.0, 4.0)}, theme=theme),
        "likeness": lambda theme: plots.likeness_dots(likenesses, report.human, theme=theme),
        "recall": lambda theme: plots.recall_curve(retrieval_scores([1, 2]), retrieval_scores([3, None]), theme=theme),
        "words": lambda theme: plots.distinctive_bars(words, theme=theme),
        "lengths": lambda theme: plots.chunk_lengths([10, 100, 200], 256, theme=theme),
        "leaderboard": lambda theme: plots.leaderboard_bars(rows, theme=theme),
    }


@pytest.mark.parametrize("name", ["loss", "perplexity", "likeness", "recall", "words", "lengths", "leaderboard"])
def test_every_plot_is_900_pixels_wide_and_differs_by_ground(drawings, name):
    light, dark = drawings[name]("light"), drawings[name]("dark")
    assert size_of(light) == size_of(dark)
    assert size_of(light)[0] == 900
    assert light != dark


def test_equal_numbers_give_equal_bytes_and_others_do_not(make_interval):
    first = plots.perplexity_bars({"base": make_interval(50.0)})
    assert plots.perplexity_bars({"base": make_interval(50.0)}) == first
    assert plots.perplexity_bars({"base": make_interval(51.0)}) != first


def test_a_history_with_margins_gets_a_panel_for_them():
    without = [{key: value for key, value in row.items() if "margins" not in key} for row in HISTORY]
    assert size_of(loss_curve(without))[1] < size_of(loss_curve(HISTORY))[1]


def test_a_history_without_a_loss_is_refused():
    with pytest.raises(ValueError, match="holds no loss"):
        loss_curve([{"step": 1, "learning_rate": 1e-4}])


def test_drawing_leaves_the_global_state_of_matplotlib_alone(make_interval):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.perplexity_bars({"base": make_interval(50.0)}, theme="dark")
    assert dict(mpl.rcParams) == before
