"""The deliveries of one route: the engine, wired from its source topics to an API.

What the API counts (the quota), what it last said (suspended or not) and what became of events outlive a restart of the
engine.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from connector.delivery.assignment import Assignment
from connector.delivery.commit import Committer
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lease import Lease
from connector.delivery.pump import Pump
from connector.delivery.request import Path
from connector.delivery.settle import Settler
from connector.delivery.suspension import Suspension
from connector.figures import figures, waiting
from connector.kafka.source import KafkaSource
from connector.seen.quota import Quota
from connector.types import OutcomeKind
from connector.workspace.surroundings import STOP_SECONDS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from connector.delivery.request import Destination
    from connector.kafka.connection import KafkaConnection
    from connector.kafka.sink import KafkaSink
    from connector.workspace.route import Route
    from connector.workspace.surroundings import Surroundings


class Deliveries:
    """From source topics to an API, as `route` says."""

    def __init__(self, route: Route, around: Surroundings) -> None:
        self._route = route
        self._around = around
        self._metrics = around.metrics.workspace(route.name)
        self.quota = Quota(
            route.quota,
            around.clock,
            owner=around.member.replica,
            ahead=route.quota.ahead,
            timeout_seconds=route.timeout_seconds,
        )
        self.lease = Lease(around.config.kafka.session_timeout_seconds)
        self.suspension = Suspension(route.probe)
        self._outcomes: Counter[OutcomeKind] = Counter()
        self._pump: Pump | None = None
        self._dispatcher: Dispatcher | None = None

    # Life

    async def start(
        self,
        connection: KafkaConnection,
        destination: Destination,
        results: KafkaSink,
        ending: AsyncExitStack,
    ) -> None:
        """Joins the group; `ending` undoes it. Raises KafkaUnavailable."""
        source = KafkaSource(connection, self._route.source)
        ending.push_async_callback(source.stop, STOP_SECONDS)
        pump, dispatcher = self._engine(destination, source, results)
        await source.start(pump)
        ending.callback(self._forget)
        self._pump, self._dispatcher = pump, dispatcher

    async def run(self, stop: asyncio.Event, drain_seconds: Callable[[], float]) -> None:
        """Delivers until `stop`, then settles what is on the wire within `drain_seconds()`.

        Raises RuntimeError before `start`, and whatever kills it.
        """
        if self._pump is None or self._dispatcher is None:
            raise RuntimeError("the deliveries have not been started")
        await self._pump.run(self._dispatcher, stop, drain_seconds)

    # What others see

    @property
    def is_running(self) -> bool:
        """Whether it has started, and has not ended."""
        return self._pump is not None

    @property
    def trouble(self) -> str | None:
        """Why records cannot be read from Kafka, None if they can, as far as is known; None while nothing runs."""
        return None if self._pump is None else self._pump.trouble

    @property
    def assignment(self) -> Assignment:
        """The partitions that are ours now, and how far each is."""
        return self._pump.assignment if self._pump else Assignment({})

    def unready(self) -> str | None:
        """Why it is not well, None if it is."""
        if self._pump is None:
            return "starting"
        if self._pump.trouble is not None:
            return self._pump.trouble
        if (state := self.suspension.state) is not None:
            return f"suspended: {state.reason}: {state.detail}"
        if self._pump.lost:
            return f"{self._pump.lost} records were deleted by retention before they were read"
        return None

    def status(self, reason: str | None, more: dict[str, float]) -> dict[str, object]:
        """Its figures, and `more` of them, as values that JSON knows; the gauges are set to the same.

        `reason` is why the whole that it belongs to is not well.
        """
        assignment, dispatcher = self.assignment, self._dispatcher
        found = figures(assignment, dispatcher, self.quota, self._around.clock.wall()) | more
        flags = {"suspended": self.suspension.state is not None, "ready": reason is None}
        for name, value in (found | flags).items():
            self._metrics.gauge(name, float(value))
        queues = waiting(dispatcher, self.quota)
        for priority, requests in queues.items():
            self._metrics.waiting(priority, requests)
        return {
            "state": self._state(),
            "reason": reason,
            **found,
            "waiting_requests": queues,
            "blocking": assignment.blocking[0] if assignment.blocking else None,
            "partitions": sorted(map(str, assignment.trackers)),
            "outcomes": {kind.value: self._outcomes[kind] for kind in OutcomeKind},
        }

    def _state(self) -> str:
        if self._pump is None:
            return "stopped"
        if self.suspension.state is not None:
            return "suspended"
        return "running" if self.assignment.trackers else "standby"

    # Wiring

    def _engine(
        self, destination: Destination, source: KafkaSource, results: KafkaSink
    ) -> tuple[Pump, Dispatcher]:
        route, clock, metrics = self._route, self._around.clock, self._metrics
        settler = Settler(results, route.origin, clock, metrics, self._outcomes)
        committer = Committer(route.name, source, self.quota, self.lease, clock, metrics)
        pump = Pump(route.name, source, route.readers, settler, route.bounds, metrics, committer)
        path = Path(
            destination,
            self.quota,
            self.lease,
            self.suspension,
            route.policy,
            route.max_in_flight,
            route.preparation,
            route.request,
        )
        dispatcher = Dispatcher(route.name, path, settler, clock, metrics, random.random, pump.settled)
        return pump, dispatcher

    def _forget(self) -> None:
        self._pump = self._dispatcher = None
