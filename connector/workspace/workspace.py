"""The life of one workspace, and what others see of it."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from connector import wiring
from connector.clock import done_before
from connector.errors import KafkaUnavailable, TopicsMissing
from connector.figures import spooled
from connector.kafka.follower import Follower
from connector.kafka.sink import KafkaSink
from connector.kafka.topics import prepare_topics
from connector.seen.client import SeenClient
from connector.videos.overdue import OverdueReports, Unasked
from connector.videos.reconciler import Reconciler, Way
from connector.videos.watch import Watch
from connector.workspace.callbacks import Callbacks
from connector.workspace.deliveries import Deliveries
from connector.workspace.route import to_seen
from connector.workspace.surroundings import RESULTS_WAIT_SECONDS, STOP_SECONDS
from connector.workspace.topics import ensure_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.config.model import WorkspaceConfig
    from connector.videos.watch import Reconciling
    from connector.workspace.surroundings import Surroundings

log = structlog.get_logger()


class Workspace:
    """Everything of one workspace. `run` lives until it is stopped or dies; its `callbacks` outlive it."""

    def __init__(self, config: WorkspaceConfig, around: Surroundings) -> None:
        self.name = config.name
        self._config = config
        self._around = around
        self._metrics = around.metrics.workspace(config.name)
        self._connection = wiring.connection(around.config.kafka)
        self.callbacks = Callbacks(config, around, self._connection)
        self._deliveries = Deliveries(to_seen(config, around), around)
        self._watch: Watch | None = None
        self.died_of: str | None = None
        self._is_out_of_reach = False

    # Life

    async def run(self, stop: asyncio.Event, drain_seconds: Callable[[], float]) -> None:
        """Delivers until `stop`, then settles what is on the wire within `drain_seconds()` and leaves the group.

        Raises KafkaUnavailable, TopicsMissing or TopicTooSmall if it cannot start, and whatever kills it afterwards.
        """
        async with AsyncExitStack() as ending:
            starting = asyncio.create_task(self._start(ending), name=f"{self.name}: start")
            if not await done_before(stop, starting):
                return
            try:
                watch = starting.result()
            except KafkaUnavailable:
                self._is_out_of_reach = True
                raise
            self._is_out_of_reach = False
            self.died_of = None
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_videos(watch, stop), name=f"{self.name}: videos")
                await self._deliveries.run(stop, drain_seconds)

    async def _watch_videos(self, watch: Watch, stop: asyncio.Event) -> None:
        """Looks after the videos until `stop`: then look-ups on the wire are cut off, for nothing waits for them."""
        watching = asyncio.create_task(watch.run(), name=f"{self.name}: watch")
        if await done_before(stop, watching):
            watching.result()

    async def _start(self, ending: AsyncExitStack) -> Watch:
        """Connects everything; `ending` undoes it."""
        limits = await self._prepare_topics()
        results = KafkaSink(
            self._connection, limits, wait_seconds=RESULTS_WAIT_SECONDS, name=f"{self.name}: results"
        )
        ending.push_async_callback(results.stop, STOP_SECONDS)
        await results.start()
        client = self._client()
        ending.push_async_callback(client.stop)
        await client.start()
        destination = wiring.destination(self._config, client, self._around.redactor)
        await self._deliveries.start(self._connection, destination, results, ending)
        ending.callback(self._forget_watch)
        self._watch = self._new_watch(client, results)
        return self._watch

    async def _prepare_topics(self) -> dict[str, int]:
        """The topics' limits in bytes; lets callbacks in as soon as their topics are there.

        Raises TopicsMissing or TopicTooSmall.
        """
        topics = self._config.topics
        sources = [topic for source in self._config.all_sources() for topic in source.topics]
        wanted = {*sources, *topics.written()}
        new = wiring.new_topics(self._around.config.kafka)
        limits = await prepare_topics(self._connection, wanted, new)
        if {topics.videos, topics.dead_letters} <= limits.keys():
            await self.callbacks.connect(limits)
        if missing := wanted - limits.keys():
            raise TopicsMissing(sorted(missing))
        braze_in = self._config.braze_in
        ensure_room(limits, topics.written() | (set() if braze_in is None else {braze_in.topic}))
        for topic in sources:
            if limits[topic] > limits[topics.dead_letters]:
                log.warning(
                    "dead_letters_smaller_than_source", workspace=self.name, source=topic, limits=limits
                )
        return limits

    # What others see

    @property
    def can_publish(self) -> bool:
        """Whether Kafka can take a callback now, as far as is known."""
        is_troubled = self._deliveries.trouble is not None
        if not self._deliveries.is_running:
            is_troubled = self._is_out_of_reach
        return self.callbacks.is_connected and not is_troubled

    def unready(self) -> str | None:
        """Why this workspace is not well, None if it is."""
        if self.died_of is not None:
            return self.died_of
        if (reason := self._deliveries.unready()) is not None:
            return reason
        if self._watch is not None and self._watch.trouble is not None:
            return f"videos are not watched: {self._watch.trouble}"
        return None

    def status(self) -> dict[str, object]:
        """The figures of this workspace, as values that JSON knows; the gauges are set to the same."""
        found = spooled(self.callbacks.spooled, self._around.clock.wall())
        found |= self._watch.figures() if self._watch else {"pending_videos": 0, "overdue_videos": 0}
        ledger = self._watch.state if self._watch else None
        return {**self._deliveries.status(self.unready(), found), "ledger": ledger}

    # Wiring

    def _forget_watch(self) -> None:
        self._watch = None

    def _new_watch(self, client: SeenClient, results: KafkaSink) -> Watch:
        config, clock, deliveries = self._config, self._around.clock, self._deliveries
        topics = config.topics
        return Watch(
            self.name,
            lambda: Follower(self._connection, (topics.outcomes, topics.videos)),
            wiring.ledger(config),
            self._reconciling(client, results),
            lambda: deliveries.assignment if deliveries.assignment.trackers else None,
            clock,
            self._metrics,
        )

    def _reconciling(self, client: SeenClient, results: KafkaSink) -> Reconciling:
        config, clock, deliveries = self._config, self._around.clock, self._deliveries
        topic, metrics = config.topics.videos, self._metrics
        if config.seen.api == "receivers":
            return Unasked(OverdueReports(self.name, results, topic, metrics), deliveries.lease, clock)
        rests = wiring.backoff(config.seen.probe)
        way = Way(client, deliveries.quota, deliveries.lease, deliveries.suspension, rests)
        return Reconciler(self.name, way, results, topic, clock, metrics, random.random)

    def _client(self) -> SeenClient:
        clock, redactor = self._around.clock, self._around.redactor
        credentials = wiring.credentials(self._config, clock, redactor)
        return SeenClient(wiring.endpoint(self._config), credentials, clock, redactor.clean)
