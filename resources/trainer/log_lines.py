"""The log of a job in CloudWatch, line by line, each once.

SageMaker writes a stream for each instance, and makes it when the first line comes: late, or never for a job that does
not start. What the lines say is not looked at.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from resources.trainer.aws import error_code, is_missing, will_pass

MOST_PAGES = 20
"""Pages of a stream (10,000 lines or 1 MB each) that are fetched at one look."""


def milliseconds_now() -> int:
    """Return the time as CloudWatch counts it."""
    return time.time_ns() // 1_000_000


@dataclass
class JobLog:
    """The streams of one job."""

    client: Any
    group: str
    prefix: str
    """What the names of the job's streams begin with."""
    since: int = 0
    """Milliseconds of the epoch: what was logged before is passed over."""
    _tokens: dict[str, str] = field(default_factory=dict)
    _closed: bool = False

    @property
    def seen(self) -> bool:
        """Whether a stream has been read from, or none ever can."""
        return bool(self._tokens) or self._closed

    def new_lines(self) -> list[str]:
        """Return the lines that came since the last call; none while the log, or CloudWatch, is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._closed:
            return []
        lines: list[str] = []
        try:
            for stream in self._streams():
                self._read(stream, lines)
        except (ClientError, BotoCoreError) as error:
            if not is_missing(error) and not will_pass(error):
                # Who may start a job may not be allowed to read its log. That is said once; the job goes on.
                self._closed = True
                lines.append(self._unreadable(error))
        return lines

    def tail(self, lines: int = 20) -> list[str]:
        """Return the last lines of the first stream, for a failure: none of a log that is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            streams = self._streams()
            if not streams:
                return []
            answer = self.client.get_log_events(
                logGroupName=self.group, logStreamName=streams[0], limit=lines, startFromHead=False
            )
        except (ClientError, BotoCoreError) as error:
            return [] if is_missing(error) else [self._unreadable(error)]
        return [str(event["message"]).rstrip() for event in answer["events"]]

    def _unreadable(self, error: Exception) -> str:
        return f"The log {self.group} cannot be read ({error_code(error) or error})."

    def _streams(self) -> list[str]:
        answer = self.client.describe_log_streams(logGroupName=self.group, logStreamNamePrefix=self.prefix)
        return sorted(stream["logStreamName"] for stream in answer["logStreams"])

    def _read(self, stream: str, lines: list[str]) -> None:
        """Append what is new to `lines`, page by page: a page is not told twice, if a later one does not come."""
        label = stream.removeprefix(self.prefix).strip("/") or stream
        for _ in range(MOST_PAGES):
            token = self._tokens.get(stream)
            place = {"nextToken": token} if token else {"startTime": self.since}
            answer = self.client.get_log_events(
                logGroupName=self.group, logStreamName=stream, startFromHead=True, **place
            )
            lines += [f"[{label}] {str(event['message']).rstrip()}" for event in answer["events"]]
            self._tokens[stream] = answer["nextForwardToken"]
            # The same token again means the end of what is there.
            if not answer["events"] or answer["nextForwardToken"] == token:
                break
