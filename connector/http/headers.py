"""What a response's headers say about when to send again.

SEEN documents none of them for its limit, so each is heeded where it comes, and nothing rests on it; Braze documents
X-RateLimit-*, its reset as a time in Unix seconds. All ask for an hour at most: a header must not stop a workspace for
longer than a person takes to look.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from connector.types import Remaining

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SECONDS = 3600.0
"""What is asked for beyond it is not heeded."""

_LARGEST = 1e15  # where a number ends to mean anything
_UNIX_TIMES = 1e8  # a reset that is larger is no duration but a time
_UNIX_MILLISECONDS = 1e11  # and this is one in milliseconds: in seconds it would be the year 5138


def retry_after_seconds(headers: Mapping[str, str], wall: float) -> float | None:
    """How long Retry-After asks to wait from `wall` (Unix seconds), in seconds; None if it says nothing clear.

    It may be a number of seconds or a date (RFC 9110, 10.2.3).
    """
    value = headers.get("Retry-After", "")
    if (seconds := _number(value)) is None:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - wall)
    return min(seconds, LONGEST_SECONDS)


def remaining(headers: Mapping[str, str], wall: float) -> Remaining | None:
    """What X-RateLimit-Remaining, -Limit and -Reset say; None if the first says nothing clear."""
    requests = _number(headers.get("X-RateLimit-Remaining", ""))
    if requests is None:
        return None
    limit = _number(headers.get("X-RateLimit-Limit", ""))
    return Remaining(int(requests), reset_seconds(headers, wall), None if limit is None else int(limit))


def reset_seconds(headers: Mapping[str, str], wall: float) -> float | None:
    """When X-RateLimit-Reset says that the quota begins anew, in seconds from `wall`; None if it says nothing clear.

    It is taken for seconds, or for a time in Unix seconds or milliseconds where it is as large as one: all are in use.
    """
    reset = _number(headers.get("X-RateLimit-Reset", ""))
    if reset is None:
        return None
    if reset > _UNIX_MILLISECONDS:
        reset /= 1000
    return min(max(0.0, reset - wall if reset > _UNIX_TIMES else reset), LONGEST_SECONDS)


def _number(text: str) -> float | None:
    digits = text.strip()
    return min(float(digits), _LARGEST) if digits.isascii() and digits.isdigit() else None
