"""Writes the events when they are due, each into its partition, and waits for the broker's word for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from aiokafka import AIOKafkaProducer

from reliability.stage import topic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.kafka.connection import KafkaConnection
    from reliability.events import DueEvent

Ends = dict[tuple[str, int], int]
"""Workspace and partition → the offset after the last record."""

_ACKNOWLEDGED_SECONDS = 60.0


async def write(connection: KafkaConnection, events: Sequence[DueEvent], began: float) -> Ends:
    """Writes all of `events`, at their times from `began` in the event loop's seconds; a broker that is away delays them.

    Raises TimeoutError if they are not acknowledged a minute after the last.
    """
    producer = AIOKafkaProducer(
        **connection.arguments(), acks="all", enable_idempotence=True, max_batch_size=1_048_576
    )
    await producer.start()
    try:
        acknowledgements = []
        for event in events:
            await asyncio.sleep(began + event.at - asyncio.get_running_loop().time())
            key = None if event.key is None else event.key.encode()
            acknowledgements.append(
                await producer.send(
                    topic(event.workspace, "events"),
                    orjson.dumps(event.values),
                    key=key,
                    partition=event.partition,
                )
            )
        async with asyncio.timeout(_ACKNOWLEDGED_SECONDS):
            written = await asyncio.gather(*acknowledgements)
    finally:
        await producer.stop()
    ends: Ends = {}
    for event, each in zip(events, written, strict=True):
        where = event.workspace, event.partition
        ends[where] = max(ends.get(where, 0), each.offset + 1)
    return ends
