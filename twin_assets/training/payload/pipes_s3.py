"""Dagster Pipes through S3, for a payload whose machine shares no disk with the one that launched it.

Pipes has the loader and the writer. What is added: a store that is away for a while loses no message; and a container
that is started again after an interruption goes on after the messages of the first, instead of writing over them.
"""

import re
import time
from collections.abc import Mapping
from typing import IO, Any

from dagster_pipes import (
    PipesEnvVarParamsLoader,
    PipesMessage,
    PipesParams,
    PipesS3ContextLoader,
    PipesS3MessageWriter,
    PipesS3MessageWriterChannel,
)

from twin_assets.training.storage import PATIENCE

SECONDS_BETWEEN_MESSAGES = 5.0
PATIENCE_SECONDS = 20 * 60.0
SECONDS_BETWEEN_TRIES = 5.0


def uses_s3(params: PipesEnvVarParamsLoader) -> bool:
    """Return whether the one who launched this process speaks through S3."""
    loaded: Mapping[str, Any] = params.load_messages_params()
    return "bucket" in loaded


def s3_client() -> Any:
    """Return a client that meets a store that is away as `training.storage` does."""
    import boto3
    from botocore.config import Config

    return boto3.client("s3", config=Config(**PATIENCE))


def context_loader(client: Any) -> PipesS3ContextLoader:
    """Return what reads the context that Dagster left in S3."""
    return PipesS3ContextLoader(client=client)


class ContinuingMessageWriter(PipesS3MessageWriter):
    """Writes messages after those that are there."""

    def __init__(self, client: Any) -> None:
        super().__init__(client=client, interval=SECONDS_BETWEEN_MESSAGES)

    def make_channel(self, params: PipesParams) -> "ContinuingChannel":
        """Return the channel to where `params` says."""
        return ContinuingChannel(self._client, params["bucket"], params["key_prefix"], interval=self.interval)


class ContinuingChannel(PipesS3MessageWriterChannel):
    """One prefix, and the number of the next message there."""

    def __init__(self, client: Any, bucket: str, key_prefix: str, *, interval: float) -> None:
        super().__init__(client, bucket, key_prefix, interval=interval)
        self._counter = 1 + last_message(client, bucket, key_prefix)

    def write_message(self, message: PipesMessage) -> None:
        """Queue a message; that a process was told to stop is none.

        The machine may be taken away, and another go on with the job: the reader must not take this for the end.
        """
        exception = (message.get("params") or {}).get("exception") or {}
        if message["method"] == "closed" and exception.get("name") == KeyboardInterrupt.__name__:
            return
        super().write_message(message)

    def upload_messages_chunk(self, payload: IO[Any], index: int) -> None:
        """Send a chunk, for as long as the store only needs time."""
        from botocore.exceptions import BotoCoreError, ClientError

        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            payload.seek(0)
            try:
                super().upload_messages_chunk(payload, index)
            except (BotoCoreError, ClientError):
                if time.monotonic() > until:
                    raise
                time.sleep(SECONDS_BETWEEN_TRIES)
            else:
                return


def last_message(client: Any, bucket: str, key_prefix: str) -> int:
    """Return the number of the last message below a prefix, 0 if there is none."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key_prefix}/")
    names = (item["Key"].rpartition("/")[2] for page in pages for item in page.get("Contents", []))
    return max((int(found[1]) for name in names if (found := re.fullmatch(r"(\d+)\.json", name))), default=0)
