"""What was told, and what did not arrive yet: the memory of alerting, small enough to be a sensor's cursor.

An alert is kept for each channel until that channel took it. So a mail server that is down costs no news, and keeps
none of the other channels from telling it.
"""

import time
from collections.abc import Callable, Sequence

from pydantic import BaseModel, Field

from twin_assets.alerting.channels import Channel, RefusedError, UndeliveredError
from twin_assets.alerting.messages import Alert

MOST_WAITING = 100
"""Alerts that are kept for channels that do not take them; of more, the oldest are given up, and that is said."""

LONGEST_WAIT = 3 * 24 * 3600.0
"""Seconds after which an alert is no news any more."""

LONGEST_DELIVERY = 30.0
"""Seconds after which no other alert is begun in a tick. A tick has 60: one that is cut off forgets what it has sent,
and sends it again."""


class Waiting(BaseModel):
    """An alert that one channel has not taken."""

    alert: Alert
    channel: str
    since: float = Field(description="When it was first tried, seconds since 1970")


class Outbox(BaseModel):
    """The state between two ticks."""

    began: float = Field(default=0.0, description="When alerting began; what failed before is no news")
    runs_seen_until: float = Field(default=0.0, description="Update time of the newest failed run that was looked at")
    runs_seen: list[str] = Field(default_factory=list, description="Failed runs of the last minutes, looked at")
    registrations_seen_until: int = Field(default=-1, description="Storage id of the newest registration looked at")
    moves_seen_until: int = Field(default=-1, description="Storage id of the newest move of an alias looked at")
    champions: dict[str, str] = Field(default_factory=dict, description="The last champion that was told, by author")
    told: dict[str, float] = Field(default_factory=dict, description="When each key was told, seconds since 1970")
    waiting: list[Waiting] = Field(default_factory=list)

    def put(self, alerts: Sequence[Alert], channels: Sequence[Channel], *, now: float, repeat_seconds: float) -> int:
        """Take in alerts that were not told within `repeat_seconds`, for every channel; return how many."""
        self.told = {key: at for key, at in self.told.items() if now - at < repeat_seconds}
        taken = 0
        for alert in alerts:
            if alert.key in self.told:
                continue
            if alert.key:
                self.told[alert.key] = now
            self.waiting += [Waiting(alert=alert, channel=channel.name, since=now) for channel in channels]
            taken += 1
        return taken

    def deliver(self, channels: Sequence[Channel], *, now: float, complain: Callable[[str], None]) -> int:
        """Send what waits; return how many arrived. What a channel does not take waits for the next tick.

        A channel that failed once is not tried again in this tick, because the next alert would wait as long for
        nothing; one that only refused an alert is. Neither is anything sent that the time of the tick may not suffice
        for. What waits keeps its order: of two notes of a new champion, the later one has to come last.

        Args:
            channels: Where alerts can go now; what waits for another channel, which was taken out of the settings, goes
                nowhere.
            now: Seconds since 1970.
            complain: Is told in a sentence what did not arrive.
        """
        by_name = {channel.name: channel for channel in channels}
        down: set[str] = set()
        left: list[Waiting] = []
        arrived = 0
        end = time.monotonic() + LONGEST_DELIVERY
        for item in self.waiting:
            channel = by_name.get(item.channel)
            if channel is None:
                continue
            if item.channel not in down and time.monotonic() < end:
                try:
                    channel.send(item.alert)
                except UndeliveredError as error:
                    if not isinstance(error, RefusedError):
                        down.add(item.channel)
                    complain(f"{item.channel}: {error} '{item.alert.subject}' is sent again at the next tick.")
                else:
                    arrived += 1
                    continue
            if now - item.since < LONGEST_WAIT:
                left.append(item)
            else:
                complain(f"{item.channel}: '{item.alert.subject}' is given up: it waited for three days.")
        if len(left) > MOST_WAITING:
            complain(f"{len(left) - MOST_WAITING} alerts are given up: more than {MOST_WAITING} wait.")
        self.waiting = left[-MOST_WAITING:]
        return arrived
