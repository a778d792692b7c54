"""A fixed window: 100 in each 10 s of the clock, as a counter that begins anew when they are over."""

from __future__ import annotations

import asyncio
import time

from rivals.forward import WINDOW_SECONDS, Route, forward

REQUESTS = 100


class FixedWindow:
    """Lets `REQUESTS` through in each window, and has the others wait for the next."""

    def __init__(self) -> None:
        self._window = 0.0
        self._used = 0

    async def acquire(self) -> None:
        """Waits for its turn."""
        while True:
            now = time.time()
            window = now - now % WINDOW_SECONDS
            if window != self._window:
                self._window, self._used = window, 0
            if self._used < REQUESTS:
                self._used += 1
                return
            await asyncio.sleep(window + WINDOW_SECONDS - now)


if __name__ == "__main__":
    asyncio.run(forward(Route.given(), FixedWindow().acquire))
