"""The loop of one workspace: reads what there is room for, hands it on, commits what is settled.

Rules:
 1. Polling waits for nothing but records and room: never for a request.
 2. Every record that is read is tracked until it is settled, and at most `max_buffered` are, of so many bytes.
 3. What may be committed is the watermark of each partition.
 4. An assignment is a new epoch. Before it ends, what is on the wire is settled and committed; the rest is dropped, and
    comes again to whoever reads from the commit.
 5. A commit that is refused says that the partitions are no longer ours: that ends the epoch at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from connector.clock import wait_for_event
from connector.delivery.assignment import Assignment
from connector.delivery.commit import Committed
from connector.delivery.delivery import Delivery
from connector.errors import KafkaUnavailable
from connector.types import Event, ImageResult, Partition, Skipped, Unsendable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping

    from connector.delivery.commit import Committer
    from connector.delivery.dispatch import Dispatcher
    from connector.delivery.settle import Settler
    from connector.metrics import WorkspaceMetrics
    from connector.types import Commit, Record

log = structlog.get_logger()

_POLL_SECONDS = 1.0
_ROOM_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_COMMIT_SECONDS = 1.0
_LAG_SECONDS = 5.0
_LAST_COMMIT_SECONDS = 2.5
_RECORDS_A_POLL = 100  # so that parsing never keeps the loop for long
_REVOKE_SECONDS = 40.0  # well under the time that a rebalance waits for us


class Source(Protocol):
    """Where records come from."""

    async def poll(self, partitions: Collection[Partition], room: int, seconds: float) -> list[Record]:
        """At most `room` records of `partitions`, within `seconds`. Raises KafkaUnavailable."""
        ...

    async def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The offset after the last record of each. Raises KafkaUnavailable, without a partition too."""
        ...


class Reader(Protocol):
    """What makes events of records."""

    def read(self, record: Record) -> Event | Unsendable | Skipped:
        """What `record` becomes. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """Records read and not settled in all, their bytes, and offsets from a partition's watermark to its last read one.

    Of the bytes, one poll's are taken beyond the bound.
    """

    max_buffered: int
    max_buffered_bytes: int
    max_uncommitted: int


class Pump:
    """Reads the records of one workspace, each by the reader of its topic."""

    def __init__(
        self,
        workspace: str,
        source: Source,
        readers: Mapping[str, Reader],
        settler: Settler,
        bounds: Bounds,
        metrics: WorkspaceMetrics,
        committer: Committer,
    ) -> None:
        self._workspace = workspace
        self._source = source
        self._readers = readers
        self._settler = settler
        self._bounds = bounds
        self._metrics = metrics
        self._committer = committer
        self._dispatcher: Dispatcher | None = None
        self._group: asyncio.TaskGroup | None = None
        self._room = asyncio.Event()
        self._begun = asyncio.Event()
        self.assignment = Assignment({})
        self.lost = 0
        self._poll_trouble: str | None = None
        self._broker_trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why records cannot be read from Kafka, None if they can, as far as is known."""
        return self._poll_trouble or self._broker_trouble

    def settled(self) -> None:
        """Tells the pump that there is room."""
        self._room.set()

    async def run(
        self, dispatcher: Dispatcher, stop: asyncio.Event, drain_seconds: Callable[[], float]
    ) -> None:
        """Reads and sends until `stop`, then settles what is on the wire within `drain_seconds()`, and commits."""
        self._dispatcher = dispatcher
        async with asyncio.TaskGroup() as self._group:
            others = [
                self._start(dispatcher.run(), "dispatch"),  # before records come
                self._start(self._commit_forever(dispatcher), "commit"),
                self._start(self._ask_for_ends_forever(), "lag"),
            ]
            polling = self._start(self._poll_forever(), "poll")
            await stop.wait()
            polling.cancel()  # no more records
            self._note_cut_off(await dispatcher.drain(drain_seconds()))
            for loop in others:
                loop.cancel()
        try:
            async with asyncio.timeout(_LAST_COMMIT_SECONDS):
                await self._committer.commit_last(self.assignment)
        except TimeoutError:
            log.warning("stopped_without_commit", workspace=self._workspace)
        self._end_epoch()

    # What the source tells: connector.kafka.source.Ownership

    def assigned(self, commits: Mapping[Partition, Commit], elsewhere: Collection[Commit] = ()) -> None:
        """Begins an epoch for each partition, at its commit. `elsewhere` are commits of partitions that are not read."""
        self.assignment = Assignment(commits, elsewhere)
        self._committer.begin(self.assignment)
        if self._dispatcher is not None:
            self._dispatcher.resume()
            self._dispatcher.must_commit.set()  # nothing may leave before the first commit
        self._room.set()
        self._begun.set()
        log.info(
            "partitions_assigned",
            workspace=self._workspace,
            partitions=sorted(map(str, commits)),
            in_doubt=self.assignment.in_doubt,
        )

    async def revoked(self) -> None:
        """Ends all epochs: drains, commits, drops the rest."""
        self._room.set()  # the next poll is what finds the next assignment
        if not self.assignment.trackers:
            return
        self._committer.let_go()
        if self._dispatcher is not None:
            self._note_cut_off(await self._dispatcher.drain(_REVOKE_SECONDS))
        # Before the commit: records are handed out while it is made, and those come again.
        ended = self._end_epoch()
        await self._committer.commit_last(ended)
        log.info("partitions_revoked", workspace=self._workspace)

    def moved(self, partition: Partition, position: int, lost: int) -> None:
        """Goes on at `position` of one partition, and counts what can no longer be delivered."""
        if partition in self.assignment.trackers:
            self.assignment.move(partition, position)
        self._metrics.taken_by_retention.inc(lost)
        self.lost += lost

    # The loops

    async def _poll_forever(self) -> None:
        while True:
            try:
                await self._poll()
                self._poll_trouble = None
            except KafkaUnavailable as error:
                self._poll_trouble = str(error)
                log.warning("poll_failed", workspace=self._workspace, why=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _poll(self) -> None:
        self._room.clear()
        narrow = self.assignment.narrower_than(self._bounds.max_uncommitted)
        room = self._room_for_records() if narrow else 0
        for record in await self._source.poll(narrow, room, _POLL_SECONDS):
            self._accept(record)
        if not room:
            await wait_for_event(self._room, _ROOM_SECONDS)
        await asyncio.sleep(0)  # a poll that found records at once may not have let the others run

    def _room_for_records(self) -> int:
        bounds, assignment = self._bounds, self.assignment
        if assignment.buffered_bytes >= bounds.max_buffered_bytes:
            return 0
        return max(0, min(_RECORDS_A_POLL, bounds.max_buffered - assignment.buffered))

    def _accept(self, record: Record) -> None:
        tracker = self.assignment.trackers.get(Partition(record.topic, record.partition))
        if tracker is None or self._dispatcher is None:
            return  # revoked between the fetch and here: whoever has the partition now reads it
        if tracker.pass_over(record.offset):
            return
        tracker.start(record.offset, record.timestamp_ms, record.size)
        self._metrics.records_read.inc()
        match self._readers[record.topic].read(record):
            case Event() as event:
                self._note_dropped_images(event)
                in_doubt, looks_up = tracker.is_in_doubt(record.offset), self._dispatcher.looks_up
                self._dispatcher.submit(Delivery(event, tracker, in_doubt=in_doubt, looks_up=looks_up))
            case Skipped(reason):
                self._settler.skip(record, reason, tracker)
            case Unsendable() as fault:
                log.info(
                    "record_refused",
                    workspace=self._workspace,
                    origin=record.origin,
                    id=fault.id,
                    reason=fault.reason,
                )
                self._dispatcher.refuse(record, fault, tracker)

    async def _commit_forever(self, dispatcher: Dispatcher) -> None:
        while True:
            await wait_for_event(dispatcher.must_commit, _COMMIT_SECONDS)
            dispatcher.must_commit.clear()
            assignment = self.assignment
            committed = await self._committer.commit(assignment, dispatcher.ahead, dispatcher.waiting)
            if committed is Committed.ACKNOWLEDGED:
                dispatcher.committed()
            elif committed is Committed.NOT_OURS and assignment is self.assignment:
                await self._lose()

    async def _lose(self) -> None:
        """Ends the epoch of partitions that are no longer ours: nothing of it counts, and another has it already."""
        self._end_epoch()
        if self._dispatcher is not None:
            self._note_cut_off(await self._dispatcher.cut_off())
        log.warning("partitions_lost", workspace=self._workspace)

    async def _ask_for_ends_forever(self) -> None:
        while True:
            self._begun.clear()
            assignment = self.assignment
            try:
                assignment.ends_at(await self._source.end_offsets(list(assignment.trackers)))
                self._broker_trouble = None
            except KafkaUnavailable as error:
                # A poll does not say so: of a broker that is away, it only finds no records.
                self._broker_trouble = "Kafka does not answer"
                log.warning("kafka_unreachable", workspace=self._workspace, why=str(error))
            await wait_for_event(self._begun, _LAG_SECONDS)  # an epoch that begins knows no ends

    def _note_dropped_images(self, event: Event) -> None:
        for image in event.dropped:
            self._metrics.image_looked_at(ImageResult.NOT_ALLOWED)
            log.info(
                "image_refused",
                workspace=self._workspace,
                id=event.id,
                origin=event.record.origin,
                property=image.name,
                host=image.host,
                found=ImageResult.NOT_ALLOWED,
                detail=image.detail,
                decision="sent without it",
            )

    def _note_cut_off(self, deliveries: int) -> None:
        if deliveries:
            log.warning("deliveries_cut_off", workspace=self._workspace, deliveries=deliveries)

    def _end_epoch(self) -> Assignment:
        ended, self.assignment = self.assignment, Assignment({})
        ended.end()
        return ended

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        if self._group is None:
            raise RuntimeError("the pump does not run")
        return self._group.create_task(work, name=f"{self._workspace}: {name}")
