"""Headers that say when to send again: understood, or ignored, and never heeded beyond an hour."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.http.headers import LONGEST_SECONDS, remaining, reset_seconds, retry_after_seconds
from connector.types import Remaining

WALL = 1_800_000_000.0
"""Fri, 15 Jan 2027 08:00:00 GMT."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, 3600.0),
        ("1.5", None),
        ("-5", None),
        ("1e3", None),
        ("٣", None),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 09:00:30 +0100", 30.0),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30.0),
        ("Fri, 15 Jan 2027 10:00:00 GMT", 3600.0),
        ("Thu, 14 Jan 2027 08:00:30 GMT", 0.0),
        ("tomorrow", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_and_an_hour_at_most(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": value}, WALL) == seconds


def test_without_a_retry_after_nothing_is_said() -> None:
    assert retry_after_seconds({}, WALL) is None


DATES = st.tuples(
    st.sampled_from(["Mon,", "1", "", "x"]),
    st.integers(-1, 10**20).map(str) | st.text(max_size=3),
    st.sampled_from(["Jan", "Foo", "13"]),
    st.integers(-1, 10**20).map(str),
    st.sampled_from(["00:00:00", "24:61:61", "1:2", "::", "99999999999:0:0"]),
    st.sampled_from(["GMT", "+0000", "-9999", "+99999999999999999999", ""]),
).map(" ".join)
VALUES = st.text() | DATES | st.integers(0, 10**400).map(str)


@given(value=VALUES)
@example(value="Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
def test_any_retry_after_is_understood_or_ignored(value: str) -> None:
    seconds = retry_after_seconds({"Retry-After": value}, WALL)
    assert seconds is None or 0 <= seconds <= LONGEST_SECONDS


@given(seconds=st.integers(0, 3600))
def test_a_date_is_as_good_as_the_seconds_until_then(seconds: int) -> None:
    date = formatdate(WALL + seconds, usegmt=True)
    assert retry_after_seconds({"Retry-After": date}, WALL) == seconds


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"X-RateLimit-Limit": "100"}, None),
        ({"X-RateLimit-Remaining": "many"}, None),
        ({"X-RateLimit-Remaining": "-1"}, None),
        ({"X-RateLimit-Remaining": "42"}, Remaining(42)),
        ({"X-RateLimit-Remaining": "42", "X-RateLimit-Limit": "60"}, Remaining(42, None, 60)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}, Remaining(0, 7)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000007"}, Remaining(0, 7)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1799999990"}, Remaining(0, 0)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "86400"}, Remaining(0, 3600)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, Remaining(0)),
    ],
)
def test_what_remains_is_a_number_and_its_reset_seconds_or_a_time(
    headers: dict[str, str], found: Remaining | None
) -> None:
    assert remaining(headers, WALL) == found


@given(requests=VALUES, reset=VALUES)
def test_any_rate_limit_headers_are_understood_or_ignored(requests: str, reset: str) -> None:
    found = remaining({"X-RateLimit-Remaining": requests, "X-RateLimit-Reset": reset}, WALL)
    assert found is None or found.requests >= 0
    assert found is None or found.reset_seconds is None or 0 <= found.reset_seconds <= LONGEST_SECONDS


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("1800000002500", 2.5), ("1799999990000", 0.0), ("1900000000000", 3600.0), ("100000000000", 3600.0)],
)
def test_regression_a_reset_in_milliseconds_is_no_hour(reset: str, seconds: float) -> None:
    """It was taken for a time in seconds, thousands of years from now: each 429 held everything back for an hour."""
    assert reset_seconds({"X-RateLimit-Reset": reset}, WALL) == seconds
