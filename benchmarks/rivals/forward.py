"""The loop that a user would write around any limiter: aiokafka reads, aiohttp posts, at least once.

As many requests as there is room for are in flight, each takes its turn at the limiter, and so does each repetition after
a 429. The offset below which all is done is committed every few seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiokafka.structs import ConsumerRecord

WINDOW_SECONDS = 10.0
COMMIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Route:
    """Where the events come from and go to."""

    bootstrap: str
    topic: str
    url: str
    token: str
    in_flight: int

    @classmethod
    def given(cls) -> Self:
        """As the command line says: broker, topic, URL of SEEN's data, requests in flight. The token is in SEEN_TOKEN."""
        bootstrap, topic, url, in_flight = sys.argv[1:5]
        return cls(bootstrap, topic, url, os.environ["SEEN_TOKEN"], int(in_flight))

    def consumer(self) -> AIOKafkaConsumer:
        """A consumer of the topic, which commits nothing by itself."""
        return AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self.bootstrap,
            group_id=self.topic,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    def session(self) -> aiohttp.ClientSession:
        """A session for SEEN."""
        return aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.token}"})


async def forward(route: Route, limiter: Callable[[], Awaitable[object]]) -> None:
    """Forwards until it is killed. Each request waits for `limiter()` first."""
    consumer = route.consumer()
    room = asyncio.Semaphore(route.in_flight)
    unfinished: defaultdict[TopicPartition, set[int]] = defaultdict(set)
    behind: dict[TopicPartition, int] = {}

    async def handle(partition: TopicPartition, record: ConsumerRecord[Any, Any]) -> None:
        await post(session, route.url, record.value or b"", limiter)
        unfinished[partition].discard(record.offset)
        room.release()

    async def commit() -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            if behind:
                await consumer.commit({each: min(unfinished[each], default=behind[each]) for each in behind})

    await consumer.start()
    async with route.session() as session, asyncio.TaskGroup() as group:
        group.create_task(commit())
        async for record in consumer:
            await room.acquire()
            partition = TopicPartition(record.topic, record.partition)
            unfinished[partition].add(record.offset)
            behind[partition] = record.offset + 1
            group.create_task(handle(partition, record))


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, limiter: Callable[[], Awaitable[object]]
) -> None:
    """Posts until it is accepted; after a 429, as long later as the server says, or a window."""
    while True:
        await limiter()
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
            await answer.read()
        if answer.status != 429:
            answer.raise_for_status()
            return
        await asyncio.sleep(float(answer.headers.get("Retry-After", WINDOW_SECONDS)))
