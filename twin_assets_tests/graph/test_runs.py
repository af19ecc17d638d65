"""Runs of builds: only one whose own process is gone is ended."""

import subprocess

import dagster as dg
import pytest

from twin_assets.console.runs import end_killed_runs, process_tags


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
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
