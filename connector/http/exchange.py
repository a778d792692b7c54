"""How one request ended, as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: `body` may be cut at the client's cap, `excerpt` is its start as redacted text.

    `retry_after_seconds` is what Retry-After asks for, `reset_seconds` when X-RateLimit-Reset says that the quota begins
    anew; None where they say nothing clear.
    """

    status: int
    body: bytes
    excerpt: str = ""
    retry_after_seconds: float | None = None
    reset_seconds: float | None = None


class Fault(Enum):
    """Why there is no response."""

    FENCED = auto()
    NOT_SENT = auto()
    TIMED_OUT = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class NoResponse:
    """A request without an answer. `detail` names the error, and nothing of the request."""

    fault: Fault
    detail: str


Reply = Response | NoResponse
"""How one request ended that was made."""
