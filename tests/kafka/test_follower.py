"""Following topics on a real broker: from a time on, in step, to the ends and beyond them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from connector.errors import ConsumerStalled, KafkaUnavailable, TopicsMissing
from connector.kafka import follower as follower_module
from connector.kafka.connection import KafkaConnection
from connector.kafka.follower import Follower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from connector.sandbox.kafka import LocalKafka
    from connector.types import Record

NOW_MS = int(time.time() * 1000)
MINUTE_MS = 60_000


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create(bootstrap: str, *topics: str, partitions: int = 1) -> None:
    async with administration(bootstrap) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics])


async def write(bootstrap: str, topic: str, *times_ms: int) -> None:
    """A record for each time, which is also its value."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=1000)
    await producer.start()
    try:
        for each in times_ms:
            await producer.send(topic, str(each).encode(), partition=0, timestamp_ms=each)
    finally:
        await producer.stop()


@asynccontextmanager
async def following(bootstrap: str, topics: Sequence[str], since_ms: int = 0) -> AsyncIterator[Follower]:
    follower = Follower(KafkaConnection(bootstrap), topics)
    try:
        await follower.start(since_ms / 1000)
        yield follower
    finally:
        await follower.stop()


async def read(follower: Follower) -> list[Record]:
    """Everything up to the ends that are aimed at."""
    found = []
    while not await follower.arrived():
        found += await follower.poll(0.2)
    return found


async def aim_often(follower: Follower) -> None:
    """Until it is told something else than that Kafka does not answer; each time asks for the metadata anew."""
    for _ in range(10):
        with suppress(KafkaUnavailable):
            await follower.aim()


def times(records: Sequence[Record]) -> list[int]:
    return [record.timestamp_ms for record in records]


async def test_it_reads_from_a_time_on_and_follows_the_ends(kafka: str, prefix: str) -> None:
    outcomes, videos = f"{prefix}outcomes", f"{prefix}videos"
    await create(kafka, outcomes, videos)
    await write(kafka, outcomes, NOW_MS - 2000, NOW_MS - 1000, NOW_MS)
    await write(kafka, videos, NOW_MS - 3000)  # nothing of it is young enough
    async with following(kafka, [outcomes, videos], NOW_MS - 1000) as follower:
        assert times(await read(follower)) == [NOW_MS - 1000, NOW_MS]
        await write(kafka, videos, NOW_MS + 1)
        assert await follower.arrived()  # as far as it has aimed
        await follower.aim()
        assert not await follower.arrived()
        (record,) = await read(follower)
        assert (record.topic, record.value) == (videos, str(NOW_MS + 1).encode())


async def test_empty_topics_are_read_to_their_ends_at_once(kafka: str, prefix: str) -> None:
    await create(kafka, f"{prefix}a", f"{prefix}b", partitions=3)
    async with following(kafka, [f"{prefix}a", f"{prefix}b"]) as follower:
        assert await follower.arrived()
        assert await follower.poll(0.1) == []


@pytest.mark.parametrize("answer", ["offsets_for_times", "end_offsets"])
async def test_regression_what_is_written_while_it_starts_is_read(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    topic = f"{prefix}new"
    await create(kafka, topic)
    original = getattr(AIOKafkaConsumer, answer)

    async def answers_and_then_somebody_writes(self: AIOKafkaConsumer, *about: Any) -> Any:
        found = await original(self, *about)
        await write(kafka, topic, NOW_MS)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(AIOKafkaConsumer, answer, answers_and_then_somebody_writes)
        async with following(kafka, [topic], NOW_MS - 1000) as follower:
            patch.undo()
            await follower.aim()
            assert times(await read(follower)) == [NOW_MS]


async def test_while_it_is_behind_no_partition_is_read_far_ahead_of_another(kafka: str, prefix: str) -> None:
    topics = [f"{prefix}a", f"{prefix}b"]
    await create(kafka, *topics)
    start = NOW_MS - 1300 * MINUTE_MS
    for topic in topics:
        await write(kafka, topic, *(start + minute * MINUTE_MS for minute in range(1200)))
    async with following(kafka, topics) as follower:
        read_to = dict.fromkeys(topics, start)
        polls = []
        while not await follower.arrived():
            polls.append(await follower.poll(1.0))
            for record in polls[-1]:
                read_to[record.topic] = record.timestamp_ms
            # By a minute, and by what the last poll gave.
            assert abs(read_to[topics[0]] - read_to[topics[1]]) <= 501 * MINUTE_MS
    assert sum(map(len, polls)) == 2400
    assert max(map(len, polls)) == 500


async def test_a_topic_that_is_missing_is_named(kafka: str, prefix: str) -> None:
    await create(kafka, f"{prefix}there")
    with pytest.raises(TopicsMissing, match=f"{prefix}missing"):
        async with following(kafka, [f"{prefix}there", f"{prefix}missing"]):
            pass


async def test_partitions_that_are_added_are_said_so_that_reading_can_begin_anew(
    kafka: str, prefix: str
) -> None:
    topic = f"{prefix}grows"
    await create(kafka, topic)
    async with following(kafka, [topic]) as follower:
        await follower.aim()
        async with administration(kafka) as admin:
            await admin.create_partitions({topic: NewPartitions(2)})
        assert follower._consumer is not None
        await follower._consumer._client.force_metadata_update()  # else it comes within five minutes
        with pytest.raises(ConsumerStalled, match="other partitions"):
            await follower.aim()


async def test_regression_partitions_that_are_gone_are_said_so_that_reading_can_begin_anew(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "_CALL_SECONDS", 1.0)
    topic = f"{prefix}shrinks"
    await create(kafka, topic, partitions=2)
    async with following(kafka, [topic]) as follower, administration(kafka) as admin:
        await follower.aim()
        await admin.delete_topics([topic])
        for _ in range(200):
            if topic not in await admin.list_topics():
                break
            await asyncio.sleep(0.05)
        await create(kafka, topic)
        with pytest.raises(ConsumerStalled, match="other partitions"):
            await aim_often(follower)


async def test_regression_after_an_outage_it_is_not_taken_for_stalled_because_it_heard_nothing_meanwhile(
    own_kafka: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "STALLED_SECONDS", 3.0)
    bootstrap = own_kafka.bootstrap_servers
    await create(bootstrap, f"{prefix}a")
    async with following(bootstrap, [f"{prefix}a"]) as follower:
        await own_kafka.stop()
        with pytest.raises(KafkaUnavailable):
            await follower.aim()  # takes longer than that
        await own_kafka.start()
        await write(bootstrap, f"{prefix}a", NOW_MS)
        await follower.aim()
        assert not await follower.arrived()
        assert times(await read(follower)) == [NOW_MS]


async def test_while_the_broker_is_away_nothing_is_read_and_afterwards_it_goes_on(
    own_kafka: LocalKafka, prefix: str
) -> None:
    bootstrap = own_kafka.bootstrap_servers
    await create(bootstrap, f"{prefix}a")
    await write(bootstrap, f"{prefix}a", NOW_MS)
    async with following(bootstrap, [f"{prefix}a"]) as follower:
        assert len(await read(follower)) == 1
        await own_kafka.stop()
        assert await follower.poll(0.5) == []
        with pytest.raises(KafkaUnavailable):
            await follower.aim()
        await own_kafka.start()
        await write(bootstrap, f"{prefix}a", NOW_MS + 1)
        found: list[Record] = []
        deadline = time.monotonic() + 60
        while not found and time.monotonic() < deadline:
            found += await follower.poll(0.5)
        assert times(found) == [NOW_MS + 1]
