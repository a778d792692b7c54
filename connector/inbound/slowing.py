"""Answers to wrong secrets come late, so that guessing takes long. Nobody with a right one waits, nor is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from connector.clock import wait_for_event
from connector.inbound.attempts import FailedAttempts, network

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.metrics import Metrics

MAX_WAITING = 256
"""So many answers at most are held back at once: each holds a connection. What is beyond is answered at once."""

MAX_WAITING_OF_AN_ADDRESS = 16
"""And so many of one address, so that the slowing of others does not end with it."""


class Slowing:
    """Counts failed attempts by address, and holds back what answers them."""

    def __init__(self, clock: Clock, metrics: Metrics, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = min(max_waiting, MAX_WAITING)
        self._clock = clock
        self._metrics = metrics
        self._attempts = FailedAttempts()
        self._waiting: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    async def failed(self, address: str) -> None:
        """Counts one failure, and returns when it may be told."""
        seconds = self._attempts.failed(address, self._clock.monotonic())
        who = network(address)
        is_full = (
            self._waiting.total() >= self._max_waiting or self._waiting[who] >= MAX_WAITING_OF_AN_ADDRESS
        )
        if seconds == 0 or is_full or self._stopping.is_set():
            return
        self._metrics.late_refusals.inc()
        self._waiting[who] += 1
        try:
            await wait_for_event(self._stopping, seconds)
        finally:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who]

    def succeeded(self, address: str) -> None:
        """Takes one failure back."""
        self._attempts.succeeded(address, self._clock.monotonic())

    def stop(self) -> None:
        """From now on nothing is held back."""
        self._stopping.set()
