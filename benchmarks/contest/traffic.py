"""The events: flat objects with an id, each with another key, so that none waits for another."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from bench import PARTITIONS
from connector.kafka.topics import administration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from connector.kafka.connection import KafkaConnection

_ACKNOWLEDGED_SECONDS = 60.0


class Writer:
    """Writes events into the topics of contestants."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def write(self, key: str, ids: Iterable[str]) -> dict[str, float]:
        """Writes an event for each of `ids`, at once; id → when the broker appended it, in Unix seconds.

        Raises TimeoutError if they are not acknowledged within a minute.
        """
        async with asyncio.timeout(_ACKNOWLEDGED_SECONDS):
            sent = {
                each: await self._producer.send(f"{key}.events", _event(each), each.encode()) for each in ids
            }
            return {each: (await appended).timestamp / 1000 for each, appended in sent.items()}


def _event(event_id: str) -> bytes:
    return orjson.dumps({"id": event_id, "first_name": "Ada", "email": f"ada.{event_id}@example.com"})


@asynccontextmanager
async def writer(connection: KafkaConnection, keys: Iterable[str]) -> AsyncIterator[Writer]:
    """Makes the topics, in which the broker stamps each record when it is appended, and a writer for them."""
    stamped = {"message.timestamp.type": "LogAppendTime"}
    topics = [NewTopic(f"{key}.events", PARTITIONS, 1, topic_configs=stamped) for key in keys]
    async with administration(connection, "making the topics") as admin:
        await admin.create_topics(topics)
    producer = AIOKafkaProducer(**connection.arguments(), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield Writer(producer)
    finally:
        await producer.stop()
