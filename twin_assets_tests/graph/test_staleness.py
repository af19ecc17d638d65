"""What is fresh, stale and missing, and why, on an author that was really built."""

import json

import dagster as dg
import pytest
from small_author import AUTHOR

from twin_assets.console.commands import build_author

SENTENCE = "Expected one thing; found another."


def test_before_a_build_everything_is_missing(empty_place):
    with empty_place.states() as reader:
        states = reader.states(AUTHOR)
    assert {state.state for state in states} == {"missing"}
    assert all(state.needs_building for state in states)


def test_after_a_build_everything_is_fresh_and_nothing_needs_building(built):
    with built.states() as reader:
        states = reader.states(AUTHOR)
    assert [state.asset for state in states if state.state != "fresh"] == []
    assert [state.asset for state in states if state.needs_building] == []


def test_inputs_come_before_what_is_made_of_them(built):
    with built.states() as reader:
        order = reader.build_order()
        for asset in order:
            above = reader.upstream(asset) - {asset}
            assert all(order.index(other) < order.index(asset) for other in above if other in order)


def test_a_check_that_only_warns_asks_for_no_build(place):
    report(place, "eval_report", "sft_beats_the_base_model", blocking=False)
    with place.states() as reader:
        state = reader.state("eval_report", AUTHOR)
    assert "sft_beats_the_base_model" in state.failed_checks
    assert SENTENCE in state.complaints
    assert not state.needs_building
    assert place.build().run_id is None


def test_a_check_that_only_warns_is_told_with_its_sentence_and_nothing_is_called_failed(place, monkeypatch, capfd):
    report(place, "eval_report", "sft_beats_the_base_model", blocking=False)
    monkeypatch.setenv("TWIN_HOME", str(place.settings.home))
    monkeypatch.setenv("TWIN_AUTHORS_DIR", str(place.root / "authors"))
    build_author(AUTHOR, until=None, force=False, config=None, as_json=True)
    printed = capfd.readouterr()
    states = {row["asset"]: row["state"] for row in json.loads(printed.out)}
    assert states["eval_report"] == "fresh"
    said = " ".join(printed.err.split())
    assert f"check not passed: eval_report: sft_beats_the_base_model: {SENTENCE}" in said


def test_a_blocking_check_that_failed_asks_for_a_build(place):
    report(place, "chunks", "verbatim_at_their_offsets", blocking=True)
    with place.states() as reader:
        state = reader.state("chunks", AUTHOR)
    assert state.state == "fresh"
    assert state.failed_checks == ("verbatim_at_their_offsets",)
    assert state.needs_building


def test_a_blocking_check_that_was_run_on_something_older_asks_for_a_build(place):
    version = (place.materialization("chunks").tags or {})["dagster/data_version"]
    with place.instance() as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization("chunks", partition=AUTHOR, tags={"dagster/data_version": version})
        )
    with place.states() as reader:
        state = reader.state("chunks", AUTHOR)
    assert "verbatim_at_their_offsets" in state.failed_checks
    assert set(state.complaints) == {"It has not run to its end on what was built last."}
    assert state.needs_building


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_blocking_check_that_came_to_no_verdict_is_run_again_before_anything_is_built_below(
    empty_place, monkeypatch, error
):
    def no_verdict(*args: object, **options: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("twin_assets.features.checks.none_of", no_verdict)
        assert not empty_place.build(until="cleaned_documents").success
    with empty_place.states() as reader:
        state = reader.state("cleaned_documents", AUTHOR)
    assert (state.state, state.blocked) == ("fresh", True)
    assert "contractions_are_whole" in state.failed_checks
    outcome = empty_place.build(until="cleaned_documents")
    assert outcome.built == ("cleaned_documents",)
    with empty_place.states() as reader:
        assert not reader.state("cleaned_documents", AUTHOR).needs_building


def report(place, asset: str, check: str, *, blocking: bool) -> None:
    """Record that a check failed on what was built last."""
    with place.instance() as instance:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset),
                check_name=check,
                passed=False,
                partition=AUTHOR,
                blocking=blocking,
                description=SENTENCE,
            )
        )
