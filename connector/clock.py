"""Time as a value: whoever needs it is given a clock, and pure modules are given `now`.

The running loop's own clock is the monotonic one, so that a test can turn it virtual and everything follows.
"""

from __future__ import annotations

import asyncio
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


class LoopClock:
    """The clock of the running event loop."""

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """The running loop's time in seconds; raises RuntimeError outside a loop."""
        return asyncio.get_running_loop().time()
