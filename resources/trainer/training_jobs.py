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
from twin_assets.training.payload.exit_codes import REFUSED, STORAGE_EXIT_CODE

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
CHECKPOINTS_IN_CONTAINER = "/opt/ml/checkpoints"
ENDED = frozenset({"Completed", "Failed", "Stopped"})
EXIT_CODE = re.compile(r"exit code: (\d+)\.?$")
"""How SageMaker tells, at the end of a reason, what the container ended with."""

FIRST_SIGNAL = 128
"""A container that signal N ended has this and N as its exit code: 143 if it was told to end."""

KILLED = FIRST_SIGNAL + 9
"""SageMaker starts a job again by itself if its machine was taken away. One that failed with this was most likely
killed by the system for want of memory, of which it can leave no word."""

NOT_AGAIN = {
    REFUSED: "The payload refused to train: {reason}",
    KILLED: "The container was killed ({reason}), most likely because the memory of the machine, not of its GPUs, did "
    "not suffice: take a TWIN_TRAINER_INSTANCE_TYPE with more. The next build goes on from the last checkpoint.",
}
"""What exit codes of a job mean that come again."""


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
    "MaxRuntimeExceeded": "The job reached TWIN_TRAINER_MAX_HOURS. Look at the end of its log: if it hung, mend that; "
    "else raise the hours. The next build goes on from the last checkpoint.",
}
"""What a secondary status says of a job that ran out of time."""


def passes(exit_code: int) -> bool:
    """Return whether what the payload ended with may go otherwise another time.

    A store that was away and a machine that was taken away may be there again. An exception of the program, which is
    exit code 1, is a mistake or memory that does not suffice: the same hours would be paid for the same end.
    """
    return exit_code == STORAGE_EXIT_CODE or exit_code > FIRST_SIGNAL


def ending_of(job: JobState) -> Ending:
    """Return what an unsuccessful end means, and whether trying again can help.

    The beginnings of a reason (AlgorithmError, ClientError, InternalServerError, CapacityError) are those of the
    SageMaker developer guide, "Troubleshoot training jobs".
    """
    reason = job.reason or job.secondary
    if job.secondary in CUT_SHORT:
        # Waiting for capacity costs nothing; the hours of a job that hangs are paid each time.
        return Ending(CUT_SHORT[job.secondary], retry_helps=job.secondary == "MaxWaitTimeExceeded")
    if job.status == "Stopped":
        return Ending("Somebody stopped the job. Start the build again if that was not meant.", retry_helps=False)
    if re.search(r"out ?of ?memory", reason, re.IGNORECASE):
        return Ending(
            f"The machine ran out of memory ({reason}): lower batch_size or max_length, turn gradient_checkpointing "
            "on, or take a larger TWIN_TRAINER_INSTANCE_TYPE.",
            retry_helps=False,
        )
    if reason.startswith("ClientError"):
        return Ending(f"SageMaker could not start the container: {reason}", retry_helps=False)
    code = int(found[1]) if (found := EXIT_CODE.search(reason)) else None
    if code in NOT_AGAIN:
        return Ending(NOT_AGAIN[code].format(reason=reason), retry_helps=False)
    # What begins otherwise than with AlgorithmError is SageMaker's own trouble, or missing capacity.
    may_pass = passes(code) if code is not None else not reason.startswith("AlgorithmError")
    return Ending(f"The job failed: {reason}", retry_helps=may_pass)


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
