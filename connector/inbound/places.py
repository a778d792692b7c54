"""Which connections may stay where there are not places for all. Pure: time comes in, connections are opaque.

A connection stays while a call on it is made durable. All others are there on sufferance: they wait for the head of a
request, or ask, with a request that is not whole or has proved nothing. Where a newcomer finds no place, one of these goes:

- of the address that holds most of them, if that is more than an eighth of all places: who opens many closes its own;
- else of the address of which nothing was heard for longest: SEEN calls from few addresses, and may have more connections
  than each of those that only hold theirs open;
- of that address, one that waits before one that asks, the oldest first.

So a newcomer is turned away only where calls that are made durable take every place. What a step costs does not depend on
how many connections there are.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

C = TypeVar("C", bound="Hashable")


class _Holder(Generic[C]):
    """An address: all that it holds, and what of that is there on sufferance, the oldest first."""

    __slots__ = ("address", "asking", "connections", "waiting")

    def __init__(self, address: str | None) -> None:
        self.address = address
        self.connections = 0
        self.waiting: OrderedDict[C, None] = OrderedDict()
        self.asking: OrderedDict[C, None] = OrderedDict()

    @property
    def on_sufferance(self) -> int:
        return len(self.waiting) + len(self.asking)

    def first_to_go(self) -> C:
        return next(iter(self.waiting or self.asking))


class Places(Generic[C]):
    """Places for `max_connections`, of them `max_per_address` on sufferance for each address.

    An address of None is a trusted proxy: it has no limit of its own, however many it holds. Times are seconds of one
    clock, which never goes back. A connection that has left, or was sent away, is unknown: to tell of it does nothing.
    """

    def __init__(self, max_connections: int, max_per_address: int, head_seconds: float) -> None:
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._head_seconds = head_seconds
        self._many = max_connections // 8
        self._holder_of: dict[C, _Holder[C]] = {}
        self._holders: dict[str | None, _Holder[C]] = {}
        # Those that hold something on sufferance, by when something was heard of them last; and of them the few with many.
        self._by_silence: OrderedDict[_Holder[C], None] = OrderedDict()
        self._heavy: OrderedDict[_Holder[C], None] = OrderedDict()
        self._heads: dict[C, float] = {}  # heads that are not whole, by when they began

    def __len__(self) -> int:
        return len(self._holder_of)

    def __iter__(self) -> Iterator[C]:
        return iter(self._holder_of)

    def enter(self, connection: C, address: str | None, now: float) -> C | None:
        """Takes a place for a new connection, whose head is due from now on. Returns who has to go for it: nobody, another,
        or `connection` itself where all others stay. Whoever has to go has left.
        """
        leaver: C | None = None
        own = self._holders.get(address)
        if address is not None and own is not None and own.on_sufferance >= self._max_per_address:
            leaver = own.first_to_go()
        elif len(self._holder_of) >= self._max_connections:
            if not self._by_silence:
                return connection
            leaver = self._who_gives_up().first_to_go()
        if leaver is not None:
            self.leave(leaver)
        holder = self._holders.setdefault(address, _Holder(address))
        holder.connections += 1
        self._holder_of[connection] = holder
        self._move(connection, holder, holder.waiting)
        self._heads[connection] = now
        return leaver

    def head_began(self, connection: C, now: float) -> None:
        """The first byte of its next request has come: the head is due."""
        if connection in self._holder_of:
            self._heads.setdefault(connection, now)

    def asks(self, connection: C) -> None:
        """It has sent the whole head of a request."""
        holder = self._holder_of.get(connection)
        if holder is not None:
            self._move(connection, holder, holder.asking)

    def stays(self, connection: C) -> None:
        """Its request is whole, has proved its right, and is made durable: until it is answered it stays."""
        holder = self._holder_of.get(connection)
        if holder is not None:
            self._move(connection, holder, None)

    def waits(self, connection: C) -> None:
        """Its request is answered."""
        holder = self._holder_of.get(connection)
        if holder is not None:
            self._move(connection, holder, holder.waiting)

    def leave(self, connection: C) -> bool:
        """It is closed. Whether it still had a place."""
        holder = self._holder_of.pop(connection, None)
        if holder is None:
            return False
        self._move(connection, holder, None)
        holder.connections -= 1
        if not holder.connections:
            del self._holders[holder.address]
        return True

    def waiting(self) -> list[C]:
        """Those without a request."""
        return [connection for holder in self._by_silence for connection in holder.waiting]

    def overdue(self, now: float) -> list[C]:
        """Those whose head is not whole after all the time that it has, however its bytes came."""
        found = []
        for connection, began in self._heads.items():
            if now - began < self._head_seconds:
                break
            found.append(connection)
        return found

    def _who_gives_up(self) -> _Holder[C]:
        if self._heavy:  # eight at most
            return max(self._heavy, key=lambda holder: holder.on_sufferance)
        return next(iter(self._by_silence))

    def _move(self, connection: C, holder: _Holder[C], to: OrderedDict[C, None] | None) -> None:
        """Something is heard of `connection`: from now on it is in `to`, or stays where that is None."""
        self._heads.pop(connection, None)
        holder.waiting.pop(connection, None)
        holder.asking.pop(connection, None)
        if to is not None:
            to[connection] = None
        held = holder.on_sufferance
        _set_last(self._by_silence, holder, is_in=held > 0)
        _set_last(self._heavy, holder, is_in=held > self._many and holder.address is not None)


def _set_last(holders: OrderedDict[_Holder[C], None], holder: _Holder[C], *, is_in: bool) -> None:
    if is_in:
        holders[holder] = None
        holders.move_to_end(holder)
    else:
        holders.pop(holder, None)
