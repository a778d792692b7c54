"""Reading: one consumer for a workspace. It fetches what there is room for, commits what it is told, and decides nothing.

Rules:
 1. Offsets are committed only from outside; a partition without a commit begins where its source says.
 2. Every rebalance revokes all and assigns anew (aiokafka is eager): each assignment is a new epoch.
 3. A partition gives no records before its start is settled, and then all from there on, whatever a poll that was
    under way in the rebalance has given already. What retention took is counted and said.
 4. A partition that is asked for, holds more, and gives nothing for two minutes means that the client is dead.
 5. Polling never stops: where nothing has room, it is done without taking anything, so that the group keeps us.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, OffsetOutOfRangeError

from connector.clock import wait_for_event
from connector.errors import ConsumerStalled, KafkaUnavailable
from connector.kafka import silence
from connector.kafka.assignor import OneOwnerAssignor
from connector.kafka.connection import START_SECONDS, connected, stopped
from connector.kafka.fetch import Fetcher
from connector.kafka.positions import Positions
from connector.kafka.silence import Silence
from connector.types import Partition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connector.kafka.assignor import Member
    from connector.kafka.connection import KafkaConnection
    from connector.types import Commit, Record

log = structlog.get_logger()

_CALL_SECONDS = 10.0
REBALANCE_SECONDS = 60.0
"""How long the group waits for a member to drain and rejoin."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """`starts` says for each topic where it begins without a commit: earliest, latest, or a time in Unix seconds.
    `member` is what this replica is in every group.
    """

    group_id: str
    starts: Mapping[str, str | float]
    session_timeout_seconds: float
    member: Member


class Ownership(Protocol):
    """What the source tells its reader."""

    def assigned(self, commits: Mapping[Partition, Commit], elsewhere: Collection[Commit]) -> None:
        """These partitions are ours, in a new epoch; each is read from its commit on, or from its chosen start.

        `elsewhere` are the group's commits of partitions that are not read any more.
        """
        ...

    async def revoked(self) -> None:
        """Everything is about to be taken: drain and commit before this returns. Must end within the rebalance's time."""
        ...

    def moved(self, partition: Partition, position: int, lost: int) -> None:
        """A partition goes on at `position`, since where it stood does not exist: `lost` offsets were deleted unread."""
        ...


class KafkaSource:
    """The source topics of one workspace, read in one consumer group."""

    def __init__(self, connection: KafkaConnection, settings: SourceSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._fetcher: Fetcher | None = None
        self._ownership: Ownership | None = None
        self._silence = Silence()
        self._failing_since: float | None = None
        self._unplaced: frozenset[TopicPartition] = frozenset()
        self._rebalances = 0
        self._assigned = asyncio.Event()

    async def start(self, ownership: Ownership) -> None:
        """Joins the group; `ownership` hears of partitions from then on. Raises KafkaUnavailable."""
        self._ownership = ownership
        self._consumer = await connected(
            self._new_consumer, AIOKafkaConsumer.stop, f"joining the group {self._settings.group_id}"
        )
        self._fetcher = Fetcher(self._consumer, next(iter(self._settings.starts)))

    def _new_consumer(self) -> AIOKafkaConsumer:
        settings = self._settings
        consumer = AIOKafkaConsumer(
            **self._connection.arguments(),
            group_id=settings.group_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=int(settings.session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(settings.session_timeout_seconds * 100),
            rebalance_timeout_ms=int(REBALANCE_SECONDS * 1000),
            partition_assignment_strategy=(OneOwnerAssignor(settings.group_id, settings.member),),
        )
        consumer.subscribe(list(settings.starts), listener=_Listener(self))
        return consumer

    async def stop(self, seconds: float) -> None:
        """Leaves the group within `seconds`. Revokes nothing: drain and commit before."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None and not await stopped(consumer.stop(), seconds):
            log.warning("consumer_stopped_dirty", group_id=self._settings.group_id)

    async def poll(self, partitions: Collection[Partition], room: int, seconds: float) -> list[Record]:
        """Up to `room` records of `partitions`, within `seconds`; none of them if there are none or no room.

        Raises KafkaUnavailable where the broker refuses.
        """
        wanted = [TopicPartition(each.topic, each.number) for each in partitions]
        try:
            await self._place()
            try:
                found = await self._fetching().fetch(wanted, room, seconds)
            except OffsetOutOfRangeError as error:
                await self._return_to_range(error.args[0])
                return []
            if not found:
                # A fetch in a rebalance lasts until there is an assignment; we hear of it a moment later. It is placed at
                # once, since whoever polls may wait a while before the next poll. Records would be of the old epoch.
                await wait_for_event(self._assigned, seconds)
                await self._place()
        except (KafkaError, TimeoutError) as error:
            self._failing_since = self._failing_since or time.monotonic()
            raise KafkaUnavailable(f"reading: {type(error).__name__}: {error}") from error
        self._failing_since = None
        gave = {TopicPartition(each.topic, each.partition) for each in found}
        self._silence.polled(wanted, gave, time.monotonic(), full=len(found) >= room)
        return found

    async def commit(self, commits: Mapping[Partition, Commit]) -> bool:
        """Commits; False if the group has moved on and these partitions are no longer ours. Raises KafkaUnavailable."""
        commit = {
            TopicPartition(each.topic, each.number): (commit.offset, commit.metadata or "")
            for each, commit in commits.items()
        }
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                await self._started().commit(commit)
        except (CommitFailedError, IllegalStateError):
            return False
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"committing: {type(error).__name__}") from error
        return True

    async def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The offset after the last record of each partition. Raises KafkaUnavailable.

        Raises ConsumerStalled if one of them has given nothing for two minutes, and does not end where it stands, or if
        polls have failed for so long.
        """
        wanted = [TopicPartition(each.topic, each.number) for each in partitions]
        # Without a partition of our own any will do: the question is then whether Kafka answers.
        wanted = wanted or [TopicPartition(next(iter(self._settings.starts)), 0)]
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                ends = await self._started().end_offsets(wanted)
                await self._ensure_alive(ends)
        except (KafkaError, TimeoutError) as error:
            self._silence.forget()
            self._failing_since = None
            raise KafkaUnavailable(f"asking for end offsets: {type(error).__name__}") from error
        found = {Partition(each.topic, each.partition): offset for each, offset in ends.items()}
        return {each: found[each] for each in partitions}

    async def _ensure_alive(self, ends: Mapping[TopicPartition, int]) -> None:
        now = time.monotonic()
        if self._failing_since is not None and now - self._failing_since >= silence.STALLED_SECONDS:
            raise ConsumerStalled("polls fail, although Kafka answers other questions")
        for each in self._silence.silent(now):
            # The consumer's own position: it steps over what is no record, such as the marker of a transaction's end.
            position = await self._started().position(each)
            if each in ends and position < ends[each]:
                raise ConsumerStalled(
                    f"{each.topic}/{each.partition} gives nothing from {position} on, and ends at {ends[each]}"
                )

    def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Called in the rebalance, without heartbeats: only notes what is to be placed."""
        self._rebalances += 1
        self._silence.forget()
        self._unplaced = frozenset(partitions)
        self._assigned.set()

    async def on_revoked(self) -> None:
        """Called in the rebalance, while heartbeats go on."""
        self._rebalances += 1
        self._assigned.clear()
        self._unplaced = frozenset()
        if self._fetcher is not None:
            self._fetcher.end()
        if self._ownership is not None:
            await self._ownership.revoked()

    async def _place(self) -> None:
        """Settles where each newly assigned partition begins, then hands it over."""
        if not self._unplaced:
            return
        rebalances = self._rebalances
        async with asyncio.timeout(START_SECONDS):
            commits, elsewhere = await self._positions().of(self._unplaced)
        if self._rebalances != rebalances or self._ownership is None:
            return  # these positions are of an epoch that is over
        self._fetching().begin({each: commit.offset for each, commit in commits.items()})
        self._unplaced = frozenset()
        self._ownership.assigned(
            {Partition(each.topic, each.partition): commit for each, commit in commits.items()}, elsewhere
        )

    async def _return_to_range(self, positions: Mapping[TopicPartition, int]) -> None:
        consumer = self._started()
        async with asyncio.timeout(_CALL_SECONDS):
            beginnings = await consumer.beginning_offsets(list(positions))
        for each, position in positions.items():
            beginning = beginnings[each]
            self._fetching().move(each, beginning)
            # A topic that was made anew is shorter than what was committed; what it held before cannot be counted.
            lost = max(0, beginning - position)
            log.error(
                "position_out_of_range",
                topic=each.topic,
                partition=each.partition,
                position=position,
                beginning=beginning,
            )
            if self._ownership is not None:
                self._ownership.moved(Partition(each.topic, each.partition), beginning, lost)

    def _positions(self) -> Positions:
        return Positions(self._connection, self._started(), self._settings.group_id, self._settings.starts)

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise KafkaUnavailable("the consumer is not started")
        return self._consumer

    def _fetching(self) -> Fetcher:
        if self._fetcher is None:
            raise KafkaUnavailable("the consumer is not started")
        return self._fetcher


class _Listener(ConsumerRebalanceListener):
    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's signature; all are revoked
        await self._source.on_revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._source.on_assigned(assigned)
