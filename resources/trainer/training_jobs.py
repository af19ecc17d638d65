"""SageMaker training jobs: what one is asked for with, what state it is in, and what its end means.

No Dagster here; who waits for a job is `sagemaker`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from resources.trainer.aws import is_missing
from resources.trainer.launch import attempt_of

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
CHECKPOINTS_IN_CONTAINER = "/opt/ml/checkpoints"
ENDED = frozenset({"Completed", "Failed", "Stopped"})
REFUSED_EXIT = "exit code: 2"
"""How SageMaker tells that the payload refused its spec, dataset or result; see `payload.__main__`."""


@dataclass(frozen=True)
class JobState:
    """A training job, as SageMaker describes it."""

    name: str
    status: str
    secondary: str
    reason: str
    transitions: tuple[tuple[datetime, str, str], ...]
    """When, what secondary status, and what SageMaker says of it; oldest first."""
    checkpoints_uri: str | None
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "JobState":
        """Read what DescribeTrainingJob answered."""
        return cls(
            name=str(description["TrainingJobName"]),
            status=str(description["TrainingJobStatus"]),
            secondary=str(description.get("SecondaryStatus", "")),
            reason=str(description.get("FailureReason") or ""),
            transitions=tuple(
                (item["StartTime"], str(item["Status"]), str(item.get("StatusMessage") or ""))
                for item in description.get("SecondaryStatusTransitions") or ()
            ),
            checkpoints_uri=(description.get("CheckpointConfig") or {}).get("S3Uri"),
            ended_at=description.get("TrainingEndTime"),
        )


@dataclass(frozen=True)
class Ending:
    """What the end of a job that did not complete means."""

    description: str
    retry_helps: bool


CUT_SHORT = {
    "MaxWaitTimeExceeded": "There was no spot capacity within TWIN_TRAINER_MAX_WAIT_HOURS. A retry goes on from the "
    "last checkpoint; raise the hours, or set TWIN_TRAINER_SPOT=false.",
    "MaxRuntimeExceeded": "The job reached TWIN_TRAINER_MAX_HOURS. A retry goes on from the last checkpoint; raise the "
    "hours if it has to come further.",
}
"""What a secondary status says of a job that ran out of time."""


def ending_of(job: JobState) -> Ending:
    """Return what an unsuccessful end means, and whether trying again can help.

    The beginnings of a reason (AlgorithmError, ClientError, InternalServerError, CapacityError) are those of the
    SageMaker developer guide, "Troubleshoot training jobs".
    """
    reason = job.reason or job.secondary
    if job.secondary in CUT_SHORT:
        return Ending(CUT_SHORT[job.secondary], retry_helps=True)
    if job.status == "Stopped":
        return Ending("Somebody stopped the job. Start the build again if that was not meant.", retry_helps=False)
    if re.search(r"out ?of ?memory", reason, re.IGNORECASE):
        return Ending(
            f"The machine ran out of memory ({reason}): lower batch_size or max_length, turn gradient_checkpointing "
            "on, or take a larger TWIN_TRAINER_INSTANCE_TYPE.",
            retry_helps=False,
        )
    if reason.rstrip(".").endswith(REFUSED_EXIT):
        return Ending(f"The payload refused to train: {reason}", retry_helps=False)
    if reason.startswith("ClientError"):
        return Ending(f"SageMaker could not start the container: {reason}", retry_helps=False)
    return Ending(f"The job failed: {reason}", retry_helps=True)


@dataclass(frozen=True)
class TrainingJobs:
    """The training jobs of an account and a region."""

    client: Any

    @property
    def region(self) -> str:
        """The region."""
        return str(self.client.meta.region_name)

    def describe(self, name: str) -> JobState | None:
        """Return the state of a job, None if there is none of that name."""
        from botocore.exceptions import ClientError

        try:
            return JobState.of(self.client.describe_training_job(TrainingJobName=name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def latest(self, launch: str) -> tuple[int, JobState | None]:
        """Return the number and the state of the last job of a launch; 0 and None if there was none."""
        pages = self.client.get_paginator("list_training_jobs").paginate(NameContains=launch)
        numbers = [
            number
            for page in pages
            for item in page["TrainingJobSummaries"]
            if (number := attempt_of(launch, item["TrainingJobName"])) is not None
        ]
        last = max(numbers, default=0)
        return last, self.describe(f"{launch}-{last}") if last else None

    def stop(self, name: str) -> None:
        """Ask SageMaker to end a job; one that has ended, or never was, is left alone."""
        from botocore.exceptions import ClientError

        try:
            self.client.stop_training_job(TrainingJobName=name)
        except ClientError as error:
            job = self.describe(name)
            if job is not None and not job.ended and job.status != "Stopping":
                raise
            if job is None and not is_missing(error):
                raise

    def url(self, name: str) -> str:
        """Return the address of a job in the AWS console."""
        return f"https://{self.region}.console.aws.amazon.com/sagemaker/home?region={self.region}#/jobs/{name}"
