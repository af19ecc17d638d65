"""The parts of a remote training by themselves: names, the end of a job, its log, and its messages."""

import json
import os
import re
import time

import pytest

from resources.trainer.launch import LaunchFolder, attempt_of, job_name, launch_name
from resources.trainer.log_lines import JobLog
from resources.trainer.messages import JobMessageReader
from resources.trainer.training_jobs import JobState, ending_of
from twin_assets.training.estimating.architecture import architecture_of
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.payload.container import LONGEST_FAILURE, instructions, train_in_container
from twin_assets.training.payload.exit_codes import STORAGE_EXIT_CODE
from twin_assets.training.payload.pipes_s3 import ContinuingChannel
from twin_assets.training.spec import TrainingError, TrainingSpec
from twin_assets_tests.cloud_server import BUCKET, error, s3_error

SPEC = TrainingSpec(
    stage="sft",
    author="a" * 63,
    base_model="m",
    base_model_version="1",
    dataset_uri="d",
    dataset_version="1",
    output_uri="s3://bucket/out",
    hyperparameters=SFTHyperparameters(),
    chat_template_hash="h",
    code_version="1",
)


def test_the_name_of_a_job_is_one_that_sagemaker_takes_and_follows_from_spec_and_output():
    name = job_name(launch_name(SPEC), 123)
    # The pattern and the length of CreateTrainingJob in the API reference.
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
    assert len(name) <= 63
    assert launch_name(SPEC) == launch_name(SPEC.model_copy(update={"dataset_uri": "elsewhere"}))
    assert launch_name(SPEC) != launch_name(SPEC.model_copy(update={"seed": 1}))
    assert launch_name(SPEC) != launch_name(SPEC.model_copy(update={"output_uri": "s3://other/out"}))
    assert attempt_of(launch_name(SPEC), name) == 123
    assert attempt_of(launch_name(SPEC), name.replace("sft", "dpo")) is None


def test_the_key_that_is_set_encrypts_the_spec_which_may_hold_a_password(cloud):
    folder = LaunchFolder.of(cloud.client("s3", behind=False), f"s3://{BUCKET}/launches", "job")
    folder.write_spec(SPEC, "a-key")
    written = cloud.client("s3").head_object(Bucket=BUCKET, Key="launches/job/spec.json")
    assert (written["ServerSideEncryption"], written["SSEKMSKeyId"]) == ("aws:kms", "a-key")
    assert folder.read_spec() == SPEC


@pytest.mark.parametrize(
    ("status", "secondary", "reason", "retry_helps"),
    [
        ("Stopped", "MaxWaitTimeExceeded", "", True),
        ("Stopped", "MaxRuntimeExceeded", "", False),
        ("Stopped", "Stopped", "", False),
        ("Failed", "Failed", "AlgorithmError: no rows, exit code: 2", False),
        ("Failed", "Failed", "AlgorithmError: , exit code: 1", False),
        ("Failed", "Failed", "AlgorithmError: KeyError: 'x', exit code: 1.", False),
        ("Failed", "Failed", "AlgorithmError: the container failed", False),
        ("Failed", "Failed", f"AlgorithmError: S3 is away, exit code: {STORAGE_EXIT_CODE}", True),
        ("Failed", "Failed", "AlgorithmError: , exit code: 137", False),
        ("Failed", "Failed", "AlgorithmError: , exit code: 143", True),
        ("Failed", "Failed", "AlgorithmError: CUDA out of memory, exit code: 1", False),
        ("Failed", "Failed", "ClientError: Cannot pull the image", False),
        ("Failed", "Failed", "InternalServerError: We encountered an internal error.", True),
        ("Failed", "Failed", "CapacityError: Unable to provision requested ML compute capacity.", True),
    ],
)
def test_the_end_of_a_job_says_whether_a_retry_can_help(status, secondary, reason, retry_helps):
    state = JobState("job", status, secondary, reason, (), None, None)
    assert ending_of(state).retry_helps is retry_helps


@pytest.fixture
def stream(cloud):
    """Write lines to a log of CloudWatch: `stream("a", "b")`; the stream is made with the first ones."""
    logs, made = cloud.client("logs"), []

    def write(*lines):
        if not made:
            made.append(logs.create_log_group(logGroupName="group"))
            logs.create_log_stream(logGroupName="group", logStreamName="job/algo-1")
        events = [{"timestamp": int(time.time() * 1000), "message": line} for line in lines]
        logs.put_log_events(logGroupName="group", logStreamName="job/algo-1", logEvents=events)

    yield write
    if made:
        logs.delete_log_group(logGroupName="group")


def test_every_line_of_a_log_is_told_once_and_one_that_is_not_there_yet_is_waited_for(cloud, stream):
    log = JobLog(cloud.client("logs", behind=False), "group", "job/")
    assert log.new_lines() == []
    assert not log.seen
    stream("one", "two")
    assert log.new_lines() == ["[algo-1] one", "[algo-1] two"]
    assert log.new_lines() == []
    stream("three")
    assert log.new_lines() == ["[algo-1] three"]
    assert log.tail(2) == ["two", "three"]


def test_a_page_of_a_log_that_does_not_come_costs_none_of_the_lines_before_it(cloud, stream):
    stream("one", "two")
    log = JobLog(cloud.client("logs", behind=False), "group", "job/")
    throttled = error("ThrottlingException", "Rate exceeded")
    cloud.faults.append(
        lambda call: throttled if call.action == "GetLogEvents" and "nextToken" in call.parameters else None
    )
    assert log.new_lines() == ["[algo-1] one", "[algo-1] two"]
    cloud.faults.clear()
    stream("three")
    assert log.new_lines() == ["[algo-1] three"]


def test_a_log_that_may_not_be_read_is_said_once_and_the_job_goes_on(cloud):
    cloud.faults.append(
        lambda call: error("AccessDeniedException", "no") if call.service == "logs" else None,
    )
    log = JobLog(cloud.client("logs", behind=False), "group", "job/")
    assert log.new_lines() == ["The log group cannot be read (AccessDeniedException)."]
    assert log.new_lines() == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_failure_says_why_it_shows_no_lines_and_shows_none_of_a_log_that_never_was(cloud, code):
    log = JobLog(cloud.client("logs", behind=False), "group", "job/")
    assert log.tail() == []
    cloud.faults.append(lambda call: error(code, "no") if call.service == "logs" else None)
    assert log.tail() == [f"The log group cannot be read ({code})."]


def test_messages_are_read_from_the_first_one_and_an_outage_only_delays_them(cloud):
    s3 = cloud.client("s3")
    for number in (1, 2, 3):
        s3.put_object(Bucket=BUCKET, Key=f"m1/messages/{number}.json", Body=json.dumps({"n": number}).encode())
    reader = JobMessageReader(
        bucket=BUCKET, key_prefix="m1/messages", client=cloud.client("s3", behind=False), interval=1
    )
    refused = [s3_error("AccessDenied", 403)]
    cloud.faults.append(lambda call: refused.pop() if refused and call.service == "s3" else None)
    assert reader.download_messages(None, {}) is None
    assert reader.download_messages(None, {}) == (4, '{"n": 1}\n{"n": 2}\n{"n": 3}')
    assert reader.download_messages(None, {}) is None


def test_a_container_that_is_started_again_writes_after_the_messages_of_the_first(cloud):
    s3 = cloud.client("s3")
    for number in (1, 2, 10):
        s3.put_object(Bucket=BUCKET, Key=f"m2/{number}.json", Body=b"{}")
    channel = ContinuingChannel(s3, BUCKET, "m2", interval=0)
    channel.write_message({"__dagster_pipes_version": "0.1", "method": "log", "params": {"message": "on"}})
    interrupted = {"exception": {"name": "KeyboardInterrupt", "message": "", "stack": [], "cause": None}}
    channel.write_message({"__dagster_pipes_version": "0.1", "method": "closed", "params": interrupted})
    with channel.buffered_upload_loop():
        pass
    body = s3.get_object(Bucket=BUCKET, Key="m2/11.json")["Body"].read().decode()
    assert '"on"' in body
    assert "closed" not in body, "who was told to stop has not ended the job"


def test_the_estimate_reads_the_shapes_of_a_model_that_lies_in_s3(cloud, base_in_cloud, base):
    assert architecture_of(base_in_cloud) == architecture_of(str(base))


@pytest.fixture
def base_folder(tmp_path, monkeypatch):
    """An `/opt/ml` of the test's own, and an environment that is as it was afterwards."""
    (tmp_path / "input" / "config").mkdir(parents=True)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    for name in ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES", "TWIN_CHECKPOINTS", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def test_a_container_hands_its_instructions_to_the_payload(base_folder, monkeypatch):
    given = {
        "spec": "s3://b/spec.json",
        "DAGSTER_PIPES_CONTEXT": "c",
        "DAGSTER_PIPES_MESSAGES": "m",
        "hub_offline": "1",
    }
    (base_folder / "input" / "config" / "hyperparameters.json").write_text(json.dumps(given))
    assert instructions() == "s3://b/spec.json"
    assert os.environ["DAGSTER_PIPES_CONTEXT"] == "c"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["TWIN_CHECKPOINTS"] == str(base_folder / "checkpoints")


def test_a_container_leaves_word_of_why_it_failed(base_folder):
    failure = base_folder / "output" / "failure"
    assert train_in_container(lambda spec, refuse: 0) == 2
    assert "hyperparameters.json cannot be read" in failure.read_text()
    (base_folder / "input" / "config" / "hyperparameters.json").write_text('{"spec": "s"}')

    def crash(spec, refuse):
        raise ValueError("x" * 5000)

    assert train_in_container(crash) == 1
    assert failure.read_text().startswith("ValueError: xxx")
    assert len(failure.read_text()) == LONGEST_FAILURE

    def refuse(spec, refuse):
        refuse("no rows")
        return 2

    assert train_in_container(refuse) == 2
    assert failure.read_text() == "no rows"


def test_instructions_without_a_spec_are_refused(base_folder):
    (base_folder / "input" / "config" / "hyperparameters.json").write_text("{}")
    with pytest.raises(TrainingError, match="names no spec"):
        instructions()
