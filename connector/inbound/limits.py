"""What callers may take of the listener."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may take. `max_in_flight` counts the calls of one workspace whose body is read or published."""

    max_body_bytes: int = 1_048_576
    body_timeout_seconds: float = 10.0
    publish_timeout_seconds: float = 10.0
    max_in_flight: int = 32
