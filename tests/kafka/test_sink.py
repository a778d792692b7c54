"""Publishing on a real broker: what is acknowledged is there, what is not can be published again, nothing hangs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from connector.errors import KafkaUnavailable, PublishRefused
from connector.kafka.connection import KafkaConnection
from connector.kafka.reader import read_topic
from connector.kafka.sink import KafkaSink
from connector.kafka.topics import NewTopics, prepare_topics
from connector.types import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.sandbox.kafka import LocalKafka


@asynccontextmanager
async def sink_of(bootstrap: str, topic: str, wait_seconds: float = 10) -> AsyncIterator[KafkaSink]:
    connection = KafkaConnection(bootstrap)
    limits = await prepare_topics(connection, [topic], NewTopics(1, -1))
    sink = KafkaSink(connection, limits, wait_seconds=wait_seconds, name="test")
    await sink.start()
    try:
        yield sink
    finally:
        await sink.stop(5)


async def values(bootstrap: str, topic: str) -> list[bytes | None]:
    return [record.value async for record in read_topic(KafkaConnection(bootstrap), topic, seconds=20)]


async def test_what_is_published_is_in_the_topic_in_order_with_its_headers(kafka: str, prefix: str) -> None:
    topic = f"{prefix}published"
    async with sink_of(kafka, topic) as sink:
        for number in range(5):
            await sink.publish(topic, Message(b"k", b"%d" % number, (("one", b"1"), ("none", None))))
    records = [record async for record in read_topic(KafkaConnection(kafka), topic, seconds=20)]
    assert [record.value for record in records] == [b"0", b"1", b"2", b"3", b"4"]
    assert {record.headers for record in records} == {(("one", b"1"), ("none", None))}


async def test_what_is_too_large_for_its_topic_is_refused_unsent_and_the_next_is_published(
    kafka: str, prefix: str
) -> None:
    topic = f"{prefix}large"
    async with sink_of(kafka, topic) as sink:
        with pytest.raises(PublishRefused):
            await sink.publish(topic, Message(b"k", b"x" * 1_100_000))
        await sink.publish(topic, Message(b"k", b"x" * 1_000_000))
        await sink.publish(topic, Message(b"k", b"small"))
    assert [len(value or b"") for value in await values(kafka, topic)] == [1_000_000, 5]


async def test_a_message_of_exactly_the_estimated_limit_is_taken_by_the_broker(
    kafka: str, prefix: str
) -> None:
    topic = f"{prefix}limit"
    (limit,) = (await prepare_topics(KafkaConnection(kafka), [topic], NewTopics(1, -1))).values()
    headers = tuple((f"header-{number}", b"x" * number) for number in range(100))
    room = limit - Message(b"key", b"", headers).size
    async with sink_of(kafka, topic) as sink:
        await sink.publish(topic, Message(b"key", b"x" * room, headers))
    assert [len(value or b"") for value in await values(kafka, topic)] == [room]


async def test_a_message_that_was_not_acknowledged_in_time_is_joined_and_not_sent_twice(
    own_kafka: LocalKafka, prefix: str
) -> None:
    topic, message = f"{prefix}joined", Message(b"k", b"once")
    async with sink_of(own_kafka.bootstrap_servers, topic, wait_seconds=1) as sink:
        await sink.publish(topic, Message(b"k", b"before"))
        await own_kafka.stop()
        for _ in range(3):
            with pytest.raises(KafkaUnavailable):
                await sink.publish(topic, message)
        await own_kafka.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    await sink.publish(topic, message)
                except KafkaUnavailable:
                    continue
                break
    assert await values(own_kafka.bootstrap_servers, topic) == [b"before", b"once"]


async def test_a_stopped_sink_publishes_nothing(kafka: str, prefix: str) -> None:
    topic = f"{prefix}stopped"
    async with sink_of(kafka, topic) as sink:
        await sink.stop(5)
        with pytest.raises(KafkaUnavailable):
            await sink.publish(topic, Message(b"k", b"v"))


async def test_missing_topics_are_left_out_where_none_may_be_made(kafka: str, prefix: str) -> None:
    assert await prepare_topics(KafkaConnection(kafka), [f"{prefix}b", f"{prefix}a"], None) == {}


async def test_a_topic_s_own_limit_is_read(kafka: str, prefix: str) -> None:
    limits = await prepare_topics(KafkaConnection(kafka), [f"{prefix}made"], NewTopics(2, -1))
    assert limits == {f"{prefix}made": 1_048_588}
    again = await prepare_topics(KafkaConnection(kafka), [f"{prefix}made"], None)
    assert again == limits
