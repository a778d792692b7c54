"""The quota's arithmetic: how many requests may be under way or too recent, exactly, as the server counts.

Why no window at the server can hold more than `requests` arrivals: a slot is held from before its request is written
until `per_seconds` after its response has ended. The server counted the request between the two, so before the response
ended; whoever takes the slot next is written more than `per_seconds` after that, and arrives later still. So of any two
arrivals that used the same slot, the second is more than a window after the first, and a window holds at most one for
each slot. Nothing is assumed of the network. A request without a response may still arrive: its slot is held
`grace_seconds` longer, the time in which it is assumed to arrive if ever (SEEN API 2.0: 100 requests per 10 seconds).
"""

from __future__ import annotations

from collections import deque


class Window:
    """The slots of one quota. Times are the caller's monotonic seconds; each operation is amortised constant time."""

    __slots__ = ("_answered", "_grace", "_on_wire", "_per", "_unanswered", "requests")

    def __init__(self, requests: int, per_seconds: float, grace_seconds: float) -> None:
        self.requests = requests
        self._per = per_seconds
        self._grace = grace_seconds
        self._on_wire = 0
        # Each holds the times at which slots come free, in rising order: so no heap is needed.
        self._answered: deque[float] = deque()
        self._unanswered: deque[float] = deque()

    def used(self, now: float) -> int:
        """Slots that cannot be taken at `now`."""
        for held in (self._answered, self._unanswered):
            while held and held[0] <= now:
                held.popleft()
        return self._on_wire + len(self._answered) + len(self._unanswered)

    def take(self, now: float) -> bool:
        """Takes a slot for a request that leaves after `now`; False if none is free."""
        if self.used(now) >= self.requests:
            return False
        self._on_wire += 1
        return True

    def answered(self, now: float) -> None:
        """The response of a request that held a slot has ended at `now`."""
        self._on_wire -= 1
        self._answered.append(now + self._per)

    def unanswered(self, now: float) -> None:
        """A request that held a slot was given up at `now`, and may still arrive."""
        self._on_wire -= 1
        self._unanswered.append(now + self._grace + self._per)

    def unused(self) -> None:
        """A slot was taken and nothing was written: it is free at once."""
        self._on_wire -= 1

    def next_free(self) -> float | None:
        """When the next held slot comes free; None if only the end of a request on the wire can free one."""
        return min((held[0] for held in (self._answered, self._unanswered) if held), default=None)
