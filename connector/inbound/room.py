"""How much is under way, and whose it is: none can take another's room."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Room:
    """So much of something for each: calls, or bytes."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._taken: Counter[str] = Counter()

    def has_room(self, whose: str, amount: int = 1) -> bool:
        """Whether there is room for so much more."""
        return self._taken[whose] + amount <= self._each

    @contextmanager
    def taken(self, whose: str, amount: int = 1) -> Iterator[None]:
        """Takes so much, for as long as this lasts."""
        self._taken[whose] += amount
        try:
            yield
        finally:
            self._taken[whose] -= amount
            if not self._taken[whose]:
                del self._taken[whose]


class Turns:
    """Places for so many calls of each at once, in the order in which they came."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._of: dict[str, asyncio.Semaphore] = {}

    def of(self, whose: str) -> asyncio.Semaphore:
        """What a call of theirs holds while it has a place."""
        if whose not in self._of:
            self._of[whose] = asyncio.Semaphore(self._each)
        return self._of[whose]


class UnderWay:
    """Counts calls of every kind, from their head to their answer, so that a stop can wait for them."""

    def __init__(self) -> None:
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return self._calls

    @contextmanager
    def one(self) -> Iterator[None]:
        """One call, under way."""
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def ended(self) -> None:
        """Returns when no call is under way."""
        await self._idle.wait()
