"""Reading whole topics without a group: for whoever looks at what is there, and commits nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from connector.errors import KafkaUnavailable
from connector.kafka.connection import connected, stopped
from connector.kafka.fetch import record_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.kafka.connection import KafkaConnection
    from connector.types import Record

_STOP_SECONDS = 5.0


async def read_topic(connection: KafkaConnection, topic: str, *, seconds: float) -> AsyncIterator[Record]:
    """The records that `topic` holds now, partition by partition in order, within `seconds`.

    Raises KafkaUnavailable if they cannot be read to their end by then.
    """
    consumer = await connected(
        lambda: AIOKafkaConsumer(
            topic, **connection.arguments(), auto_offset_reset="earliest", isolation_level="read_committed"
        ),
        AIOKafkaConsumer.stop,
        f"reading {topic}",
    )
    try:
        async with asyncio.timeout(seconds):
            async for record in _all_of(consumer):
                yield record
    except (KafkaError, TimeoutError) as error:
        raise KafkaUnavailable(f"reading {topic}: {type(error).__name__}") from error
    finally:
        await stopped(consumer.stop(), _STOP_SECONDS)


async def _all_of(consumer: AIOKafkaConsumer) -> AsyncIterator[Record]:
    partitions = sorted(consumer.assignment())  # without a group, that is all of the topic
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            for found in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
                if found.offset < ends[partition]:
                    yield record_of(found)
