"""Tasks of an ECS cluster: the real payload on an emulated cluster; asked for, found again, refused and stopped."""

import os
import signal
import threading
import time

import pytest

from resources.trainer import job_run
from resources.trainer.ecs import EcsTrainer
from resources.trainer.ecs_tasks import TaskState, ecs_ending_of
from resources.trainer.launch import launch_name
from twin_assets.training.payload.exit_codes import STORAGE_EXIT_CODE
from twin_assets.training.storage import verified_checkpoint
from twin_assets_tests.cloud_server import BUCKET, REGION, Answer, error, s3_error
from twin_assets_tests.task_runner import TaskRunner
from twin_assets_tests.training.cloud.orchestrator import failure_of, log_of

OPTIONS = {
    "region": REGION,
    "launches_uri": f"s3://{BUCKET}/launches",
    "cluster": "gpus",
    "task_definition": "twin-trainer",
    # moto places tasks without a container instance on Fargate only.
    "capacity_provider": "FARGATE",
    "poll_seconds": 0.5,
    "hub_offline": True,
}


@pytest.fixture(scope="session")
def cluster(served_cloud):
    ecs = served_cloud.client("ecs")
    ecs.create_cluster(clusterName="gpus")
    ecs.register_task_definition(
        family="twin-trainer",
        containerDefinitions=[
            {
                "name": "trainer",
                "image": "twin-trainer",
                "memory": 4096,
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": "/ecs/twin-trainer", "awslogs-stream-prefix": "ecs"},
                },
            }
        ],
    )


@pytest.fixture
def runner(cluster, cloud, tmp_path):
    runner = TaskRunner(cloud, tmp_path / "machines")
    yield runner
    runner.close()


@pytest.fixture
def make_task(make_training):
    def make(**changes):
        training = make_training(OPTIONS, **changes)
        training.kind = EcsTrainer
        return training

    return make


def started_by(cloud):
    return [call.parameters["startedBy"] for call in cloud.calls if call.action == "RunTask"]


def test_a_task_trains_the_spec_on_the_gpus_it_asks_for(make_task, runner, cloud):
    training = make_task()
    result = training.run()

    assert result.success, training.log(result)
    assert verified_checkpoint(training.spec.output_uri).spec_hash == training.spec.spec_hash
    assert "sft on 24 rows, 4 held out" in training.log(result), "what the payload says through Pipes"
    assert "a line of the container" in training.log(result), "what stands in CloudWatch"
    (call,) = [call for call in cloud.calls if call.action == "RunTask"]
    (override,) = call.parameters["overrides"]["containerOverrides"]
    assert override["resourceRequirements"] == [{"type": "GPU", "value": "1"}]
    assert {"key": "twin:spec", "value": training.spec.spec_hash} in call.parameters["tags"]


def test_a_task_whose_orchestrator_was_killed_is_waited_for_by_the_next_run(make_task, runner, cloud):
    training, process = make_task(), []
    runner.hold = threading.Event()

    def kill(_):
        cloud.after.clear()
        os.killpg(process[0].pid, signal.SIGKILL)
        process[0].wait(timeout=30)

    # After ECS has placed the task, and before the orchestrator knows.
    cloud.after["RunTask"] = kill
    process.append(training.start())
    output, _ = process[0].communicate(timeout=120)
    assert process[0].returncode == -signal.SIGKILL, output
    runner.hold.set()
    result = training.run()

    assert result.success, training.log(result)
    assert len(runner.started) == 1
    assert "this run waits for it, and starts none" in training.log(result)


def test_a_cluster_without_room_is_said(make_task, runner, cloud):
    training = make_task()

    def full(call):
        if call.action != "RunTask":
            return None
        return Answer(200, b'{"tasks": [], "failures": [{"arn": "arn:x", "reason": "RESOURCE:GPU"}]}')

    cloud.faults.append(full)
    failure = failure_of(training.run())

    assert "ECS placed no task (RESOURCE:GPU)" in failure.description


def test_credentials_that_end_while_a_task_runs_leave_it_to_the_next_build(make_task, runner, cloud):
    training = make_task()
    training.retries = 2
    runner.hold = threading.Event()
    expired = error("ExpiredTokenException", "The security token is expired")
    cloud.faults.append(lambda call: expired if call.action == "DescribeTasks" else None)
    failure = failure_of(training.run())

    assert "and the job goes on: The security token is expired. Renew the credentials" in failure.description
    cloud.faults.clear()
    runner.hold.set()
    result = training.run()
    assert result.success, training.log(result)
    assert cloud.count("RunTask") == 1


def test_a_task_is_found_again_although_the_folder_of_an_older_one_is_gone(make_task, runner, cloud):
    training, s3 = make_task(), cloud.client("s3")
    older = {"Bucket": BUCKET, "Key": f"launches/{launch_name(training.spec)}-1/spec.json"}
    s3.put_object(**older, Body=b"{}")
    runner.hold = threading.Event()
    expired = error("ExpiredTokenException", "The security token is expired")
    cloud.faults.append(lambda call: expired if call.action == "DescribeTasks" else None)
    assert not training.run().success
    s3.delete_object(**older)
    cloud.faults.clear()
    runner.hold.set()
    result = training.run()

    assert result.success, training.log(result)
    assert started_by(cloud) == [f"{launch_name(training.spec)}-2"]


def test_a_step_that_is_tried_again_takes_over_its_task_although_its_folder_is_gone(make_task, runner, cloud):
    training, refused = make_task(), []
    training.retries = 1

    def refuse_once(call):
        asked = call.action == "GET" and call.path.endswith("/manifest.json") and runner.started
        if refused or not asked or cloud.task(runner.started[0]).last_status != "STOPPED":
            return None
        refused.append(call)
        key = f"launches/{launch_name(training.spec)}-1/spec.json"
        cloud.client("s3").delete_object(Bucket=BUCKET, Key=key)
        return s3_error("AccessDenied", 403)

    cloud.faults.append(refuse_once)
    result = training.run(force=True)

    assert refused
    assert result.success, training.log(result)
    assert len(started_by(cloud)) == 1
    assert "[pipes] Reattached to" in training.log(result)


def test_two_orchestrators_at_once_start_one_task(make_task, runner, cloud):
    training, both = make_task(), threading.Barrier(2)

    def wait_for_the_other(call):
        # Both have looked for a task by now.
        if call.action == "PUT" and call.path.endswith("/spec.json"):
            both.wait(timeout=60)

    cloud.faults.append(wait_for_the_other)
    other = training.start()
    result = training.run()
    output, _ = other.communicate(timeout=60)

    assert result.success, training.log(result)
    assert other.returncode == 0, output
    assert len(set(started_by(cloud))) == 1
    assert len(runner.started) == 1


def test_a_task_that_is_not_visible_at_once_is_waited_for(make_task, runner, cloud):
    training, answers = make_task(), [Answer(200, b'{"tasks": [], "failures": []}')] * 2
    cloud.faults.append(lambda call: answers.pop() if answers and call.action == "DescribeTasks" else None)
    result = training.run()

    assert not answers
    assert result.success, training.log(result)


def test_a_task_that_stays_unknown_is_not_waited_for(make_task, runner, cloud, monkeypatch):
    monkeypatch.setattr(job_run, "SECONDS_TO_APPEAR", 0.1)
    unknown = Answer(200, b'{"tasks": [], "failures": []}')
    cloud.faults.append(lambda call: unknown if call.action == "DescribeTasks" else None)
    failure = failure_of(make_task().run())

    assert failure.description.startswith("ECS does not know arn:")


def test_what_the_payload_refuses_in_a_task_is_not_tried_again(make_task, runner, cloud):
    training = make_task(chat_template_hash="of another platform")
    training.retries = 2
    result = training.run()

    assert failure_of(result).description.startswith("The payload refused to train")
    assert "The spec asks for chat template" in training.log(result)
    assert len(runner.started) == 1


def test_cancelling_a_run_stops_its_task(make_task, runner, cloud):
    training = make_task()
    runner.hold = threading.Event()
    process = training.start()
    until = time.monotonic() + 90
    while not cloud.count("DescribeTasks"):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=90)

    assert process.returncode != 0
    assert cloud.count("StopTask") == 1, output
    assert not runner.started
    (run,) = training.instance.get_runs()
    assert "interrupted, terminating ECS tasks" in log_of(training.instance, run.run_id)


def test_a_task_that_somebody_stopped_before_its_container_ran_is_not_started_again(make_task, runner, cloud):
    training = make_task()
    training.retries = 2
    runner.hold = threading.Event()

    def stop(call):
        if call.action == "DescribeTasks":
            cloud.faults.clear()
            (arn,) = call.parameters["tasks"]
            cloud.client("ecs", behind=False).stop_task(cluster="gpus", task=arn, reason="by hand")

    cloud.faults.append(stop)
    result = training.run()

    assert failure_of(result).description.startswith("Somebody stopped the task")
    assert cloud.count("RunTask") == 1
    assert not runner.started


@pytest.mark.parametrize(
    ("changes", "retry_helps"),
    [
        ({"stop_code": "SpotInterruption"}, True),
        ({"stop_code": "UserInitiated"}, False),
        ({"reason": "OutOfMemoryError: Container killed due to memory usage"}, False),
        ({"exit_codes": {"trainer": 2}}, False),
        ({"exit_codes": {"trainer": 1}}, False),
        ({"exit_codes": {"trainer": STORAGE_EXIT_CODE}}, True),
        ({"exit_codes": {"trainer": 143}}, True),
        ({"exit_codes": {"trainer": None}}, True),
    ],
)
def test_the_end_of_a_task_says_whether_a_retry_can_help(changes, retry_helps):
    state = {"arn": "a", "status": "STOPPED", "stop_code": "", "reason": "", "exit_codes": {"trainer": 137}}
    assert ecs_ending_of(TaskState(**{**state, "description": {}, **changes}), "trainer").retry_helps is retry_helps
