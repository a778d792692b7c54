"""Reading on a real broker: over rebalances, each record is given to the epoch that owns it, once and in order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from connector.errors import ConsumerStalled, KafkaUnavailable
from connector.kafka import silence
from connector.kafka.assignor import Member
from connector.kafka.connection import KafkaConnection
from connector.kafka.source import KafkaSource, SourceSettings
from connector.kafka.topics import NewTopics, prepare_topics
from connector.kafka.writer import write_records
from connector.types import Commit, Message, Partition
from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from connector.types import Record

DRAIN_SECONDS = 1.5


class Owner:
    """Takes what belongs to its epoch, as the pump does: a record of a partition that it does not own is dropped."""

    def __init__(self) -> None:
        self.source: KafkaSource | None = None
        self.next: dict[Partition, int] = {}
        self.read: list[Record] = []
        self.gaps: list[str] = []
        self.epochs = 0
        self.revocations = 0
        self.elsewhere: Collection[Commit] = ()

    def assigned(self, commits: Mapping[Partition, Commit], elsewhere: Collection[Commit]) -> None:
        self.epochs += 1
        self.elsewhere = elsewhere
        self.next = {each: commit.offset for each, commit in commits.items()}

    async def revoked(self) -> None:
        self.revocations += 1
        await asyncio.sleep(DRAIN_SECONDS)
        ended, self.next = self.next, {}
        if ended and self.source is not None:
            await self.source.commit({each: Commit(offset) for each, offset in ended.items()})

    def moved(self, partition: Partition, position: int, lost: int) -> None:
        raise AssertionError(f"{partition} moved to {position}, {lost} lost")

    async def read_forever(self, source: KafkaSource) -> None:
        self.source = source
        while True:
            for record in await source.poll(list(self.next), 100, 0.5):
                self.take(record)
            await asyncio.sleep(0.01)

    def take(self, record: Record) -> None:
        partition = Partition(record.topic, record.partition)
        if partition not in self.next:
            return
        if record.offset != self.next[partition]:
            self.gaps.append(f"{record.origin} in the place of {self.next[partition]}")
        self.next[partition] = record.offset + 1
        self.read.append(record)


@asynccontextmanager
async def reading(source: KafkaSource, owner: Owner) -> AsyncIterator[None]:
    await source.start(owner)
    task = asyncio.create_task(owner.read_forever(source))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await source.stop(5)


def source_settings(
    group: str, topic: str, start: str = "earliest", *, member: Member | None = None
) -> SourceSettings:
    return SourceSettings(group, {topic: start}, 10.0, member or Member("one", (group,)))


async def produce_until(
    stop: asyncio.Event, connection: KafkaConnection, topic: str, sent: list[str]
) -> None:
    while not stop.is_set():
        origins = await write_records(connection, topic, [Message(None, b"{}")] * 20, seconds=10)
        sent.extend(origins)


async def test_regression_what_a_poll_gives_in_a_rebalance_before_the_new_epoch_begins_is_read_again(
    kafka: str, prefix: str
) -> None:
    connection, topic, group = KafkaConnection(kafka), f"{prefix}events", f"{prefix}group"
    await prepare_topics(connection, [topic], NewTopics(4, -1))
    owner, sent = Owner(), list[str]()
    source = KafkaSource(connection, source_settings(group, topic))
    async with reading(source, owner):
        stop = asyncio.Event()
        producing = asyncio.create_task(produce_until(stop, connection, topic, sent))
        for _ in range(3):
            # It does not have the group in its configuration, so it joins and gets nothing.
            other = KafkaSource(connection, source_settings(group, topic, member=Member("other", ())))
            await other.start(Owner())
            await asyncio.sleep(1)
            await other.stop(5.0)
            await asyncio.sleep(DRAIN_SECONDS + 1)
        stop.set()
        await (
            producing
        )  # not cancelled: aiokafka leaves a connection behind that is cancelled while it is made
        await eventually(lambda: {each.origin for each in owner.read} >= set(sent), "everything is read", 30)
    assert owner.epochs >= 4
    assert owner.gaps == []


async def test_a_poll_in_a_rebalance_hands_over_the_assignment_that_the_rebalance_brings(
    kafka: str, prefix: str
) -> None:
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    await prepare_topics(connection, [topic], NewTopics(1, -1))
    group = f"{prefix}group"
    owner, source = Owner(), KafkaSource(connection, source_settings(group, topic))
    # It does not have the group in its configuration, so it joins and gets nothing.
    other = KafkaSource(connection, source_settings(group, topic, member=Member("other", ())))
    await source.start(owner)
    try:
        while not owner.epochs:
            await source.poll([], 0, 1.0)
        owner.revocations = 0
        joining = asyncio.create_task(other.start(Owner()))
        await eventually(lambda: owner.revocations == 1, "a rebalance has begun", 30)
        assert await source.poll([], 0, 1.0) == []
        assert owner.epochs == 2
        await joining
    finally:
        await other.stop(5)
        await source.stop(5)


@pytest.mark.parametrize(("start", "expected"), [("earliest", [0, 1, 2]), ("latest", [])])
async def test_a_topic_without_a_commit_is_read_from_where_its_source_says(
    kafka: str, prefix: str, start: str, expected: list[int]
) -> None:
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    await prepare_topics(connection, [topic], NewTopics(1, -1))
    await write_records(connection, topic, [Message(None, b"{}")] * 3, seconds=10)
    owner = Owner()
    source = KafkaSource(connection, source_settings(f"{prefix}group", topic, start))
    async with reading(source, owner):
        await eventually(lambda: owner.next.get(Partition(topic, 0)) == 3, "the end is reached", 30)
    assert [record.offset for record in owner.read] == expected


@pytest.mark.parametrize("answer", ["offsets_for_times", "end_offsets"])
async def test_regression_what_is_written_while_a_start_by_time_is_looked_for_is_read(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    await prepare_topics(connection, [topic], NewTopics(1, -1))
    original = getattr(AIOKafkaConsumer, answer)

    async def answers_and_then_somebody_writes(self: AIOKafkaConsumer, *about: Any) -> Any:
        found = await original(self, *about)
        await write_records(connection, topic, [Message(None, b"{}")], seconds=10)
        return found

    owner = Owner()
    source = KafkaSource(connection, source_settings(f"{prefix}group", topic, "1700000000"))
    with monkeypatch.context() as patch:
        patch.setattr(AIOKafkaConsumer, answer, answers_and_then_somebody_writes)
        async with reading(source, owner):
            await eventually(lambda: owner.epochs == 1, "it begins", 30)
            patch.undo()
            await write_records(connection, topic, [Message(None, b"{}")], seconds=10)
            await eventually(lambda: owner.next == {Partition(topic, 0): 2}, "the end is reached", 30)
    assert [record.offset for record in owner.read] == [0, 1]


async def test_regression_a_partition_that_is_added_is_read_from_its_beginning_wherever_the_topic_began(
    kafka: str, prefix: str
) -> None:
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    settings = source_settings(f"{prefix}group", topic, "latest")
    await prepare_topics(connection, [topic], NewTopics(1, -1))
    await write_records(connection, topic, [Message(None, b"{}")] * 3, seconds=10)
    first = Owner()
    source = KafkaSource(connection, settings)
    async with reading(source, first):
        await eventually(lambda: first.next, "the partition is ours", 30)
        await source.commit({each: Commit(offset) for each, offset in first.next.items()})
    assert first.next == {Partition(topic, 0): 3}

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_partitions({topic: NewPartitions(2)})
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for _ in range(5):
        await producer.send_and_wait(topic, b"{}", partition=1)
    await producer.stop()

    second = Owner()
    async with reading(KafkaSource(connection, settings), second):
        await eventually(lambda: len(second.read) == 5, "what came meanwhile is read", 30)
    assert second.gaps == []
    assert {record.partition for record in second.read} == {1}


class NotUtf8(str):
    """A header's name as clients of other languages may write it."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


async def test_a_record_that_cannot_be_decoded_is_handed_out_without_content_and_so_is_the_rest_of_its_batch(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The builder in C takes only names that are UTF-8.
    builder = "aiokafka.producer.message_accumulator.DefaultRecordBatchBuilder"
    monkeypatch.setattr(builder, _DefaultRecordBatchBuilderPy)
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    await prepare_topics(connection, [topic], NewTopics(2, -1))
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for partition, numbers in ((0, range(6)), (0, range(6, 9)), (1, range(6))):
        batch = producer.create_batch()
        for number in numbers:
            name = NotUtf8("name") if (partition, number) == (0, 2) else "name"
            batch.append(key=b"k", value=b"%d" % number, timestamp=None, headers=[(name, b"x")])
        await (await producer.send_batch(batch, topic, partition=partition))
    await producer.stop()
    owner = Owner()
    source = KafkaSource(connection, source_settings(f"{prefix}group", topic))
    async with reading(source, owner):
        await eventually(lambda: len(owner.read) >= 15, "all of both partitions is read", 30)
    assert owner.gaps == []
    assert len(owner.read) == 15
    unreadable = {(each.partition, each.offset) for each in owner.read if each.unreadable}
    assert unreadable == {(0, 2), (0, 3), (0, 4), (0, 5)}  # aiokafka decodes a batch from its start
    assert all(each.value == b"%d" % each.offset for each in owner.read if not each.unreadable)


async def test_regression_a_coordinator_that_is_still_loading_is_not_taken_for_a_group_without_commits(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, topic, group = KafkaConnection(kafka), f"{prefix}events", f"{prefix}group"
    await prepare_topics(connection, [topic], NewTopics(1, -1))
    await write_records(connection, topic, [Message(None, b"{}")] * 3, seconds=10)
    source = KafkaSource(connection, source_settings(group, topic))
    first = Owner()
    async with reading(source, first):
        await eventually(lambda: first.next, "the partition is ours", 30)
        assert await source.commit({Partition(topic, 0): Commit(2, "said")})

    answers: list[dict[str, object]] = [
        {}
    ]  # of a coordinator that loads: no error, and nothing about any partition
    ask = AIOKafkaAdminClient.list_consumer_group_offsets

    async def loading_first(admin: AIOKafkaAdminClient, *args: Any, **options: Any) -> Any:
        return answers.pop() if answers else await ask(admin, *args, **options)

    monkeypatch.setattr(AIOKafkaAdminClient, "list_consumer_group_offsets", loading_first)
    owner, refusals = Owner(), list[str]()
    source = KafkaSource(connection, source_settings(group, topic))
    await source.start(owner)
    async with asyncio.timeout(30):
        while not owner.next:
            try:
                await source.poll([], 0, 0.5)
            except KafkaUnavailable as error:
                refusals.append(str(error))
            await asyncio.sleep(0.01)
    await source.stop(5)
    assert refusals == [f"reading the commits of {group}: no answer for 1 partitions"]
    assert owner.next == {Partition(topic, 0): 2}


async def test_a_consumer_whose_fetching_has_died_is_found_out(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "STALLED_SECONDS", 1.0)
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    await prepare_topics(connection, [topic], NewTopics(2, -1))
    owner = Owner()
    source = KafkaSource(connection, source_settings(f"{prefix}group", topic))
    async with reading(source, owner):
        await eventually(lambda: owner.next, "the partitions are ours", 30)
        await asyncio.sleep(2)
        await source.end_offsets(list(owner.next))  # silent, and there is nothing to read
        fetcher: Any = source._consumer and source._consumer._fetcher
        fetcher._fetch_task.cancel()
        await write_records(connection, topic, [Message(b"k", b"{}")] * 3, seconds=10)
        await eventually(lambda: len(owner.read) == 3, "what was being fetched is read", 30)
        await write_records(connection, topic, [Message(b"k", b"{}")] * 3, seconds=10)
        await asyncio.sleep(2)
        with pytest.raises(ConsumerStalled, match=r"gives nothing from 3 on, and ends at 6"):
            await source.end_offsets(list(owner.next))
        source._silence.forget()
        await source.end_offsets(list(owner.next))  # time counts from now on


async def test_a_consumer_whose_polls_fail_for_ever_is_found_out(
    kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, topic = KafkaConnection(kafka), f"{prefix}events"
    await prepare_topics(connection, [topic], NewTopics(1, -1))
    source = KafkaSource(connection, source_settings(f"{prefix}group", topic))

    async def fails(*_: Any, **__: Any) -> Any:
        raise KafkaError("the coordination has died")

    await source.start(Owner())
    try:
        assert source._consumer is not None
        monkeypatch.setattr(source._consumer, "getmany", fails)
        with pytest.raises(KafkaUnavailable):
            await source.poll([], 0, 0.1)
        await source.end_offsets([])
        monkeypatch.setattr(silence, "STALLED_SECONDS", 0.0)
        with pytest.raises(ConsumerStalled, match="polls fail, although Kafka answers"):
            await source.end_offsets([])
    finally:
        await source.stop(5)


async def test_the_commits_of_topics_that_are_not_read_any_more_are_told_too(kafka: str, prefix: str) -> None:
    """What is spent of the quota stands in them."""
    connection, group = KafkaConnection(kafka), f"{prefix}group"
    before, now = f"{prefix}before", f"{prefix}now"
    await prepare_topics(connection, [before, now], NewTopics(1, -1))
    first, second = Owner(), Owner()
    source = KafkaSource(connection, source_settings(group, before))
    async with reading(source, first):
        await eventually(lambda: first.next, "the partition is ours", 30)
        assert await source.commit({Partition(before, 0): Commit(0, "spent")})
        assert await source.end_offsets([]) == {}, "it answers a standby too"
    async with reading(KafkaSource(connection, source_settings(group, now)), second):
        await eventually(lambda: second.next, "the other topic's partition is ours", 30)
    assert first.elsewhere == []
    assert second.next == {Partition(now, 0): 0}
    assert second.elsewhere == [Commit(0, "spent")]
