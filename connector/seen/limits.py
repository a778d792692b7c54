"""The limits of a quota, as SEEN's operator has set them, and what follows from them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LEAST_AHEAD = 4


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """`requests` in every window of `per_seconds`; `grace_seconds` is how late an unanswered request may still arrive."""

    requests: int
    per_seconds: float
    grace_seconds: float

    @property
    def longest_seconds(self) -> float:
        """How long a slot may be held after its request was given up."""
        return self.per_seconds + self.grace_seconds

    @property
    def ahead(self) -> int:
        """How many requests may leave beyond the last account: those of two seconds, so that one account a second is
        enough. A successor takes them for spent after a crash, so at most half of the quota.
        """
        of_two_seconds = math.ceil(2 * self.requests / self.per_seconds)
        return max(1, min(max(_LEAST_AHEAD, of_two_seconds), self.requests // 2))
