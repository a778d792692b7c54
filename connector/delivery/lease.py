"""The right to send: whoever lost its partitions without knowing must send nothing.

Rules:
 1. A commit that Kafka acknowledged was fenced by the group's generation: when it was sent, the partitions were ours.
 2. The group gives them to nobody else before a session has passed since then without a sign of life, or before we let go.
 3. So a request may leave while that commit was sent less than a session ago, less a margin for the request's own way.
 4. An assignment begins without the right, and letting go ends it.

A process that was stopped and goes on, or is cut off from Kafka, finds the right gone before it knows why.
"""

from __future__ import annotations

_MARGIN_SECONDS = 5.0
_RENEW_SECONDS = 5.0
_RENEWALS = 3


class Lease:
    """The lease of one workspace's owner. Times are the caller's monotonic seconds."""

    def __init__(self, session_timeout_seconds: float) -> None:
        """Raises ValueError for a session that leaves no time after the margin."""
        self._seconds = session_timeout_seconds - _MARGIN_SECONDS
        if self._seconds <= 0:
            raise ValueError(f"a session of {session_timeout_seconds:g} s leaves no time to send")
        self._renewed_at = float("-inf")

    def renewed(self, sent_at: float) -> None:
        """A commit that was sent at `sent_at` has been acknowledged."""
        self._renewed_at = max(self._renewed_at, sent_at)

    def end(self) -> None:
        """Nothing may leave before another commit was acknowledged."""
        self._renewed_at = float("-inf")

    def holds(self, now: float) -> bool:
        """Whether a request may leave at `now`."""
        return now - self._renewed_at < self._seconds

    def is_due(self, now: float) -> bool:
        """Whether it is time to commit again, changed or not."""
        return now - self._renewed_at >= min(_RENEW_SECONDS, self._seconds / _RENEWALS)
