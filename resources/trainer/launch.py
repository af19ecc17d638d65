"""What lies in S3 beside a remote training, and the name that its job goes by.

    <launches>/<job>/spec.json      the spec, which may hold the password of a tracking server
    <launches>/<job>/context.../    what Dagster Pipes tells the job
    <launches>/<job>/messages/      what the job tells Dagster Pipes, numbered
    <launches>/<job>/checkpoints/   what an interrupted training goes on from

Only addresses are handed to the job: its description, which others may read, holds no secret.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from resources.trainer.aws import bucket_and_key, is_missing
from twin_assets.documents import content_hash
from twin_assets.training.spec import TrainingError, TrainingSpec

MOST_OF_A_SLUG = 24
"""Characters of an author's slug in the name of a job: SageMaker allows 63 in all."""


def launch_name(spec: TrainingSpec) -> str:
    """Return the name that all jobs for a spec and its output begin with.

    It depends on nothing else, so that an orchestrator that was killed before it could write down what it launched
    finds it again. The output counts: two platforms that share an account may train the same spec, each for itself.
    """
    key = content_hash({"spec": spec.spec_hash, "output": spec.output_uri})[:16]
    slug = re.sub(r"[^a-z0-9]+", "-", spec.author or "all")[:MOST_OF_A_SLUG].strip("-")
    return f"twin-{spec.stage}-{slug}-{key}"


def job_name(launch: str, attempt: int) -> str:
    """Return the name of the n-th job for a spec, from 1."""
    return f"{launch}-{attempt}"


def attempt_of(launch: str, job: str) -> int | None:
    """Return which attempt a job is, None if it is not one of this launch."""
    found = re.fullmatch(re.escape(launch) + r"-(\d+)", job)
    return int(found[1]) if found else None


def last_attempt(client: Any, launches_uri: str, launch: str) -> int:
    """Return the number of the last job of a launch that left anything behind, 0 if none did.

    The first ones may be gone: what is old is removed, folder by folder, or by a life-cycle rule.
    """
    bucket, key = bucket_and_key(launches_uri)
    root = f"{key}/" if key else ""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{root}{launch}-", Delimiter="/")
    folders = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())]
    numbers = [attempt_of(launch, folder.removeprefix(root).rstrip("/")) for folder in folders]
    return max((number for number in numbers if number), default=0)


@dataclass(frozen=True)
class LaunchFolder:
    """The folder beside one job."""

    client: Any
    bucket: str
    key: str

    @classmethod
    def of(cls, client: Any, launches_uri: str, job: str) -> "LaunchFolder":
        """Return the folder of a job below the folder of all launches."""
        bucket, key = bucket_and_key(launches_uri)
        return cls(client, bucket, f"{key}/{job}" if key else job)

    @property
    def address(self) -> str:
        """Its address."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def spec_uri(self) -> str:
        """Where the spec lies."""
        return f"{self.address}/spec.json"

    def write_spec(self, spec: TrainingSpec, kms_key: str | None) -> None:
        """Put the spec beside the job, encrypted with a key if there is one."""
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        self.client.put_object(
            Bucket=self.bucket, Key=f"{self.key}/spec.json", Body=spec.model_dump_json().encode(), **encryption
        )

    def read_spec(self) -> TrainingSpec | None:
        """Return the spec that the job was started with, None if there is none to be read."""
        from botocore.exceptions import ClientError

        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.key}/spec.json")
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        with suppress(TrainingError):
            return TrainingSpec.parse(answer["Body"].read().decode("utf-8"), self.spec_uri)
        return None


def for_another_machine(spec: TrainingSpec, log: Any) -> TrainingSpec:
    """Return the spec as another machine can use it: it does not reach an MLflow database that is a file of this one.

    The figures of such a run then come from the manifest, at the end.
    """
    if spec.tracking is None or spec.tracking.uri.startswith(("http://", "https://")):
        return spec
    log.info("The job cannot reach the MLflow database of this machine: its figures are logged when it has ended.")
    return spec.model_copy(update={"tracking": None})
