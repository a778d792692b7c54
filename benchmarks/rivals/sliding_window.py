"""pyrate-limiter: an exact sliding window of 100 per 10 s, over the times at which requests were let through."""

from __future__ import annotations

import asyncio

from pyrate_limiter import Duration, Limiter, Rate

from rivals.forward import Route, forward

if __name__ == "__main__":
    asyncio.run(forward(Route.given(), Limiter(Rate(100, 10 * Duration.SECOND)).try_acquire_async))
