"""Order: one lane for each order key, and only the head of a lane may be on the wire.

Rules:
 1. Items of one key are taken in the order in which they were submitted.
 2. A lane whose head was taken gives nothing until that head is finished or put back.
 3. A head that is put back stays the head of its lane, and waits until its time; other lanes go on.
 4. Heads are taken first come, first served. One that has waited for its time goes before those that were never taken,
    so a backlog does not keep it waiting; but one of them goes between two such, so it starves nobody.
 5. A head that is put first is taken next, and does not count for that.
 6. A head that is put last has, at its time, its turn after all that came in until then: so probes go round.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Generic, Protocol, TypeVar


class Keyed(Protocol):
    """Whatever can stand in a lane."""

    @property
    def order_key(self) -> bytes:
        """The key whose order counts."""
        ...


Item = TypeVar("Item", bound=Keyed)


class Lanes(Generic[Item]):
    """Lanes of items by order key. Times are the caller's monotonic seconds; taking costs O(log n) at most."""

    def __init__(self) -> None:
        self._lanes: dict[bytes, deque[Item]] = {}
        self._ready: deque[Item] = deque()
        self._again: deque[Item] = deque()
        self._again_is_next = False
        self._waiting: list[tuple[float, int, Item, deque[Item]]] = []
        self._sequence = 0
        self._size = 0

    def __len__(self) -> int:
        """Items submitted and not finished, those that were taken included."""
        return self._size

    @property
    def keys(self) -> int:
        """How many keys have an unfinished item."""
        return len(self._lanes)

    @property
    def ready(self) -> int:
        """How many heads can be taken, as of the last look."""
        return len(self._ready) + len(self._again)

    def submit(self, item: Item) -> None:
        """Puts `item` at the end of its lane; if the lane was empty, it is ready to be taken."""
        lane = self._lanes.setdefault(item.order_key, deque())
        lane.append(item)
        self._size += 1
        if len(lane) == 1:
            self._ready.append(item)

    def take(self, now: float) -> Item | None:
        """The next head whose time has come, or None. Its lane is busy until `finish` or `put_back`."""
        queue = self._next_queue(now)
        if not queue:
            return None
        self._again_is_next = queue is self._ready and bool(self._again)
        return queue.popleft()

    def peek(self, now: float) -> Item | None:
        """What `take` would give, left where it is."""
        queue = self._next_queue(now)
        return queue[0] if queue else None

    def _next_queue(self, now: float) -> deque[Item]:
        """The queue whose turn it is; an empty one if nothing can be taken."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, item, queue = heapq.heappop(self._waiting)
            queue.append(item)
        return self._again if self._again and (self._again_is_next or not self._ready) else self._ready

    def put_back(self, item: Item, until: float) -> None:
        """Returns a taken head to its lane: it can be taken again at `until`, 0.0 for at once, and its lane waits for it."""
        self._wait(item, until, self._again)

    def put_last(self, item: Item, until: float) -> None:
        """The same, but at `until` it goes to the end of all that can be taken."""
        self._wait(item, until, self._ready)

    def _wait(self, item: Item, until: float, queue: deque[Item]) -> None:
        if until <= 0.0:
            queue.append(item)
            return
        self._sequence += 1
        heapq.heappush(self._waiting, (until, self._sequence, item, queue))

    def put_first(self, item: Item) -> None:
        """Returns a taken head to its lane: it is the next that is taken."""
        self._again.appendleft(item)
        self._again_is_next = True

    def finish(self, item: Item) -> None:
        """Removes a taken head; the next item of its lane is ready. Raises ValueError if `item` is no head."""
        lane = self._lanes[item.order_key]
        if lane[0] is not item:
            raise ValueError("only the head of a lane can be finished")
        lane.popleft()
        self._size -= 1
        if lane:
            self._ready.append(lane[0])
        else:
            del self._lanes[item.order_key]

    def has_later(self, head: Item) -> bool:
        """Whether another item of its key waits behind `head`."""
        return len(self._lanes[head.order_key]) > 1

    def next_time(self) -> float | None:
        """When `take` gives something: 0.0 for at once, None if only a submission or a finish can help."""
        if self._ready or self._again:
            return 0.0
        return self._waiting[0][0] if self._waiting else None
