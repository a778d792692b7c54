"""Writing records into a topic as they are, for whoever feeds one: key, value, both or neither."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connector.errors import KafkaUnavailable
from connector.kafka.connection import connected, stopped
from connector.kafka.topics import DEFAULT_MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.kafka.connection import KafkaConnection
    from connector.types import Message

_STOP_SECONDS = 5.0


async def write_records(
    connection: KafkaConnection, topic: str, messages: Sequence[Message], *, seconds: float
) -> list[str]:
    """Writes `messages` in order, by key to the partitions of `topic`; returns the origin of each.

    Raises KafkaUnavailable if Kafka has not acknowledged them all within `seconds`: some may be there.
    """
    producer = await connected(
        lambda: AIOKafkaProducer(
            **connection.arguments(),
            acks="all",
            enable_idempotence=True,
            max_request_size=DEFAULT_MAX_MESSAGE_BYTES,
        ),
        AIOKafkaProducer.stop,
        f"writing to {topic}",
    )
    try:
        async with asyncio.timeout(seconds):
            sent = [await _send(producer, topic, message) for message in messages]
            written = await asyncio.gather(*sent)
    except (KafkaError, TimeoutError) as error:
        raise KafkaUnavailable(f"writing to {topic}: {type(error).__name__}") from error
    finally:
        await stopped(producer.stop(), _STOP_SECONDS)
    return [f"{each.topic}/{each.partition}/{each.offset}" for each in written]


async def _send(producer: AIOKafkaProducer, topic: str, message: Message) -> asyncio.Future[Any]:
    headers = list(message.headers)
    acknowledged: asyncio.Future[Any]
    if message.key is None and message.value is None:  # `send` asserts one of the two; Kafka needs neither
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=None, headers=headers)
        acknowledged = await producer.send_batch(batch, topic, partition=0)
    else:
        acknowledged = await producer.send(topic, key=message.key, value=message.value, headers=headers)
    return acknowledged
