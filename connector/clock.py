"""Time as a value: whoever needs it is given a clock, and pure modules are given `now`."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol


class Clock(Protocol):
    """Two readings of the same time, both in seconds."""

    def wall(self) -> float:
        """Unix time: for what people and other systems read."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards: for durations, deadlines and the quota."""
        ...


_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The system's clock, and not the event loop's, which may stand still within a turn: the quota must not gain by that.
    Where the system can tell, the time goes on while the machine sleeps: a lease must not outlive that.
    """

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment before the process began."""
        return time.clock_gettime(_SINCE_BOOT)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Waits for `event`, at most so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def done_before(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Waits for `task`, or until `stop`: then it is cancelled, and the answer is False."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    return not task.cancelled()
