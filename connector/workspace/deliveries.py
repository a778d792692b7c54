"""The deliveries of one workspace: the engine, wired from its source topics to SEEN.

What SEEN counts (the quota), what it last said (suspended or not), what became of events and what was found of images outlive
a restart of the engine.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from connector import wiring
from connector.delivery.assignment import Assignment
from connector.delivery.commit import Committer
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lease import Lease
from connector.delivery.pump import Bounds, Pump
from connector.delivery.request import Path
from connector.delivery.settle import Origin, Settler
from connector.delivery.suspension import Suspension
from connector.kafka.source import KafkaSource
from connector.seen.quota import Quota
from connector.workspace.surroundings import STOP_SECONDS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from connector.config.model import WorkspaceConfig
    from connector.kafka.connection import KafkaConnection
    from connector.kafka.sink import KafkaSink
    from connector.seen.client import SeenClient
    from connector.types import OutcomeKind
    from connector.workspace.surroundings import Surroundings


class Deliveries:
    """From a workspace's source topics to SEEN. `pump` and `dispatcher` are None while nothing runs."""

    def __init__(self, config: WorkspaceConfig, around: Surroundings) -> None:
        self._config = config
        self._around = around
        self._metrics = around.metrics.workspace(config.name)
        limits = wiring.quota(config)
        self.quota = Quota(
            limits,
            around.clock,
            owner=around.member.replica,
            ahead=limits.ahead,
            timeout_seconds=config.seen.timeout_seconds,
        )
        self.lease = Lease(around.config.kafka.session_timeout_seconds)
        self.suspension = Suspension(wiring.backoff(config.seen.probe))
        self.outcomes: Counter[OutcomeKind] = Counter()
        self._preparation = wiring.preparation(config, around.config.images, around.clock, self._metrics)
        self.pump: Pump | None = None
        self.dispatcher: Dispatcher | None = None

    @property
    def assignment(self) -> Assignment:
        """The partitions that are ours now, and how far each is."""
        return self.pump.assignment if self.pump else Assignment({})

    async def start(
        self, connection: KafkaConnection, client: SeenClient, results: KafkaSink, ending: AsyncExitStack
    ) -> None:
        """Joins the group; `ending` undoes it. Raises KafkaUnavailable."""
        source = KafkaSource(
            connection,
            wiring.source_settings(self._config, self._around.config.kafka, self._around.member),
        )
        ending.push_async_callback(source.stop, STOP_SECONDS)
        pump, dispatcher = self._engine(client, source, results)
        await source.start(pump)
        ending.callback(self._forget)
        self.pump, self.dispatcher = pump, dispatcher

    async def run(self, stop: asyncio.Event, drain_seconds: Callable[[], float]) -> None:
        """Delivers until `stop`, then settles what is on the wire within `drain_seconds()`.

        Raises RuntimeError before `start`, and whatever kills it.
        """
        if self.pump is None or self.dispatcher is None:
            raise RuntimeError("the deliveries have not been started")
        await self.pump.run(self.dispatcher, stop, drain_seconds)

    def _engine(self, client: SeenClient, source: KafkaSource, results: KafkaSink) -> tuple[Pump, Dispatcher]:
        config, clock, name = self._config, self._around.clock, self._config.name
        topics, delivery = config.topics, config.delivery
        origin = Origin(name, self._around.version, topics.outcomes, topics.dead_letters)
        settler = Settler(results, origin, clock, self._metrics, self.outcomes)
        bounds = Bounds(delivery.max_buffered, delivery.max_buffered_bytes, delivery.max_uncommitted)
        committer = Committer(name, source, self.quota, self.lease, clock, self._metrics)
        pump = Pump(name, source, wiring.mappings(config), settler, bounds, self._metrics, committer)
        path = Path(
            wiring.destination(config, client, self._around.redactor),
            self.quota,
            self.lease,
            self.suspension,
            wiring.policy(config),
            delivery.max_in_flight,
            self._preparation,
        )
        dispatcher = Dispatcher(name, path, settler, clock, self._metrics, random.random, pump.settled)
        return pump, dispatcher

    def _forget(self) -> None:
        self.pump = self.dispatcher = None
