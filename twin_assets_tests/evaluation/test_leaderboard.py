"""The leaderboard: what a row takes from where, and the order of rows."""

from twin_assets.evaluation.leaderboard import leaderboard_rows


def test_rows_hold_what_was_measured_and_say_what_was_not(report):
    [row, missing] = leaderboard_rows(
        {"ada": "Ada", "zoe": "Zoe"},
        documents={"ada": 12},
        evaluations={"ada": report},
        retrievals={},
        champions={"ada": "3"},
    )
    assert (row.author, row.state, row.documents, row.champion, row.chosen) == ("ada", "champion", 12, "3", "dpo")
    assert {model: round(interval.estimate, 1) for model, interval in row.perplexity.items()} == {
        "base": 54.6,
        "sft": 33.1,
        "dpo": 30.0,
    }
    assert round(row.improvement.estimate) == 45
    assert (row.likeness_own.estimate, row.nearest_other, row.likeness_other.estimate) == (0.9, "bob", 1.3)
    assert row.ceiling.estimate == 0.8
    assert row.recall_at_5 is None
    assert (missing.state, missing.documents, missing.improvement, missing.perplexity) == (
        "not built yet",
        None,
        None,
        {},
    )


def test_the_greatest_improvement_comes_first_and_the_unmeasured_last_by_name(report, make_scores):
    better = report.model_copy(update={"models": (report.base, make_scores("dpo", 2.0))})
    worse = report.model_copy(update={"models": (report.base, make_scores("dpo", 5.0))})
    only_base = report.model_copy(update={"models": (report.base,), "chosen": None})
    rows = leaderboard_rows(
        {"yan": "Yan", "w": "W", "ada": "Ada", "bob": "Bob", "b2": "Base only"},
        documents={},
        evaluations={"ada": worse, "bob": report, "w": better, "b2": only_base},
        retrievals={},
        champions={},
    )
    assert [row.author for row in rows] == ["w", "bob", "ada", "b2", "yan"]
    assert [row.state for row in rows] == ["evaluated"] * 4 + ["not built yet"]
