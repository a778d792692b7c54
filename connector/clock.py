"""Time as a value: whoever needs it is given a clock, and pure modules are given `now`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of the same time, both in seconds."""

    def wall(self) -> float:
        """Unix time: for what people and other systems read."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards: for durations, deadlines and the quota."""
        ...


class SystemClock:
    """The system's clock, and not the event loop's: uvloop's stands still within a turn, and the quota must not gain by
    that.
    """

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment before the process began."""
        return time.monotonic()
