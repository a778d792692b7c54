"""Batches: how much one request carries, and how long one that is not full waits for more. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_EASY_SHARE = 0.5
_STEEPNESS = 8.0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one request may carry: `items` events, whose bodies have `max_bytes` in all; None: what they have.

    One with fewer events waits `wait_seconds` for more, and longer where the quota runs short.
    """

    items: int = 1
    max_bytes: int | None = None
    wait_seconds: float = 0.0

    def gathering_seconds(self, spent: float, interval: float) -> float:
        """How long a batch that is not full gathers events, from its first one on.

        `spent` is the share of a window's requests that is used, `interval` the seconds from one request to the next if
        they are spread evenly. Up to a half of them, that is `wait_seconds`. Beyond, it grows, so that a trickle of events
        never uses up a long window, and then stands still until it ends: from nothing, that takes a whole window.
        """
        if self.items == 1:
            return 0.0
        return max(self.wait_seconds, interval * _STEEPNESS * (spent - _EASY_SHARE))

    def fits(self, held: int, more: int) -> bool:
        """Whether a body of `more` bytes may join bodies of `held` bytes."""
        return self.max_bytes is None or held + more <= self.max_bytes
