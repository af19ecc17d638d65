"""What is fresh, stale and missing, and why, on an author that was really built."""

import dagster as dg
from small_author import AUTHOR


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
    assert not state.needs_building
    assert place.build().run_id is None


def test_a_blocking_check_that_failed_asks_for_a_build(place):
    report(place, "chunks", "verbatim_at_their_offsets", blocking=True)
    with place.states() as reader:
        state = reader.state("chunks", AUTHOR)
    assert state.state == "fresh"
    assert state.failed_checks == ("verbatim_at_their_offsets",)
    assert state.needs_building


def report(place, asset: str, check: str, *, blocking: bool) -> None:
    """Record that a check failed on what was built last."""
    with place.instance() as instance:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset), check_name=check, passed=False, partition=AUTHOR, blocking=blocking
            )
        )
