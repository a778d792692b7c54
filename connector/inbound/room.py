"""How many calls are under way, by workspace: none can close the door to another's callbacks."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Room:
    """Counts calls whose body is read or published; at most `max_in_flight` of a workspace."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._in_flight: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """The calls under way, of all workspaces."""
        return self._in_flight.total()

    def has_room(self, workspace: str) -> bool:
        """Whether one more call of `workspace` may begin."""
        return self._in_flight[workspace] < self._max_in_flight

    @contextmanager
    def taken(self, workspace: str) -> Iterator[None]:
        """One call, under way."""
        self._in_flight[workspace] += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight[workspace] -= 1
            if not self._in_flight.total():
                self._idle.set()

    async def emptied(self) -> None:
        """Returns when no call is under way."""
        await self._idle.wait()
