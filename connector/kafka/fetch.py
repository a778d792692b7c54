"""Fetching the records of assigned partitions, each from where it stands.

Rules:
 1. Where a partition stands is kept here: what a fetch that fails has taken already is fetched again.
 2. Before a partition's position is given, nothing of it is handed out.
 3. A record that aiokafka cannot decode is handed out without its content, and the partition goes on behind it. So is
    the rest of its batch: aiokafka decodes a batch from its start.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from connector.types import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

log = structlog.get_logger()

_ONE_SECONDS = 0.2


class Fetcher:
    """The records of one consumer's partitions. Raises what aiokafka raises."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        """`topic` is any that the consumer has subscribed to."""
        self._consumer = consumer
        # A partition that cannot exist keeps the poll alive and leaves what is prefetched where it is, where a pause
        # would throw it away.
        self._nothing = TopicPartition(topic, -1)
        self._next: dict[TopicPartition, int] = {}

    def begin(self, positions: Mapping[TopicPartition, int]) -> None:
        """From now on these partitions are read, and no others, each from its position on."""
        self._next = dict(positions)
        self._rewind(list(positions))

    def move(self, partition: TopicPartition, position: int) -> None:
        """Reads one partition from `position` on."""
        self._next[partition] = position
        self._consumer.seek(partition, position)

    def end(self) -> None:
        """Hands out nothing more."""
        self._next = {}

    async def fetch(self, wanted: Sequence[TopicPartition], room: int, seconds: float) -> list[Record]:
        """Up to `room` records of `wanted`, within `seconds`; without room it only tells the group that we live."""
        if not wanted or not room:
            await self._consumer.getmany(self._nothing, timeout_ms=0)
            return []
        try:
            return await self._take(wanted, room, seconds)
        except UnicodeDecodeError:
            self._rewind(wanted)
            return await self._one_by_one(wanted)
        except KafkaError:
            self._rewind(wanted)
            raise

    async def _take(self, wanted: Sequence[TopicPartition], room: int, seconds: float) -> list[Record]:
        found: Mapping[TopicPartition, list[ConsumerRecord[Any, Any]]] = await self._consumer.getmany(
            *wanted, timeout_ms=int(seconds * 1000), max_records=room
        )
        records = []
        for partition, some in found.items():
            if partition in self._next:
                self._next[partition] = some[-1].offset + 1
                records += [record_of(each) for each in some]
        return records

    async def _one_by_one(self, wanted: Sequence[TopicPartition]) -> list[Record]:
        """One record of each partition, so that it shows which of them cannot be decoded."""
        records: list[Record] = []
        for partition in wanted:
            try:
                records += await self._take([partition], 1, _ONE_SECONDS)
            except UnicodeDecodeError as error:
                records.append(self._step_over(partition, error))
            except KafkaError:
                if records:
                    break
                raise
        return records

    def _step_over(self, partition: TopicPartition, error: UnicodeDecodeError) -> Record:
        """What stands in for the next record. Where offsets are missing before it, each of them is stepped over too."""
        offset = self._next[partition]
        self.move(partition, offset + 1)
        log.error("record_unreadable", topic=partition.topic, partition=partition.partition, offset=offset)
        fault = f"Kafka's client cannot decode it: in its batch a header's name is no UTF-8 ({error.reason})"
        return Record(
            partition.topic,
            partition.partition,
            offset,
            int(time.time() * 1000),
            None,
            None,
            unreadable=fault,
        )

    def _rewind(self, wanted: Sequence[TopicPartition]) -> None:
        for partition in wanted:
            if (position := self._next.get(partition)) is None:
                continue
            try:
                self._consumer.seek(partition, position)
            except IllegalStateError:  # it is being taken from us
                continue


def record_of(found: ConsumerRecord[Any, Any]) -> Record:
    """A record as aiokafka gives it, as a value of ours."""
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        timestamp_ms=found.timestamp,
        key=found.key,
        value=found.value,
        headers=tuple(found.headers),
    )
