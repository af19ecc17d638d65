"""Runs of builds: only one whose own process is gone is ended, and no two have one place in a pool."""

import subprocess

import dagster as dg
import pytest
from dagster._core.storage.event_log.schema import ConcurrencySlotsTable

from twin_assets.console.instance import keep_pools_exact
from twin_assets.console.runs import end_killed_runs, process_tags


@pytest.fixture
def instance():
    with dg.instance_for_test(overrides={"concurrency": {"pools": {"default_limit": 1}}}) as instance:
        yield instance


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return str(process.pid)


def ended(instance: dg.DagsterInstance, tags: dict[str, str], **options: str) -> bool:
    """Record a run with these tags, look for killed ones, and return whether it was taken for one."""
    run = dg.DagsterRun(job_name="twin", status=dg.DagsterRunStatus.STARTED, tags={"author": "ann", **tags}, **options)
    instance.add_run(run)
    notices: list[str] = []
    end_killed_runs(instance, notices.append)
    after = instance.get_run_by_id(run.run_id)
    assert after
    assert (after.status == dg.DagsterRunStatus.FAILURE) == bool(notices)
    return bool(notices)


def test_a_run_whose_process_is_gone_is_ended_once(instance, gone):
    assert ended(instance, {**process_tags(), "twin/pid": gone})
    notices: list[str] = []
    end_killed_runs(instance, notices.append)
    assert notices == []


def test_a_run_whose_number_was_given_to_another_process_is_ended(instance):
    assert ended(instance, {**process_tags(), "twin/process_began": "1"})


def test_a_run_whose_process_is_alive_is_left_alone(instance):
    assert not ended(instance, process_tags())


def test_a_run_of_another_machine_or_of_the_ui_is_left_alone(instance, gone):
    assert not ended(instance, {**process_tags(), "twin/pid": gone, "twin/host": "elsewhere"})
    assert not ended(instance, {})


def test_a_build_that_is_run_again_in_the_ui_is_left_alone(instance, gone):
    first = "0" * 32
    tags = {**process_tags(), "twin/pid": gone}
    assert not ended(instance, tags, parent_run_id=first, root_run_id=first)


def test_two_steps_that_saw_the_same_place_free_do_not_both_have_it(instance):
    keep_pools_exact(instance)
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("gpu")
    assert storage.claim_concurrency_slot("gpu", "first", "train").is_claimed
    # What Dagster does for the second, which looked before the first had written its name.
    write_the_name = ConcurrencySlotsTable.update().values(run_id="second", step_key="train")
    with storage.index_connection() as connection:
        assert connection.execute(write_the_name).rowcount == 0
    assert storage.get_concurrency_info("gpu").active_run_ids == {"first"}
    storage.free_concurrency_slot_for_step("first", "train")
    assert storage.claim_concurrency_slot("gpu", "second", "train").is_claimed
