"""The request for a SageMaker training job: `create_training_job` with what the settings, the spec and the run say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.trainer.training_jobs import CHECKPOINTS_IN_CONTAINER
from twin_assets.training.spec import TrainingSpec

INTERNAL_RETRIES = 2
"""Times that SageMaker itself starts a job again after an error of its own."""


@dataclass(frozen=True)
class Machine:
    """The instance that a job runs on, and as whom."""

    image: str
    role: str
    instance_type: str
    volume_gb: int
    max_hours: float
    spot: bool
    max_wait_hours: float
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    volume_kms_key: str | None
    output_kms_key: str | None
    tags: Mapping[str, str]


def training_job_request(
    machine: Machine,
    *,
    name: str,
    hyperparameters: Mapping[str, str],
    output_uri: str,
    checkpoints_uri: str,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Return the request. It is shown to whoever may describe the job: nothing in it is a secret.

    Args:
        machine: What to run on.
        name: Name of the job.
        hyperparameters: What the container is told, all of it text.
        output_uri: Where SageMaker puts its own archive; the checkpoint is published by the payload itself.
        checkpoints_uri: What the container finds in /opt/ml/checkpoints, and what is kept of it.
        tags: Tags of the job beside those of the settings.
    """
    resources: dict[str, Any] = {
        "InstanceType": machine.instance_type,
        "InstanceCount": 1,
        "VolumeSizeInGB": machine.volume_gb,
    }
    if machine.volume_kms_key:
        resources["VolumeKmsKeyId"] = machine.volume_kms_key
    output = {"S3OutputPath": output_uri}
    if machine.output_kms_key:
        output["KmsKeyId"] = machine.output_kms_key
    stopping = {"MaxRuntimeInSeconds": round(machine.max_hours * 3600)}
    if machine.spot:
        stopping["MaxWaitTimeInSeconds"] = round(machine.max_wait_hours * 3600)
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": machine.image, "TrainingInputMode": "File"},
        "RoleArn": machine.role,
        "HyperParameters": dict(hyperparameters),
        "OutputDataConfig": output,
        "ResourceConfig": resources,
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": machine.spot,
        "CheckpointConfig": {"S3Uri": checkpoints_uri, "LocalPath": CHECKPOINTS_IN_CONTAINER},
        "RetryStrategy": {"MaximumRetryAttempts": INTERNAL_RETRIES},
        "Tags": [{"Key": key, "Value": value} for key, value in {**machine.tags, **tags}.items()],
    }
    if machine.subnets:
        request["VpcConfig"] = {"Subnets": list(machine.subnets), "SecurityGroupIds": list(machine.security_groups)}
    return request


def job_tags(spec: TrainingSpec, dagster_run: str) -> dict[str, str]:
    """Return what a job says of its origin."""
    return {
        "twin:author": spec.author or "all",
        "twin:stage": spec.stage,
        "twin:spec": spec.spec_hash,
        "twin:dagster-run": dagster_run,
    }
