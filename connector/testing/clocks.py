"""Clocks that a test holds in its hand; both are a `connector.clock.Clock`."""

from __future__ import annotations

import asyncio
import itertools

_START = 1_800_000_000.0
"""In Unix seconds; any time would do that is not the real one."""


class FakeClock:
    """A clock that stands still: for what reads the time and never sleeps."""

    def __init__(self, wall: float = _START, monotonic: float = 0.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        """Unix time in seconds."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds since the clock's own zero."""
        return self._monotonic


class VirtualClock:
    """The running loop's clock, the wall clock too: where the loop's time is virtual, both pass at its pace.

    From then on the loop's time moves by a nanosecond at each reading, as real time does: on a time that stands still
    between two events, a wait that is too short for a float to show would never end.
    """

    def __init__(self, start: float = _START) -> None:
        """`start` is the Unix time at the loop's zero. Must be made inside a running loop, one of asyncio's own."""
        self._start = start
        loop, readings = asyncio.get_running_loop(), itertools.count()
        still = loop.time
        loop.time = lambda: still() + next(readings) * 1e-9  # type: ignore[method-assign]

    def wall(self) -> float:
        """Unix time in seconds, as the loop has it. Raises RuntimeError outside a loop."""
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        """The loop's seconds. Raises RuntimeError outside a loop."""
        return asyncio.get_running_loop().time()
