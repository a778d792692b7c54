"""Whose turn it is: which events leave next, and which of them together. Times are the caller's monotonic seconds.

Rules:
 1. A batch has heads of lanes only, so never two events of one key; and never two of one id, whose keys may differ: what is
    said of the second rests on the first. A look-up and a probe are alone.
 2. It leaves when it has as many events as it may, or has gathered for long enough since its first event could have left.
    What had no room in it leaves at once in the next.
 3. What may not leave yet is set aside and holds back nothing but its own lane: before it is prepared, before a commit has
    promised it (`most_ahead` of them at most), before its time.
 4. Where only the latest of a key counts, an event with another behind it is passed over: it costs no request.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from connector.delivery.lanes import Lanes
from connector.types import Partition

if TYPE_CHECKING:
    from connector.delivery.attempt import DeliveryPolicy
    from connector.delivery.batch import BatchLimits
    from connector.delivery.delivery import Delivery
    from connector.types import Outcome


class Pace(Protocol):
    """How the quota is used, which says how long a batch may gather."""

    @property
    def spent(self) -> float:
        """The share of a window's requests that is used: 1 is all of them."""
        ...

    @property
    def interval(self) -> float:
        """The seconds from one request to the next, if they are spread evenly over a window."""
        ...


class Aside(Protocol):
    """What becomes of heads that leave their lanes without a request. None of these waits."""

    def takes(self, delivery: Delivery) -> bool:
        """Whether `delivery` must be prepared before it may leave."""
        ...

    def prepare(self, delivery: Delivery) -> None:
        """Prepares `delivery`, which was taken from its lane, and returns it to it."""
        ...

    def promise(self) -> None:
        """Has a commit promise what waits for it."""
        ...

    def end(self, delivery: Delivery, outcome: Outcome) -> None:
        """Settles `delivery`, which was taken from its lane, and finishes it there."""
        ...

    def pass_over(self, delivery: Delivery) -> None:
        """Settles `delivery`, whose lane goes on already with a later one."""
        ...


class Turns:
    """The events of one workspace that wait to be sent."""

    def __init__(self, limits: BatchLimits, policy: DeliveryPolicy, most_ahead: int, aside: Aside) -> None:
        self._limits = limits
        self._policy = policy
        self._most_ahead = most_ahead
        self._aside = aside
        self.lanes: Lanes[Delivery] = Lanes()
        self._unpromised: list[Delivery] = []
        self._gathering_since: float | None = None

    @property
    def unpromised(self) -> dict[Partition, list[int]]:
        """The offsets of the events that may leave after a commit has promised it."""
        offsets: dict[Partition, list[int]] = {}
        for delivery in self._unpromised:
            record = delivery.event.record
            offsets.setdefault(Partition(record.topic, record.partition), []).append(record.offset)
        return offsets

    @property
    def gathers(self) -> bool:
        """Whether events could leave, and a batch waits for more: for how long depends on the pace, which changes."""
        return self._gathering_since is not None

    def promised(self) -> None:
        """A commit was acknowledged: what waited for it is looked at again."""
        unpromised, self._unpromised = self._unpromised, []
        for delivery in unpromised:
            self.lanes.put_back(delivery, 0.0)

    def renew(self) -> None:
        """Ends the epoch: what waits is dropped. What was taken goes on in lanes that nobody looks at any more."""
        self.lanes, self._unpromised = Lanes(), []

    def next_time(self) -> float | None:
        """When some head's time comes; None if there is none, or if a commit must come first."""
        return None if len(self._unpromised) >= self._most_ahead else self.lanes.next_time()

    def look(self, now: float) -> None:
        """Notes since when a batch gathers: what comes back at a time of its own waits for no others."""
        if self.lanes.ready == 0:
            self._gathering_since = None
        elif self._gathering_since is None:
            self._gathering_since = now

    def gathered_at(self, pace: Pace) -> float:
        """When the batch that gathers need not wait for more; at once if it is full, or if none gathers."""
        if self._gathering_since is None:
            return 0.0
        if self.lanes.ready >= self._limits.items:
            return self._gathering_since
        return self._gathering_since + self._limits.gathering_seconds(pace.spent, pace.interval)

    def take(self, now: float, wall: float, most: float) -> list[Delivery]:
        """The next batch: one look-up, or as many heads as one request carries, `most` of them at most.

        `wall` is the same time in Unix seconds: what has become too old is settled instead.
        """
        batch: list[Delivery] = []
        ids: set[str] = set()
        size, most, gathering_since = 0, min(most, self._limits.items), None
        while len(batch) < most and (head := self._next_head(now)) is not None:
            most = min(most, head.most_together)
            is_too_much = len(batch) >= most or not self._limits.fits(size, len(head.event.body))
            if batch and (head.in_doubt or is_too_much or head.event.id in ids):
                gathering_since = -math.inf
                break
            self.lanes.take(now)
            if (outcome := head.too_old(wall, self._policy)) is not None:
                self._aside.end(head, outcome)
                continue
            batch.append(head)
            size += len(head.event.body)
            if head.event.id:
                ids.add(head.event.id)
            if head.in_doubt:
                break
        if batch:
            self._gathering_since = gathering_since
        return batch

    def set_aside(self, now: float) -> None:
        """Takes away the heads whose turn it is and that may not leave yet, until one is found that may."""
        while len(self._unpromised) < self._most_ahead and (head := self.lanes.peek(now)) is not None:
            if self._policy.latest_only and self.lanes.has_later(head):
                self.lanes.take(now)
                self.lanes.finish(head)
                self._aside.pass_over(head)
            elif self._aside.takes(head):
                self.lanes.take(now)
                self._aside.prepare(head)
            elif not head.may_leave:
                self.lanes.take(now)
                self._unpromised.append(head)
                self._aside.promise()
            elif head.not_before > now:
                self.lanes.take(now)
                self.lanes.put_back(head, head.not_before)
            else:
                return

    def _next_head(self, now: float) -> Delivery | None:
        """The head whose turn it is, left where it is; None if there is none that may leave."""
        self.set_aside(now)
        head = self.lanes.peek(now)
        return head if head is not None and head.may_leave and not self._aside.takes(head) else None
