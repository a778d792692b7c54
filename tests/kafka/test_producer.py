"""A producer that broke is replaced: what it had not acknowledged fails, can be published again, and is there once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from connector.errors import KafkaUnavailable, PublishRefused
from connector.kafka.connection import KafkaConnection
from connector.kafka.reader import read_topic
from connector.kafka.sink import KafkaSink
from connector.kafka.topics import NewTopics, administration, prepare_topics
from connector.types import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def topic(prefix: str) -> str:
    """The topic of one partition that the sink writes to."""
    return f"{prefix}published"


@pytest.fixture
async def sink(kafka: str, topic: str) -> AsyncIterator[KafkaSink]:
    """A sink that has published `before`, so that its producer has a sequence to lose."""
    limits = await prepare_topics(KafkaConnection(kafka), [topic], NewTopics(1, -1))
    sink = KafkaSink(KafkaConnection(kafka), limits, wait_seconds=10, name="test")
    await sink.start()
    await sink.publish(topic, Message(b"k", b"before"))
    yield sink
    await sink.stop(5)


async def values(bootstrap: str, topic: str) -> list[bytes]:
    return [record.value or b"" async for record in read_topic(KafkaConnection(bootstrap), topic, seconds=20)]


async def test_after_a_record_that_the_broker_rejects_the_next_is_published(
    kafka: str, topic: str, sink: KafkaSink
) -> None:
    async with administration(KafkaConnection(kafka), "lowering a limit") as admin:
        lower = {"max.message.bytes": "1000"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, lower)])
    with pytest.raises(PublishRefused):  # the sink still believes in the limit that it was started with
        await sink.publish(topic, Message(b"k", b"x" * 5000))
    await asyncio.gather(*(sink.publish(topic, Message(b"k", b"after-%d" % number)) for number in range(3)))
    assert await values(kafka, topic) == [b"before", b"after-0", b"after-1", b"after-2"]


async def test_what_a_producer_with_a_lost_sequence_had_not_published_is_published_by_the_next(
    kafka: str, topic: str, sink: KafkaSink
) -> None:
    broken = sink._producer
    assert broken is not None
    broken._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 5)
    messages = [Message(b"k", b"%02d" % number) for number in range(20)]
    failed = await asyncio.gather(*(sink.publish(topic, each) for each in messages), return_exceptions=True)
    assert {type(each) for each in failed} == {KafkaUnavailable}
    await asyncio.gather(*(sink.publish(topic, each) for each in messages))
    assert sink._producer is not broken
    found = await values(kafka, topic)  # what is published at the same time has no order
    assert sorted(found) == [*(each.value for each in messages), b"before"]
