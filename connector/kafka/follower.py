"""Following whole topics without a group, from a time on: for whoever derives a state from them, and commits nothing.

Rules:
 1. While it is behind, it reads its partitions in step: none of them more than a minute of records ahead of another, so
    that what belongs together is heard of together, and little must be remembered between.
 2. What it gives at once is bounded.
 3. It goes on where it has read to. What it cannot follow (positions that retention deleted, partitions that came or
    went, a client that hears nothing) it says: then another one must begin.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError, for_code

from connector.errors import ConsumerStalled, KafkaUnavailable, TopicsMissing
from connector.kafka.connection import START_SECONDS, connected, stopped
from connector.kafka.fetch import Fetcher
from connector.kafka.silence import STALLED_SECONDS
from connector.kafka.topics import administration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.kafka.connection import KafkaConnection
    from connector.types import Record

_CALL_SECONDS = 10.0
_STOP_SECONDS = 1.2
_ROOM = 500
_STEP_MS = 60_000


class Follower:
    """Reads topics from a time on. Raises KafkaUnavailable where trying again may help, ConsumerStalled where only another
    follower does.
    """

    def __init__(self, connection: KafkaConnection, topics: Sequence[str]) -> None:
        self._connection = connection
        self._topics = topics
        self._what = f"following {', '.join(topics)}"
        self._consumer: AIOKafkaConsumer | None = None
        self._fetcher: Fetcher | None = None
        self._read_to_ms: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._moved_at = 0.0

    async def start(self, since: float) -> None:
        """Connects; reading begins at the first records that Kafka dates `since` (Unix seconds) or later.

        Raises TopicsMissing, too.
        """
        partitions = await self._partitions()
        consumer = self._consumer = await connected(
            lambda: AIOKafkaConsumer(
                **self._connection.arguments(), auto_offset_reset="none", isolation_level="read_committed"
            ),
            AIOKafkaConsumer.stop,
            self._what,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                # Not a subscription: without a group, that begins anew with all of them whenever a partition is added.
                consumer.assign(partitions)
                # The ends first: where nothing is young enough yet, reading begins there, and misses nothing that comes.
                self._ends = await consumer.end_offsets(partitions)
                found = await consumer.offsets_for_times(dict.fromkeys(partitions, int(since * 1000)))
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"{self._what}: {type(error).__name__}") from error
        self._fetcher = Fetcher(consumer, self._topics[0])
        self._fetcher.begin({each: at.offset if at else self._ends[each] for each, at in found.items()})
        self._read_to_ms = dict.fromkeys(partitions, 0)
        self._moved_at = time.monotonic()

    async def stop(self) -> None:
        """Disconnects."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer.stop(), _STOP_SECONDS)

    async def poll(self, seconds: float) -> list[Record]:
        """The next records, at most 500, within `seconds`; none if there are none."""
        consumer, fetcher = self._started()
        try:
            async with asyncio.timeout(_CALL_SECONDS + seconds):
                found = await fetcher.fetch(await self._wanted(consumer), _ROOM, seconds)
        except OffsetOutOfRangeError as error:
            raise ConsumerStalled(f"{self._what}: what is next was deleted by retention") from error
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"{self._what}: {type(error).__name__}") from error
        for record in found:
            self._read_to_ms[TopicPartition(record.topic, record.partition)] = record.timestamp_ms
        if found:
            self._moved_at = time.monotonic()
        return found

    async def aim(self) -> None:
        """Notes where the topics end now: `arrived` is about that."""
        consumer, _ = self._started()
        for topic in self._topics:
            known = consumer.partitions_for_topic(topic)
            if known and known != {each.partition for each in self._read_to_ms if each.topic == topic}:
                raise ConsumerStalled(f"{self._what}: {topic} has other partitions than before")
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                self._ends = await consumer.end_offsets(list(self._read_to_ms))
        except (KafkaError, TimeoutError) as error:
            self._moved_at = math.inf  # while Kafka is away, silence says nothing
            raise KafkaUnavailable(f"{self._what}: {type(error).__name__}") from error
        self._moved_at = min(self._moved_at, time.monotonic())

    async def arrived(self) -> bool:
        """Whether everything has been given that was there at the last `aim`, or else at the start."""
        consumer, _ = self._started()
        now = time.monotonic()
        if not await self._behind(consumer):
            self._moved_at = now
            return True
        if now - self._moved_at >= STALLED_SECONDS:
            raise ConsumerStalled(f"{self._what}: nothing is heard, although there is more")
        return False

    async def _wanted(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        behind = await self._behind(consumer)
        if not behind:
            return list(self._read_to_ms)
        last = min(self._read_to_ms[each] for each in behind) + _STEP_MS
        return [each for each in behind if self._read_to_ms[each] <= last]

    async def _behind(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        # The consumer's own position: it steps over what is no record, such as the marker of a transaction's end.
        return [each for each in self._ends if await consumer.position(each) < self._ends[each]]

    async def _partitions(self) -> list[TopicPartition]:
        try:
            async with administration(self._connection, self._what) as admin:
                described = await admin.describe_topics(list(self._topics))
        except KafkaError as error:
            raise KafkaUnavailable(f"{self._what}: {error}") from error
        errors = {each["topic"]: for_code(each["error_code"]) for each in described if each["error_code"]}
        if missing := [topic for topic, error in errors.items() if error is UnknownTopicOrPartitionError]:
            raise TopicsMissing(missing)
        if errors:
            raise KafkaUnavailable(f"{self._what}: Kafka refuses: {next(iter(errors.values())).__name__}")
        return [
            TopicPartition(each["topic"], number)
            for each in described
            for number in sorted(partition["partition"] for partition in each["partitions"])
        ]

    def _started(self) -> tuple[AIOKafkaConsumer, Fetcher]:
        if self._consumer is None or self._fetcher is None:
            raise KafkaUnavailable(f"{self._what}: not started")
        return self._consumer, self._fetcher
