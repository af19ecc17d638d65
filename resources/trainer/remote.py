"""What trainers on a cloud have in common: where their jobs are, and how a run of Dagster speaks with one."""

from typing import Any, ClassVar

import dagster as dg
from dagster_aws.pipes import PipesS3ContextInjector
from pydantic import Field

from resources.trainer.aws import aws_client
from resources.trainer.contract import Trainer
from resources.trainer.job_run import Patience
from resources.trainer.launch import LaunchFolder
from resources.trainer.messages import JobMessageReader
from twin_assets.settings import Settings


class RemoteTrainer(Trainer):
    """Trains in jobs of a cloud. The settings of the same names say what the fields are."""

    is_elsewhere: ClassVar[bool] = True

    region: str
    launches_uri: str
    subnets: list[str] = Field(default=[])
    security_groups: list[str] = Field(default=[])
    output_kms_key: str | None = None
    tags: dict[str, str] = Field(default={})
    poll_seconds: float = 15.0
    outage_minutes: float = 30.0
    hub_offline: bool = False

    @staticmethod
    def common(settings: Settings) -> dict[str, Any]:
        """Return the fields that every trainer on a cloud has."""
        return {
            "region": settings.aws_region or "",
            "launches_uri": settings.launches_root,
            "subnets": settings.trainer_subnets,
            "security_groups": settings.trainer_security_groups,
            "output_kms_key": settings.trainer_output_kms_key,
            "tags": settings.trainer_tags,
            "poll_seconds": settings.trainer_poll_seconds,
            "outage_minutes": settings.trainer_outage_minutes,
            "hub_offline": settings.hub_offline,
        }

    def _folder(self, job: str) -> LaunchFolder:
        return LaunchFolder.of(aws_client("s3", self.region), self.launches_uri, job)

    def _patience(self, context: dg.AssetExecutionContext) -> Patience:
        return Patience(context.log, self.outage_minutes * 60)

    def _context_injector(self, folder: LaunchFolder) -> PipesS3ContextInjector:
        return PipesS3ContextInjector(bucket=folder.bucket, client=folder.client, key_prefix=f"{folder.key}/context-")

    def _message_reader(self, folder: LaunchFolder) -> JobMessageReader:
        return JobMessageReader(
            bucket=folder.bucket,
            key_prefix=f"{folder.key}/messages",
            client=folder.client,
            interval=self.poll_seconds,
        )
