"""How long a server asks to be left alone, as the headers of its answer say. Whether to wait is for the asker."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def seconds_to_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long a server asks to be left alone; None if it does not say.

    It says so in `retry-after-ms` (OpenAI), or in Retry-After: in seconds, or as a date (RFC 9110, section 10.2.3).

    Args:
        headers: Headers of the answer, by lower-case name.
        now: The present, with a time zone.
    """
    milliseconds, written = headers.get("retry-after-ms", ""), headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]*)?", milliseconds):
        return float(milliseconds) / 1000
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]*)?", written):
        return float(written)
    try:
        then = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return max(0.0, ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds())
