"""The messages that a payload leaves in S3 for its run, read from the first one, whoever started to read before.

dagster-aws's reader, but for three things: it reads where the job writes and not under a random prefix, so that a run
which takes over a job hears all of it; it fetches everything that is there in one go; and a store that does not answer
for a while does not end it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster_aws.pipes import PipesS3MessageReader
from dagster_pipes import PipesParams

from resources.trainer.aws import error_code, will_pass

logger = logging.getLogger(__name__)


class JobMessageReader(PipesS3MessageReader):
    """Reads the messages below one prefix."""

    def __init__(self, *, bucket: str, key_prefix: str, client: Any, interval: float) -> None:
        """Read from `s3://bucket/key_prefix`, looking every `interval` seconds."""
        super().__init__(bucket=bucket, client=client, interval=interval)
        self.key_prefix = key_prefix

    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        """Yield where the payload is to write."""
        with super().get_params() as params:
            yield {**params, "key_prefix": self.key_prefix}

    def messages_are_readable(self, params: PipesParams) -> bool:
        """Return True: what is not there yet is looked for again."""
        return True

    def download_messages(self, cursor: Any, params: PipesParams) -> Any:
        """Return every message that has not been read, None if there is none."""
        chunks = []
        while chunk := self._chunk(self.counter):
            chunks.append(chunk)
            self.counter += 1
        return (self.counter, "\n".join(chunks)) if chunks else None

    def _chunk(self, number: int) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.key_prefix}/{number}.json")
            return str(answer["Body"].read().decode("utf-8"))
        except (ClientError, BotoCoreError) as error:
            if error_code(error) not in {"NoSuchKey", "404"} and not will_pass(error):
                logger.warning("Messages of the job cannot be read (%s).", error)
            return None
