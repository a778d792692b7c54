"""The floor: aiohttp and aiokafka, and nothing but what publishes a body and waits for its acknowledgement.

No token is checked, the body is not looked at, and there is no log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer

from rivals.way import BATCH_BYTES, Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def listener(way: Way) -> web.Application:
    """The application, with a producer for as long as it runs."""
    producer = web.AppKey("producer", AIOKafkaProducer)

    async def connected(app: web.Application) -> AsyncIterator[None]:
        async with AIOKafkaProducer(
            bootstrap_servers=way.bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
        ) as app[producer]:
            yield

    async def take(request: web.Request) -> web.Response:
        await request.app[producer].send_and_wait(way.topic, await request.read())
        return web.Response()

    app = web.Application()
    app.cleanup_ctx.append(connected)
    app.router.add_post("/callbacks/{workspace}", take)
    return app


if __name__ == "__main__":
    given = Way.given()
    web.run_app(
        listener(given), host="127.0.0.1", port=given.port, access_log=None, loop=uvloop.new_event_loop()
    )
