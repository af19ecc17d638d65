"""An orchestrator that is killed at each step, retried or cancelled: one job, and a run that ends green."""

import os
import signal
import subprocess
import threading
import time

import dagster as dg
import pytest

from resources.trainer.launch import launch_name
from twin_assets.training.storage import verified_checkpoint
from twin_assets_tests.cloud_server import error, s3_error
from twin_assets_tests.training.cloud.orchestrator import log_of


def killer_of(process):
    def kill():
        os.killpg(process[0].pid, signal.SIGKILL)
        process[0].wait(timeout=30)

    return kill


def before_it_is_created(cloud, runner, kill):
    def fault(call):
        if call.action != "CreateTrainingJob":
            return None
        cloud.faults.clear()
        kill()
        return error("InternalFailure", "nobody listens", status=500)

    cloud.faults.append(fault)


def before_it_is_written_down(cloud, runner, kill):
    def hook(call):
        cloud.after.clear()
        kill()

    cloud.after["CreateTrainingJob"] = hook


def while_it_runs(cloud, runner, kill):
    def fault(call):
        if call.action == "DescribeTrainingJob" and runner.started:
            cloud.faults.clear()
            kill()

    cloud.faults.append(fault)


def before_the_checkpoint_is_verified(cloud, runner, kill):
    def hook(call):
        if cloud.job(call.parameters["TrainingJobName"]).training_job_status == "Completed":
            cloud.after.clear()
            kill()

    cloud.after["DescribeTrainingJob"] = hook


@pytest.mark.parametrize(
    "moment", [before_it_is_created, before_it_is_written_down, while_it_runs, before_the_checkpoint_is_verified]
)
def test_an_orchestrator_that_is_killed_leaves_one_job_which_the_next_run_takes_over(
    moment, make_training, runner, cloud
):
    training, process = make_training(), []
    moment(cloud, runner, killer_of(process))
    process.append(training.start())
    output, _ = process[0].communicate(timeout=120)
    assert process[0].returncode == -signal.SIGKILL, output
    result = training.run()

    assert result.success, training.log(result)
    assert len(runner.started) == 1
    assert verified_checkpoint(training.spec.output_uri).spec_hash == training.spec.spec_hash
    if moment in {before_it_is_written_down, while_it_runs}:
        assert "this run waits for it, and starts none" in training.log(result)
        assert "sft on 24 rows" in training.log(result), "what was said before it was found again is heard, too"


def test_a_step_that_is_tried_again_takes_over_the_job_that_it_launched(make_training, runner, cloud):
    training = make_training()
    training.retries = 1
    refused = []

    def refuse_once(call):
        asked = call.action == "GET" and call.path.endswith("/manifest.json")
        if refused or not asked or not runner.started:
            return None
        if cloud.job(runner.started[0]).training_job_status != "Completed":
            return None
        refused.append(call)
        return s3_error("AccessDenied", 403)

    cloud.faults.append(refuse_once)
    # Forced: no look at what lies there already helps out.
    result = training.run(force=True)

    assert result.success, training.log(result)
    assert refused
    assert len(runner.started) == 1
    assert "[pipes] Reattached to" in training.log(result)


def test_a_finished_training_that_is_forced_is_done_anew_from_nothing(make_training, runner, cloud):
    training = make_training()
    assert training.run().success
    assert training.run().success
    assert len(runner.started) == 1, "what lies there already is taken over"
    assert training.run(force=True).success
    assert len(set(runner.started)) == 2
    assert len({cloud.job(name).checkpoint_config["S3Uri"] for name in runner.started}) == 2


def test_an_interruption_after_the_end_of_a_job_ends_the_run_all_the_same(make_training, runner, cloud):
    training = make_training()

    def interrupt(call):
        asked = call.action == "GET" and call.path.endswith("/manifest.json") and runner.started
        if asked and cloud.job(runner.started[0]).training_job_status == "Completed":
            cloud.faults.clear()
            os.kill(os.getpid(), signal.SIGINT)

    cloud.faults.append(interrupt)
    result = training.run()

    assert not cloud.faults, "it came while the checkpoint was verified"
    (event,) = [event for event in result.all_node_events if event.is_step_failure]
    assert "DagsterExecutionInterruptedError" in event.step_failure_data.error.to_string()
    assert not cloud.count("StopTrainingJob")


def test_cancelling_a_run_stops_its_job(make_training, runner, cloud):
    training = make_training()
    runner.hold = threading.Event()
    process = training.start()
    until = time.monotonic() + 60
    while not cloud.count("DescribeTrainingJob"):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(process.communicate()[0])

    assert process.returncode != 0
    (name,) = [name for name in cloud.job_names() if name.startswith(launch_name(training.spec))]
    assert cloud.count("StopTrainingJob") == 1, output
    until = time.monotonic() + 30
    while cloud.job(name).training_job_status != "Stopped":
        assert time.monotonic() < until
        time.sleep(0.1)
    (run,) = training.instance.get_runs()
    assert run.status in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
    assert f"The run was cancelled: the training job {name} is stopped." in log_of(training.instance, run.run_id)
