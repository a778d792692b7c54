"""Whose turn it is: requests that wait for a slot, by priority.

Rules:
 1. Within a priority, first come, first served.
 2. A higher priority goes first: the lower ones get what it leaves.
 3. But of any 50 slots in a row during which a priority has somebody waiting, at least one is its own (2 %), so nothing
    waits for ever behind a backlog.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from connector.types import Priority

_ONE_IN = 50

Place = TypeVar("Place")


class Line(Generic[Place]):
    """Places in line, each there once. Every operation takes constant time."""

    def __init__(self) -> None:
        self._places: dict[Priority, OrderedDict[Place, None]] = {each: OrderedDict() for each in Priority}
        self._passed_over = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def waiting(self, priority: Priority) -> int:
        """How many of this priority wait."""
        return len(self._places[priority])

    def join(self, place: Place, priority: Priority) -> None:
        """Puts `place` behind all others of its priority."""
        self._places[priority][place] = None

    def leave(self, place: Place) -> None:
        """Takes `place` out, wherever it stands; nothing if it does not."""
        for places in self._places.values():
            places.pop(place, None)

    def first(self) -> Place:
        """The place that has waited longest among those of the highest priority, left where it is. Raises IndexError."""
        for places in self._places.values():
            if places:
                return next(iter(places))
        raise IndexError("nobody waits")

    def serve(self) -> Place:
        """Takes out the place whose turn it is. Raises IndexError if nobody waits."""
        waiting = [priority for priority in Priority if self._places[priority]]
        if not waiting:
            raise IndexError("nobody waits")
        due = [each for each in waiting if self._passed_over[each] >= _ONE_IN - len(waiting)]
        chosen = (due or waiting)[0]
        for each in Priority:
            self._passed_over[each] = (
                0 if each is chosen or each not in waiting else self._passed_over[each] + 1
            )
        place, _ = self._places[chosen].popitem(last=False)
        return place
