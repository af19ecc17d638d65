"""Training jobs: real payloads, real HTTP, an emulated SageMaker; what is asked for, told, refused and tried again."""

import signal
import threading
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from resources.trainer.aws import bucket_and_key
from twin_assets.settings import PROJECT_ROOT
from twin_assets.training.compute import Saving
from twin_assets.training.dataset_hashes import dataset_hashes
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.spec import TrackingRun
from twin_assets.training.storage import holds_files, publish_folder, verified_checkpoint
from twin_assets_tests.cloud_server import BUCKET, Answer, error, s3_error
from twin_assets_tests.training.cloud.orchestrator import failure_of
from twin_assets_tests.training.conftest import row_of, write_rows

NEVER_SHOWN = "hunter2-do-not-print"


def first(times, answer, action):
    """Return a fault that answers the first calls of an action, and lets the later ones pass."""
    left = [times]

    def fault(call):
        if call.action != action or not left[0]:
            return None
        left[0] -= 1
        return answer

    return fault


def test_a_training_job_trains_the_spec_and_reports_what_it_left(make_training, runner, cloud):
    training = make_training({"tags": {"team": "writing"}})
    result = training.run()

    assert result.success, training.log(result)
    manifest = verified_checkpoint(training.spec.output_uri)
    assert manifest.spec_hash == training.spec.spec_hash
    (name,) = runner.started
    log = training.log(result)
    assert f"{name}: Training" in log
    assert "sft on 24 rows, 4 held out" in log, "what the payload says through Pipes"
    assert "[algo-1-1] training s3://" in log, "what stands in CloudWatch"
    arn = cloud.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobArn"]
    tags = {tag["Key"]: tag["Value"] for tag in cloud.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}
    assert tags == {
        "team": "writing",
        "twin:author": "ann-reed",
        "twin:stage": "sft",
        "twin:spec": training.spec.spec_hash,
        "twin:dagster-run": result.run_id,
    }


def test_a_job_is_asked_for_with_what_the_settings_say(make_training, runner, cloud):
    training = make_training(
        {
            "spot": True,
            "max_hours": 2.0,
            "max_wait_hours": 3.0,
            "subnets": ["subnet-1"],
            "security_groups": ["sg-1"],
            "volume_kms_key": "volume-key",
            "output_kms_key": "output-key",
            "volume_gb": 200,
        }
    )
    cloud.faults.append(first(1, error("AccessDeniedException", "not allowed"), "CreateTrainingJob"))
    training.run()
    (call,) = [call for call in cloud.calls if call.action == "CreateTrainingJob"]
    asked = call.parameters

    assert asked["EnableManagedSpotTraining"] is True
    assert asked["StoppingCondition"] == {"MaxRuntimeInSeconds": 7200, "MaxWaitTimeInSeconds": 10800}
    assert asked["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert asked["ResourceConfig"]["VolumeKmsKeyId"] == "volume-key"
    assert asked["ResourceConfig"]["VolumeSizeInGB"] == 200
    assert asked["OutputDataConfig"]["KmsKeyId"] == "output-key"
    assert asked["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    assert all(isinstance(value, str) for value in asked["HyperParameters"].values())


def test_throttling_and_a_lost_answer_cost_time_and_no_second_job(make_training, runner, cloud):
    training = make_training()
    throttled = error("ThrottlingException", "Rate exceeded")
    cloud.faults += [first(2, throttled, "CreateTrainingJob"), first(3, throttled, "DescribeTrainingJob")]
    lost = [Answer(503, b"{}")]
    cloud.after["CreateTrainingJob"] = lambda _: lost.pop() if lost else None
    result = training.run()

    assert result.success, training.log(result)
    assert not lost
    assert len(runner.started) == 1


def test_s3_may_be_away_for_a_while(make_training, runner, cloud):
    training = make_training()
    away = []

    def outage(call):
        if not runner.started or call.service != "s3":
            return None
        away.append(time.monotonic())
        return s3_error("ServiceUnavailable", 503) if away[-1] - away[0] < 6 else None

    cloud.faults.append(outage)
    result = training.run()

    assert result.success, training.log(result)
    assert away[-1] - away[0] > 6
    assert "The checkpoint goes to" in training.log(result), "no message was lost"


def test_a_quota_that_is_used_up_is_said_and_not_tried_again(make_training, runner, cloud):
    training = make_training()
    training.retries = 2
    cloud.faults.append(
        first(9, error("ResourceLimitExceeded", "The limit of ml.g5.2xlarge is 0 Instances."), "CreateTrainingJob")
    )
    result = training.run()

    assert not result.success
    failure = failure_of(result)
    assert "Service Quotas" in failure.description
    assert "ml.g5.2xlarge is 0" in failure.description
    assert cloud.count("CreateTrainingJob") == 1


def test_credentials_that_end_while_a_job_runs_leave_it_to_the_next_build(make_training, runner, cloud):
    training = make_training()
    training.retries = 2
    runner.hold = threading.Event()
    expired = error("ExpiredTokenException", "The security token is expired")
    cloud.faults.append(first(9, expired, "DescribeTrainingJob"))
    failure = failure_of(training.run())
    (name,) = cloud.job_names()[-1:]

    assert failure.description.startswith(f"AWS tells this run nothing more of {name}, and the job goes on")
    assert "The security token is expired. Renew the credentials" in failure.description
    assert f"stop it at https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/jobs/{name}" in (
        failure.description
    )
    cloud.faults.clear()
    runner.hold.set()
    result = training.run()
    assert result.success, training.log(result)
    assert cloud.count("CreateTrainingJob") == 1


def test_what_the_payload_refuses_is_told_in_its_words_and_not_tried_again(make_training, runner, cloud):
    training = make_training(chat_template_hash="of another platform")
    training.retries = 2
    result = training.run()

    assert not result.success
    failure = failure_of(result)
    assert failure.description.startswith(
        "The payload refused to train: AlgorithmError: The spec asks for chat template"
    )
    assert failure.metadata["job"].value == runner.started[0]
    assert "error: The spec asks for" in failure.metadata["log_tail"].value
    assert len(runner.started) == 1


def test_a_job_that_waited_while_its_data_changed_trains_nothing(make_training, runner, cloud, datasets, tmp_path):
    address = f"s3://{BUCKET}/datasets/{uuid.uuid4().hex}"
    publish_folder(datasets["sft"], address)
    training = make_training(dataset_uri=address, dataset_hashes=dataset_hashes(address))
    training.retries = 2
    runner.hold = threading.Event()

    def build_the_test_side_again(call):
        if call.action == "DescribeTrainingJob" and not runner.hold.is_set():
            write_rows(tmp_path / "again", "test", [row_of("sft", number, "test") for number in range(200, 204)])
            publish_folder(tmp_path / "again", address)
            runner.hold.set()

    cloud.faults.append(build_the_test_side_again)
    result = training.run()

    assert not result.success
    assert f"The dataset at {address} changed after this training was launched (test.parquet): build again" in (
        failure_of(result).description
    )
    assert len(runner.started) == 1
    assert not holds_files(training.spec.output_uri)


def test_a_job_that_crashed_is_tried_again_with_the_checkpoints_of_the_first(make_training, runner, cloud):
    training = make_training()
    training.retries = 1
    killed = []

    def kill_once(call):
        if call.action == "DescribeTrainingJob" and runner.started and not killed:
            killed.append(runner.started[0])
            runner.process_of(killed[0]).send_signal(signal.SIGABRT)

    cloud.faults.append(kill_once)
    result = training.run()

    assert result.success, training.log(result)
    assert [name[-2:] for name in runner.started] == ["-1", "-2"]
    assert len({cloud.job(name).checkpoint_config["S3Uri"] for name in runner.started}) == 1


def test_a_mistake_in_the_program_is_paid_for_once(make_training, runner, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "trl.py").write_text("raise RuntimeError('a mistake')")
    runner.extra_environment["PYTHONPATH"] = f"{tmp_path / 'broken'}:{PROJECT_ROOT}"
    training = make_training()
    training.retries = 2
    result = training.run()

    assert "RuntimeError: a mistake, exit code: 1" in failure_of(result).description
    assert len(runner.started) == 1


def test_the_lines_of_a_late_log_still_reach_the_run(make_training, runner):
    training = make_training(chat_template_hash="of another platform")
    runner.log_delay = 0.3
    assert "error: The spec asks for chat template" in training.log(training.run())


def test_after_a_spot_interruption_the_job_goes_on_from_its_last_checkpoint(make_training, runner, cloud):
    training = make_training(
        {"spot": True},
        hyperparameters=SFTHyperparameters(max_steps=40, epochs=40, lora_rank=4, lora_alpha=8),
        saving=Saving(every_steps=4),
    )
    interrupted = []

    def interrupt_once(call):
        if call.action != "DescribeTrainingJob" or interrupted or not runner.started:
            return
        bucket, key = bucket_and_key(cloud.job(runner.started[0]).checkpoint_config["S3Uri"])
        kept = cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if any("/whole-" in item["Key"] for item in kept):
            interrupted.append(call)
            runner.interrupt(runner.started[0])

    cloud.faults.append(interrupt_once)
    result = training.run()

    assert result.success, training.log(result)
    assert len(runner.started) == 2
    assert len(set(runner.started)) == 1
    log = training.log(result)
    assert "Interrupted - " in log
    assert log.count("sft on 24 rows, 4 held out") == 2, "the messages of both machines are heard"
    assert "goes on from step" in log


def test_the_password_of_a_tracking_server_stands_in_the_spec_and_nowhere_else(make_training, runner, cloud):
    runner.extra_environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    training = make_training(tracking=TrackingRun(uri=f"http://ann:{NEVER_SHOWN}@127.0.0.1:9/", run_id="r"))
    result = training.run()

    assert not result.success, "there is no such server"
    (name,) = runner.started
    s3 = cloud.client("s3")
    spec = s3.get_object(Bucket="twin-test", Key=f"launches/{name}/spec.json")["Body"].read().decode()
    assert NEVER_SHOWN in spec
    described = cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
    shown = [training.log(result), str(described), repr(training.trainer()), str(failure_of(result))]
    shown += [str(record) for record in training.instance.all_logs(result.run_id)]
    assert not any(NEVER_SHOWN in text for text in shown)
    assert not any(NEVER_SHOWN.encode() in call.body for call in cloud.calls if call.service != "s3")


def test_a_job_that_somebody_stopped_is_not_started_again(make_training, runner, cloud):
    training = make_training()
    training.retries = 2

    def stop(call):
        if call.action == "DescribeTrainingJob" and runner.started:
            cloud.faults.clear()
            cloud.client("sagemaker", behind=False).stop_training_job(TrainingJobName=runner.started[0])

    cloud.faults.append(stop)
    result = training.run()

    assert failure_of(result).description.startswith("Somebody stopped the job")
    assert len(runner.started) == 1
    with pytest.raises(ClientError):
        cloud.client("sagemaker", behind=False).stop_training_job(TrainingJobName=runner.started[0])
