"""The working quota: how much of the quota is ours while someone else uses it too, with the same token.

Rules:
 1. A refusal (429) though the window allowed the request means that others send. What was in use then is what they left:
    the working quota falls a step below it. Little may have been in use by chance, so it falls by half and a step at most.
    A step is a twentieth of the quota, and the least that is kept.
 2. The refusal of a request that left before the last fall says nothing new.
 3. After six windows it rises by a step, which may be refused again. Each time that a rise is, the next one waits twice
    as long, 30 windows at most.
 4. If it is not, it rises on, window by window, each time by twice as much. Once it was whole for as long as it waited
    last, the waits begin anew.

So while others send, a few requests are refused in so many windows; when they stop, all is used again after 30 windows
and five more at the latest.
"""

from __future__ import annotations

_STEPS = 20
_FIRST_WAIT = 6
_LONGEST_WAIT = 30


class WorkingQuota:
    """`requests` is how many a window may have, as others leave it. Times are the caller's monotonic seconds."""

    __slots__ = ("_fell_at", "_limit", "_per", "_rises_at", "_rises_by", "_step", "_waits", "requests")

    def __init__(self, requests: int, per_seconds: float) -> None:
        self.requests = self._limit = requests
        self._per = per_seconds
        self._step = self._rises_by = max(1, requests // _STEPS)
        self._waits = _FIRST_WAIT
        self._rises_at = self._fell_at = float("-inf")

    @property
    def is_whole(self) -> bool:
        """Whether all of the quota is ours."""
        return self.requests == self._limit

    @property
    def rises_at(self) -> float | None:
        """When it rises, if nothing is refused until then; None while it is whole."""
        return None if self.is_whole else self._rises_at

    def refused(self, sent_at: float, used: int, now: float) -> bool:
        """A request that left at `sent_at` was one too many, with `used` slots in use; whether that is news."""
        if sent_at < self._fell_at:
            return False
        if self._rises_by > self._step:
            has_lasted = now - self._rises_at > self._waits * self._per
            self._waits = _FIRST_WAIT if has_lasted else min(2 * self._waits, _LONGEST_WAIT)
        self._fall_to(max(min(self.requests, used), self.requests // 2) - self._step, now)
        return True

    def resume(self, requests: int, rises_at: float, now: float) -> None:
        """Begins where a predecessor was: at `requests`, to rise at `rises_at`."""
        if requests < self._limit:
            self._fall_to(requests, now)
            self._rises_at = rises_at

    def rise(self, now: float) -> None:
        """Rises as far as is due at `now`."""
        while not self.is_whole and now >= self._rises_at:
            self.requests = min(self._limit, self.requests + self._rises_by)
            self._rises_by *= 2
            self._rises_at += self._per

    def _fall_to(self, requests: int, now: float) -> None:
        self.requests = max(self._step, requests)
        self._rises_by = self._step
        self._rises_at = now + self._waits * self._per
        self._fell_at = now
