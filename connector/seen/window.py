"""The quota's arithmetic: how many requests may be under way or too recent, exactly, as the server counts.

Why no window at the server can hold more than `requests` arrivals: a slot is held from before its request is written
until `per_seconds` after its response has ended. The server counted the request between the two, so before the response
ended; whoever takes the slot next is written more than `per_seconds` after that, and arrives later still. So of any two
arrivals that used the same slot, the second is more than a window after the first, and a window holds at most one for
each slot. Nothing is assumed of the network. A request without a response may still arrive: its slot is held
`grace_seconds` longer, the time in which it is assumed to arrive if ever (SEEN API 2.0: 100 requests per 10 seconds).
What a predecessor has sent holds slots too, until the times that it left behind, and so does what other users of the
token are known to have sent.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BUCKETS = 20
_SPARE = 20


class _Held:
    """Slots that come free at known times, in rising order: so no heap is needed. They are counted in buckets, too."""

    __slots__ = ("_width", "buckets", "times")

    def __init__(self, width: float) -> None:
        self._width = width
        self.times: deque[float] = deque()
        self.buckets: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self.times)

    def add(self, time: float) -> None:
        """Holds one more, which comes free after all others."""
        self.times.append(time)
        self.buckets[math.ceil(time / self._width)] += 1

    def insert(self, times: Iterable[float]) -> None:
        """Holds more, which come free whenever they do. Takes as long as all that are held."""
        self.times, self.buckets, together = deque(), Counter(), sorted(chain(self.times, times))
        for time in together:
            self.add(time)

    def release(self, now: float) -> None:
        """Lets those go whose time has come."""
        while self.times and self.times[0] <= now:
            bucket = math.ceil(self.times.popleft() / self._width)
            self.buckets[bucket] -= 1
            if not self.buckets[bucket]:
                del self.buckets[bucket]


class Window:
    """The slots of one quota. Times are the caller's monotonic seconds; each operation is amortised constant time, but
    for `inherit`. `working` is how many of the slots may be ours; it may be set at any time, and what is held beyond it is
    waited for. `on_wire` counts the requests that are there now, `taken` all slots ever taken.
    """

    __slots__ = ("_all", "_answered", "_grace", "_inherited", "_noted", "_per", "_unanswered", "_width", "on_wire", "requests", "taken", "working")  # fmt: skip

    def __init__(self, requests: int, per_seconds: float, grace_seconds: float) -> None:
        self.requests = self.working = requests
        self._per = per_seconds
        self._grace = grace_seconds
        self._width = (per_seconds + grace_seconds) / _BUCKETS
        self.on_wire = 0
        self.taken = 0
        self._answered = _Held(self._width)
        self._unanswered = _Held(self._width)
        self._inherited = _Held(self._width)
        self._noted = _Held(self._width)
        self._all = (self._answered, self._unanswered, self._inherited, self._noted)

    def used(self, now: float) -> int:
        """Slots that cannot be taken at `now`."""
        for held in self._all:
            held.release(now)
        return self.on_wire + sum(map(len, self._all))

    def take(self, now: float) -> bool:
        """Takes a slot for a request that leaves after `now`; False if none is free.

        While others are known to send, one slot in twenty is left free for what they send before we know.
        """
        used, noted = self.used(now), len(self._noted)
        room = self.requests - (self.requests // _SPARE if noted else 0)
        if used >= room or used - noted >= self.working:
            return False
        self.on_wire += 1
        self.taken += 1
        return True

    def answered(self, now: float) -> None:
        """The response of a request that held a slot has ended at `now`."""
        self.on_wire -= 1
        self._answered.add(now + self._per)

    def unanswered(self, now: float) -> None:
        """A request that held a slot was given up at `now`, and may still arrive."""
        self.on_wire -= 1
        self._unanswered.add(now + self._grace + self._per)

    def unused(self) -> None:
        """A slot was taken and nothing was written: it is free at once, and counts as never taken."""
        self.on_wire -= 1
        self.taken -= 1

    def inherit(self, free_at: Iterable[float]) -> None:
        """Holds a slot until each of these times, for what a predecessor has sent; more than there are may be held."""
        self._inherited.insert(free_at)

    def note(self, count: int, until: float) -> None:
        """Holds `count` slots for what other users have sent, no later than for a window, and no sooner than those noted
        before.
        """
        last = self._noted.times[-1] if self._noted else until
        for _ in range(count):
            self._noted.add(max(until, last))

    def noted(self, now: float) -> int:
        """Slots that are held for other users at `now`."""
        self._noted.release(now)
        return len(self._noted)

    def free_by(self) -> list[tuple[float, int]]:
        """When the slots come free that are held and whose requests are not on the wire: a time, and how many by then.

        Times are rounded up to a twentieth of the longest that a slot is held, so there are few, however large the quota.
        """
        together = sum((held.buckets for held in self._all), Counter[int]())
        return [(bucket * self._width, count) for bucket, count in sorted(together.items())]

    def next_free(self) -> float | None:
        """When the next held slot comes free; None if only the end of a request on the wire can free one."""
        return min((held.times[0] for held in self._all if held.times), default=None)
