"""One workspace, wired: the table of contents of the program.

Outbound: source → pump → mapping → dispatcher → quota → SEEN → settler → results sink.
Inbound:  the listener's door → callbacks sink, or the spool and from there the callbacks sink.
Videos:   outcomes and videos topics → ledger → look-ups → results sink.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from connector import wiring
from connector.deadletter import MIN_MESSAGE_BYTES
from connector.delivery.assignment import Assignment
from connector.delivery.commit import Committer
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lease import Lease
from connector.delivery.pump import Bounds, Pump
from connector.delivery.request import Path
from connector.delivery.settle import Origin, Settler
from connector.delivery.suspension import Suspension
from connector.errors import KafkaUnavailable, TopicsMissing, TopicTooSmall
from connector.figures import figures, spooled, waiting
from connector.inbound.callback import CallbackFields
from connector.inbound.door import Door, Grave
from connector.inbound.durable import DurablePublisher
from connector.kafka.follower import Follower
from connector.kafka.sink import KafkaSink
from connector.kafka.source import KafkaSource
from connector.kafka.topics import prepare_topics
from connector.outbound.data import DataDestination
from connector.seen.client import SeenClient
from connector.seen.quota import Quota
from connector.types import OutcomeKind
from connector.videos.reconciler import Reconciler, Way
from connector.videos.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.clock import Clock
    from connector.config.model import ConnectorConfig, WorkspaceConfig
    from connector.config.secrets import Redactor
    from connector.inbound.door import Durability, Publisher
    from connector.inbound.spool import Spool
    from connector.kafka.assignor import Member
    from connector.metrics import Metrics
    from connector.types import Message

log = structlog.get_logger()

_RESULTS_WAIT_SECONDS = 30.0
_STOP_SECONDS = 1.2  # three of them, and the last commit, fit into what the shutdown deadline reserves


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workspaces of a process share. `spool` is None where none is configured."""

    config: ConnectorConfig
    clock: Clock
    metrics: Metrics
    redactor: Redactor
    version: str
    member: Member
    spool: Spool | None = None


class Workspace:
    """Everything of one workspace. `run` lives until it is stopped or dies; the door to its callbacks outlives it."""

    def __init__(self, config: WorkspaceConfig, around: Surroundings) -> None:
        self.name = config.name
        self._config = config
        self._around = around
        self._metrics = around.metrics.workspace(config.name)
        self._connection = wiring.connection(around.config.kafka)
        self._callbacks: KafkaSink | None = None
        self._grave = Grave(config.name, config.topics.dead_letters, around.version)
        self._durable = None if around.spool is None else self._over(around.spool)
        limits = wiring.quota(config)
        self._quota = Quota(
            limits,
            around.clock,
            owner=around.member.replica,
            ahead=limits.ahead,
            timeout_seconds=config.seen.timeout_seconds,
        )
        self._lease = Lease(around.config.kafka.session_timeout_seconds)
        self._suspension = Suspension(wiring.backoff(config.seen.probe))
        self._pump: Pump | None = None
        self._dispatcher: Dispatcher | None = None
        self._watch: Watch | None = None
        self._outcomes: Counter[OutcomeKind] = Counter()
        self.died_of: str | None = None
        self._is_out_of_reach = False

    # Life

    async def run(self, stop: asyncio.Event, drain_seconds: Callable[[], float]) -> None:
        """Delivers until `stop`, then settles what is on the wire within `drain_seconds()` and leaves the group.

        Raises KafkaUnavailable, TopicsMissing or TopicTooSmall if it cannot start, and whatever kills it afterwards.
        """
        async with AsyncExitStack() as ending:
            starting = asyncio.create_task(self._start(ending), name=f"{self.name}: start")
            if not await _done_before(stop, starting):
                return
            try:
                pump, dispatcher = starting.result()
            except KafkaUnavailable:
                self._is_out_of_reach = True
                raise
            self._is_out_of_reach = False
            self.died_of = None
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_videos(stop), name=f"{self.name}: videos")
                await pump.run(dispatcher, stop, drain_seconds)

    async def _watch_videos(self, stop: asyncio.Event) -> None:
        """Looks after the videos until `stop`: then look-ups on the wire are cut off, for nothing waits for them."""
        if self._watch is not None:
            watching = asyncio.create_task(self._watch.run(), name=f"{self.name}: watch")
            if await _done_before(stop, watching):
                watching.result()

    async def _start(self, ending: AsyncExitStack) -> tuple[Pump, Dispatcher]:
        """Connects everything; `ending` undoes it."""
        limits = await self._prepare_topics()
        results = KafkaSink(
            self._connection, limits, wait_seconds=_RESULTS_WAIT_SECONDS, name=f"{self.name}: results"
        )
        ending.push_async_callback(results.stop, _STOP_SECONDS)
        await results.start()
        client = self._client()
        ending.push_async_callback(client.stop)
        await client.start()
        source = KafkaSource(
            self._connection,
            wiring.source_settings(self._config, self._around.config.kafka, self._around.member),
        )
        ending.push_async_callback(source.stop, _STOP_SECONDS)
        pump, dispatcher = self._engine(client, source, results)
        await source.start(pump)
        ending.callback(self._forget_engine)
        self._pump, self._dispatcher = pump, dispatcher
        self._watch = self._new_watch(client, results, pump)
        return pump, dispatcher

    async def _prepare_topics(self) -> dict[str, int]:
        """The topics' limits in bytes; opens the door as soon as those of callbacks are there.

        Raises TopicsMissing or TopicTooSmall.
        """
        topics = self._config.topics
        sources = [topic for source in self._config.sources for topic in source.topics]
        wanted = {*sources, topics.outcomes, topics.videos, topics.dead_letters}
        new = wiring.new_topics(self._around.config.kafka)
        limits = await prepare_topics(self._connection, wanted, new)
        if {topics.videos, topics.dead_letters} <= limits.keys():
            await self._open_door(limits)
        if missing := wanted - limits.keys():
            raise TopicsMissing(sorted(missing))
        for topic in sorted(wanted - set(sources)):
            if limits[topic] < MIN_MESSAGE_BYTES:
                raise TopicTooSmall(
                    f"{topic} takes messages of {limits[topic]} bytes; its max.message.bytes must be at least {MIN_MESSAGE_BYTES}"
                )
        for topic in sources:
            if limits[topic] > limits[topics.dead_letters]:
                log.warning(
                    "dead_letters_smaller_than_source", workspace=self.name, source=topic, limits=limits
                )
        return limits

    async def _open_door(self, limits: Mapping[str, int]) -> None:
        """Connects the callbacks' producer, once. Raises KafkaUnavailable."""
        if self._callbacks is None:
            wait = self._around.config.listener.publish_timeout_seconds
            callbacks = KafkaSink(self._connection, limits, wait_seconds=wait, name=f"{self.name}: callbacks")
            await callbacks.start()
            self._callbacks = callbacks

    async def close_door(self) -> None:
        """Flushes and disconnects the callbacks' producer."""
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            await callbacks.stop(_STOP_SECONDS)

    async def publish(self, topic: str, message: Message) -> Durability:
        """Publishes what a callback told; as `KafkaSink.publish`, and KafkaUnavailable while there is no connection."""
        if self._callbacks is None:
            raise KafkaUnavailable("not connected to Kafka yet")
        await self._callbacks.publish(topic, message)
        return "published"

    async def drain_spool(self) -> None:
        """Brings into Kafka what the spool holds, until `finish_spool`; at once where there is no spool."""
        if self._durable is not None:
            await self._durable.drain()

    def finish_spool(self) -> None:
        """Has `drain_spool` end as soon as nothing is left, or Kafka takes nothing."""
        if self._durable is not None:
            self._durable.finish()

    # What others see

    @property
    def door(self) -> Door:
        """Where the listener brings this workspace's callbacks."""
        callback, topics = self._config.callback, self._config.topics
        publisher: Publisher = self if self._durable is None else self._durable
        return Door(
            workspace=self.name,
            authenticator=wiring.authenticator(
                self._config, self._around.config.listener, self._around.clock, self._metrics
            ),
            fields=CallbackFields.compiled(callback.fields.model_dump()),
            videos_topic=topics.videos,
            grave=self._grave,
            publisher=publisher,
            metrics=self._metrics,
        )

    @property
    def door_is_open(self) -> bool:
        """Whether the callbacks' producer has connected."""
        return self._callbacks is not None

    @property
    def can_spool(self) -> bool:
        """Whether the spool can take a callback, as far as is known."""
        spool = self._around.spool
        return spool is not None and spool.failure is None and spool.has_room(self.name)

    @property
    def can_publish(self) -> bool:
        """Whether Kafka can take a callback now, as far as is known."""
        if self._pump is None:
            return self.door_is_open and not self._is_out_of_reach
        return self.door_is_open and self._pump.trouble is None

    def unready(self) -> str | None:
        """Why this workspace is not well, None if it is."""
        if self.died_of is not None:
            return self.died_of
        if self._pump is None:
            return "starting"
        if self._pump.trouble is not None:
            return self._pump.trouble
        if (state := self._suspension.state) is not None:
            return f"suspended: {state.reason}: {state.detail}"
        if self._pump.lost:
            return f"{self._pump.lost} records were deleted by retention before they were read"
        if self._watch is not None and self._watch.trouble is not None:
            return f"videos are not watched: {self._watch.trouble}"
        return None

    def status(self) -> dict[str, object]:
        """The figures of this workspace, as values that JSON knows; the gauges are set to the same."""
        assignment = self._pump.assignment if self._pump else Assignment({})
        now = self._around.clock.wall()
        spool = self._around.spool
        found = figures(assignment, self._dispatcher, self._quota, now)
        found |= spooled(None if spool is None else spool.holding(self.name), now)
        found |= self._watch.figures() if self._watch else {"pending_videos": 0, "overdue_videos": 0}
        queues, reason = waiting(self._dispatcher, self._quota), self.unready()
        flags = {"suspended": self._suspension.state is not None, "ready": reason is None}
        for name, value in (found | flags).items():
            self._metrics.gauge(name, float(value))
        for priority, requests in queues.items():
            self._metrics.waiting(priority, requests)
        return {
            "state": self._state(),
            "reason": reason,
            **found,
            "waiting_requests": queues,
            "blocking": assignment.blocking[0] if assignment.blocking else None,
            "partitions": sorted(map(str, assignment.trackers)),
            "ledger": self._watch.state if self._watch else None,
            "outcomes": {kind.value: self._outcomes[kind] for kind in OutcomeKind},
        }

    def _state(self) -> str:
        if self._pump is None:
            return "stopped"
        if self._suspension.state is not None:
            return "suspended"
        return "running" if self._pump.assignment.trackers else "standby"

    # Wiring

    def _over(self, spool: Spool) -> DurablePublisher:
        limit = self._around.config.listener.publish_timeout_seconds
        return DurablePublisher(self, spool, self._grave, limit)

    def _engine(self, client: SeenClient, source: KafkaSource, results: KafkaSink) -> tuple[Pump, Dispatcher]:
        config, clock = self._config, self._around.clock
        topics, delivery = config.topics, config.delivery
        origin = Origin(self.name, self._around.version, topics.outcomes, topics.dead_letters)
        settler = Settler(results, origin, clock, self._metrics, self._outcomes)
        bounds = Bounds(delivery.max_buffered, delivery.max_buffered_bytes, delivery.max_uncommitted)
        committer = Committer(self.name, source, self._quota, self._lease, clock, self._metrics)
        pump = Pump(self.name, source, wiring.mappings(config), settler, bounds, self._metrics, committer)
        path = Path(
            DataDestination(client, self._around.redactor.clean),
            self._quota,
            self._lease,
            self._suspension,
            wiring.policy(config),
            delivery.max_in_flight,
        )
        dispatcher = Dispatcher(self.name, path, settler, clock, self._metrics, random.random, pump.settled)
        return pump, dispatcher

    def _forget_engine(self) -> None:
        self._pump = self._dispatcher = self._watch = None

    def _new_watch(self, client: SeenClient, results: KafkaSink, pump: Pump) -> Watch:
        config, clock = self._config, self._around.clock
        topics, rests = config.topics, wiring.backoff(config.seen.probe)
        way = Way(client, self._quota, self._lease, self._suspension, rests)
        reconciler = Reconciler(self.name, way, results, topics.videos, clock, self._metrics, random.random)
        return Watch(
            self.name,
            lambda: Follower(self._connection, (topics.outcomes, topics.videos)),
            wiring.ledger(config),
            reconciler,
            lambda: pump.assignment if pump.assignment.trackers else None,
            clock,
            self._metrics,
        )

    def _client(self) -> SeenClient:
        clock, redactor = self._around.clock, self._around.redactor
        credentials = wiring.credentials(self._config, clock, redactor)
        return SeenClient(wiring.endpoint(self._config), credentials, clock, redactor.clean)


async def _done_before(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Waits for `task`, or until `stop`: then it is cancelled, and the answer is False."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    return not task.cancelled()
