"""Where reading begins: at the group's commit, else where the configuration says.

Rules:
 1. The commits are asked of the group's coordinator each time: what another member committed meanwhile counts.
 2. No answer is not "never committed": only a coordinator that answers for a partition can say that.
 3. A partition that was added to a topic that is read already holds nothing from before, so it is read whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from connector.errors import KafkaUnavailable
from connector.kafka.topics import administration
from connector.types import Commit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from connector.kafka.connection import KafkaConnection

log = structlog.get_logger()

_EARLIEST, _LATEST = "earliest", "latest"


class Positions:
    """Where one group reads from. Raises what aiokafka raises, but for what is named."""

    def __init__(
        self,
        connection: KafkaConnection,
        consumer: AIOKafkaConsumer,
        group_id: str,
        starts: Mapping[str, str | float],
    ) -> None:
        """`starts` are those of `SourceSettings`."""
        self._connection = connection
        self._consumer = consumer
        self._group_id = group_id
        self._starts = starts

    async def of(
        self, partitions: Collection[TopicPartition]
    ) -> tuple[dict[TopicPartition, Commit], list[Commit]]:
        """The commit of each of these partitions; where there is none, its start, as a commit without metadata.

        Then the group's commits of other partitions, which are not read any more. Raises KafkaUnavailable while the
        group's coordinator does not know.
        """
        known = await self._commits(partitions)
        elsewhere = [commit for each, commit in known.items() if each not in partitions]
        found = {each: known.get(each) or Commit(await self._position_of(each, known)) for each in partitions}
        return found, elsewhere

    async def _commits(self, wanted: Collection[TopicPartition]) -> dict[TopicPartition, Commit]:
        """What the group has committed, with what was said beyond: the consumer's own `committed` leaves that out.

        Raises KafkaUnavailable while the group's coordinator does not know yet.
        """
        what = f"reading the commits of {self._group_id}"
        async with administration(self._connection, what) as admin:
            found = await admin.list_consumer_group_offsets(self._group_id, partitions=list(wanted))
            everything = await admin.list_consumer_group_offsets(self._group_id)
        # A coordinator that is still loading, after a broker's restart, answers for none of them, and aiokafka does not
        # say so: taken for "never committed", that would begin the topics anew.
        committed = {each for each, commit in found.items() if commit.offset >= 0}
        if missing := (set(wanted) - found.keys()) | (committed - everything.keys()):
            raise KafkaUnavailable(f"{what}: no answer for {len(missing)} partitions")
        return {
            each: Commit(commit.offset, commit.metadata)
            for each, commit in (everything | found).items()
            if commit.offset >= 0
        }

    async def _position_of(self, partition: TopicPartition, known: Collection[TopicPartition]) -> int:
        is_read = any(each.topic == partition.topic for each in known)
        if self._starts[partition.topic] == _LATEST and is_read:
            # It was added since, for all starts are committed together, at once: all that it holds came after we began.
            log.info("partition_is_new", topic=partition.topic, partition=partition.partition)
            return int((await self._consumer.beginning_offsets([partition]))[partition])
        return await self._start_of(partition)

    async def _start_of(self, partition: TopicPartition) -> int:
        consumer, start = self._consumer, self._starts[partition.topic]
        if start == _EARLIEST:
            return int((await consumer.beginning_offsets([partition]))[partition])
        # The end first: what is written between the two answers is younger than the start, and lies behind that end.
        end = int((await consumer.end_offsets([partition]))[partition])
        if start == _LATEST:
            return end
        found = (await consumer.offsets_for_times({partition: int(float(start) * 1000)}))[partition]
        return end if found is None else int(found.offset)
