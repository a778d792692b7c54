"""aiolimiter: `AsyncLimiter(requests, seconds)`; both are the last two words of the command line."""

from __future__ import annotations

import asyncio
import sys

from aiolimiter import AsyncLimiter

from rivals.forward import Route, forward

if __name__ == "__main__":
    asyncio.run(forward(Route.given(), AsyncLimiter(float(sys.argv[-2]), float(sys.argv[-1])).acquire))
