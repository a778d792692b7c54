"""FastStream: a subscriber with as many workers as requests may be in flight, and `AsyncLimiter(10, 1)`.

Several workers for one partition are what FastStream has for records that are committed before they are handled: they may
be lost. Batches would not be, but each waits for its slowest record.
"""

from __future__ import annotations

import asyncio

import orjson
from aiolimiter import AsyncLimiter
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker

from rivals.forward import Route, post


async def run(route: Route) -> None:
    """Forwards until it is told to end."""
    broker = KafkaBroker(route.bootstrap)
    limiter = AsyncLimiter(10, 1)

    @broker.subscriber(
        route.topic,
        group_id=route.topic,
        auto_offset_reset="earliest",
        max_workers=route.in_flight,
        ack_policy=AckPolicy.ACK_FIRST,
    )
    async def on_event(event: dict[str, object]) -> None:
        await post(session, route.url, orjson.dumps(event), limiter.acquire)

    async with route.session() as session:
        await FastStream(broker).run()


if __name__ == "__main__":
    asyncio.run(run(Route.given()))
