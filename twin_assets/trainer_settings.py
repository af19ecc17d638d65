"""The settings of the machine that trains: this one, a SageMaker training job, or a task of an ECS cluster.

They are a part of `Settings`, and read from the environment there. What is missing for a mode is said by
`resources.trainer.choosing`.
"""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

TrainerMode = Literal["local", "sagemaker", "ecs"]

Names = Annotated[list[str], NoDecode]
"""Names, written as `subnet-a,subnet-b`."""

Pairs = Annotated[dict[str, str], NoDecode]
"""Values by name, written as `team=writing,stage=production`."""


class TrainerSettings(BaseSettings):
    """Where trainings run, and what the cloud needs to know to run them."""

    trainer_mode: TrainerMode = Field(default="local", description="Where trainings run: local, sagemaker or ecs")
    aws_region: str | None = Field(
        default=None,
        validation_alias=AliasChoices("TWIN_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
        description="AWS region of the training jobs",
    )
    launches_uri: str | None = Field(
        default=None,
        description="s3:// folder of what lies beside the jobs: specs, messages, checkpoints to resume from; "
        "artifacts_uri/launches without it",
    )
    trainer_image: str | None = Field(default=None, description="URI of the image `trainer` in ECR (sagemaker)")
    trainer_role: str | None = Field(default=None, description="ARN of the role that a job runs as (sagemaker)")
    trainer_instance_type: str = Field(
        default="ml.g5.2xlarge",
        description="Instance type (sagemaker); the default has one A10G of 24 GB (LLM Engineer's Handbook, chapter 5)",
    )
    trainer_instance_count: int = Field(
        default=1, ge=1, description="Instances of a job (sagemaker); only one can train"
    )
    trainer_volume_gb: int = Field(default=100, ge=1, description="Disk of an instance, in GB (sagemaker)")
    trainer_max_hours: float = Field(default=24.0, gt=0, le=28 * 24, description="Hours that a job may run (sagemaker)")
    trainer_spot: bool = Field(default=False, description="Train on spot capacity, and go on after an interruption")
    trainer_max_wait_hours: float = Field(
        default=48.0, gt=0, description="Hours that a spot job may take, waiting for capacity included"
    )
    trainer_subnets: Names = Field(default=[], description="Subnets of the VPC that the job joins")
    trainer_security_groups: Names = Field(default=[], description="Its security groups there")
    trainer_volume_kms_key: str | None = Field(default=None, description="KMS key of the instance's disk (sagemaker)")
    trainer_output_kms_key: str | None = Field(
        default=None,
        description="KMS key of a job's spec and of SageMaker's own archive; checkpoints, datasets and messages are "
        "encrypted as the bucket says",
    )
    trainer_tags: Pairs = Field(default={}, description="Tags of every job, beside the author, stage, spec and run")
    trainer_poll_seconds: float = Field(default=15.0, gt=0, description="Seconds between two looks at a job")
    trainer_outage_minutes: float = Field(
        default=30.0, gt=0, description="Minutes that a service of AWS may be away before a waiting run gives up"
    )

    ecs_cluster: str | None = Field(default=None, description="ECS cluster with GPU capacity")
    ecs_task_definition: str | None = Field(default=None, description="Family or ARN of the task that runs the image")
    ecs_container: str = Field(default="trainer", description="Name of the container in it that trains")
    ecs_capacity_provider: str | None = Field(default=None, description="Capacity provider; the launch type without it")
    ecs_launch_type: Literal["EC2", "EXTERNAL", "FARGATE"] = Field(
        default="EC2", description="Where tasks are placed without a capacity provider; Fargate has no GPUs"
    )
    ecs_gpus: int = Field(default=1, ge=0, description="GPUs of the container")

    @field_validator("trainer_subnets", "trainer_security_groups", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("trainer_tags", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): text.strip() for name, _, text in parts}
