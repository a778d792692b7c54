"""The quota's arithmetic: how many requests may be under way or too recent, exactly, as the server counts.

Why no window at the server can hold more than `requests` arrivals: a slot is held from before its request is written
until `per_seconds` after its response has ended. The server counted the request between the two, so before the response
ended; whoever takes the slot next is written more than `per_seconds` after that, and arrives later still. So of any two
arrivals that used the same slot, the second is more than a window after the first, and a window holds at most one for
each slot. Nothing is assumed of the network. A request without a response may still arrive: its slot is held
`grace_seconds` longer, the time in which it is assumed to arrive if ever (SEEN API 2.0: 100 requests per 10 seconds).
What a predecessor has sent holds slots too, until the times that it left behind.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Window:
    """The slots of one quota. Times are the caller's monotonic seconds; each operation is amortised constant time, but
    for `inherit` and `free_at`. `on_wire` counts the requests that are there now, `taken` all slots ever taken.
    """

    __slots__ = ("_answered", "_grace", "_inherited", "_per", "_unanswered", "on_wire", "requests", "taken")

    def __init__(self, requests: int, per_seconds: float, grace_seconds: float) -> None:
        self.requests = requests
        self._per = per_seconds
        self._grace = grace_seconds
        self.on_wire = 0
        self.taken = 0
        # Each holds the times at which slots come free, in rising order: so no heap is needed.
        self._answered: deque[float] = deque()
        self._unanswered: deque[float] = deque()
        self._inherited: deque[float] = deque()

    def used(self, now: float) -> int:
        """Slots that cannot be taken at `now`."""
        for held in self._held:
            while held and held[0] <= now:
                held.popleft()
        return self.on_wire + sum(map(len, self._held))

    def take(self, now: float) -> bool:
        """Takes a slot for a request that leaves after `now`; False if none is free."""
        if self.used(now) >= self.requests:
            return False
        self.on_wire += 1
        self.taken += 1
        return True

    def answered(self, now: float) -> None:
        """The response of a request that held a slot has ended at `now`."""
        self.on_wire -= 1
        self._answered.append(now + self._per)

    def unanswered(self, now: float) -> None:
        """A request that held a slot was given up at `now`, and may still arrive."""
        self.on_wire -= 1
        self._unanswered.append(now + self._grace + self._per)

    def unused(self) -> None:
        """A slot was taken and nothing was written: it is free at once, and counts as never taken."""
        self.on_wire -= 1
        self.taken -= 1

    def inherit(self, free_at: Iterable[float]) -> None:
        """Holds a slot until each of these times, for what a predecessor has sent; more than there are may be held."""
        self._inherited = deque(sorted(chain(self._inherited, free_at)))

    def free_at(self) -> list[float]:
        """When each slot comes free that is held and whose request is no longer on the wire."""
        return list(chain.from_iterable(self._held))

    def next_free(self) -> float | None:
        """When the next held slot comes free; None if only the end of a request on the wire can free one."""
        return min((held[0] for held in self._held if held), default=None)

    @property
    def _held(self) -> tuple[deque[float], ...]:
        return self._answered, self._unanswered, self._inherited
