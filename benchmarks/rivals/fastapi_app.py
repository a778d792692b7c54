"""FastAPI and FastStream, on uvicorn with uvloop and httptools: as their documents have such a thing written.

The token is checked, the body is JSON, the event has the video's id for its key and is acknowledged before the answer.
"""

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from faststream.kafka import KafkaBroker

from rivals.way import BATCH_BYTES, Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Given = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
Video = Annotated[dict[str, Any], Body()]


def listener(way: Way) -> FastAPI:
    """The application, with a broker for as long as it runs."""
    broker = KafkaBroker(way.bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES)

    @asynccontextmanager
    async def connected(_app: FastAPI) -> AsyncIterator[None]:
        async with broker:
            await broker.start()
            yield

    async def check(given: Given) -> None:
        if not hmac.compare_digest(given.credentials.encode(), way.token.encode()):
            raise HTTPException(401)

    app = FastAPI(lifespan=connected)

    @app.post("/callbacks/{workspace}", dependencies=[Depends(check)])
    async def take(video: Video) -> None:
        await broker.publish(video, way.topic, key=str(video["id"]).encode())

    return app


if __name__ == "__main__":
    given = Way.given()
    uvicorn.run(
        listener(given),
        port=given.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
