"""How long a server asks to be left alone."""

from datetime import UTC, datetime

import pytest

from twin_assets.retry_after import seconds_to_wait

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("\N{SUPERSCRIPT TWO}", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(written, seconds):
    assert seconds_to_wait({"retry-after": written}, NOW) == seconds


def test_a_server_that_says_nothing_names_no_time():
    assert seconds_to_wait({}, NOW) is None


def test_milliseconds_go_before_seconds():
    assert seconds_to_wait({"retry-after-ms": "250", "retry-after": "1"}, NOW) == 0.25
