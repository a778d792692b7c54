"""The engine of one workspace, wired as `connector.workspace.deliveries` wires it, with doubles at its edges."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import orjson

from connector.delivery.attempt import DeliveryPolicy
from connector.delivery.backoff import Backoff
from connector.delivery.commit import Committer
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lease import Lease
from connector.delivery.pump import Bounds, Pump
from connector.delivery.request import Path
from connector.delivery.settle import Origin, Settler
from connector.delivery.suspension import Suspension
from connector.metrics import Metrics
from connector.outbound.mapping import Mapping
from connector.seen.limits import QuotaLimits
from connector.seen.quota import Quota
from connector.testing.clocks import VirtualClock
from connector.testing.destination import ScriptedDestination
from connector.testing.topics import MemoryTopics
from connector.types import OutcomeKind, Partition

if TYPE_CHECKING:
    from types import TracebackType

    from connector.delivery.preparing import Preparation
    from connector.types import Record

OUTCOMES, DEAD_LETTERS = "outcomes", "dead-letters"
SOURCE = Partition("events", 0)

LIMITS = QuotaLimits(requests=100, per_seconds=10, grace_seconds=10)
POLICY = DeliveryPolicy(
    backoff=Backoff(1, 60),
    give_up_after_seconds=3600,
    ttl_seconds=None,
    look_up_in_doubt=True,
    look_up_after_seconds=30,
)
PROBE = Backoff(1, 60)
BOUNDS = Bounds(max_buffered=1000, max_buffered_bytes=33_554_432, max_uncommitted=10_000)
READER = Mapping(
    where=None,
    properties=None,
    tombstones="reject",
    images=(),
    on_bad_image="reject",
    max_record_bytes=524_288,
    max_request_bytes=262_144,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The settings of one engine, by default those of the configuration. `chance` is what its jitter always draws, in [0, 1)."""

    limits: QuotaLimits = LIMITS
    policy: DeliveryPolicy = POLICY
    probe: Backoff = PROBE
    bounds: Bounds = BOUNDS
    reader: Mapping = READER
    preparation: Preparation | None = None
    max_in_flight: int = 32
    chance: float = 0.5
    drain_seconds: float = 17.0
    session_timeout_seconds: float = 30.0


class Simulation:
    """A running engine, as an asynchronous context: partition 0 of the topic `events` is assigned to it at its start.

    Leaving the context stops it as SIGTERM would; what killed it, if anything did, is raised there.
    """

    def __init__(
        self,
        destination: ScriptedDestination | None = None,
        settings: EngineSettings | None = None,
        topics: MemoryTopics | None = None,
        owner: str = "replica-1",
    ) -> None:
        """Must be made inside a running loop. `topics` of an engine that has ended are what its successor finds, which is
        of another `owner` if it runs elsewhere.
        """
        self.destination = destination or ScriptedDestination()
        self.settings = settings or EngineSettings()
        self.topics = topics or MemoryTopics()
        self.clock = VirtualClock()
        self.metrics = Metrics("0.0.0")
        self.quota = Quota(
            self.settings.limits,
            self.clock,
            owner=owner,
            ahead=self.settings.max_in_flight,
            timeout_seconds=self.settings.policy.look_up_after_seconds,
        )
        self.suspension = Suspension(self.settings.probe)
        self.counts: Counter[OutcomeKind] = Counter()
        series = self.metrics.workspace("acme")
        settler = Settler(
            self.topics, Origin("acme", "0.0.0", OUTCOMES, DEAD_LETTERS), self.clock, series, self.counts
        )
        lease = Lease(self.settings.session_timeout_seconds)
        path = Path(
            self.destination,
            self.quota,
            lease,
            self.suspension,
            self.settings.policy,
            self.settings.max_in_flight,
            self.settings.preparation,
        )
        self.pump = Pump(
            "acme",
            self.topics,
            {SOURCE.topic: self.settings.reader},
            settler,
            self.settings.bounds,
            series,
            Committer("acme", self.topics, self.quota, lease, self.clock, series),
        )
        self.dispatcher = Dispatcher(
            "acme", path, settler, self.clock, series, lambda: self.settings.chance, self.pump.settled
        )
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        run = self.pump.run(self.dispatcher, self._stop, lambda: self.settings.drain_seconds)
        self._running = asyncio.create_task(run, name="simulation")
        await asyncio.sleep(0)
        self.topics.assign(self.pump, SOURCE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._running is not None:
            await self._running

    async def crash(self) -> None:
        """Ends the engine as `kill -9` would: nothing is drained, committed or said."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    def add(
        self, event_id: str, *, key: str | None = None, age_seconds: float = 0.0, **properties: object
    ) -> Record:
        """Appends an event to the source topic; without a `key` its id is its order key."""
        return self.topics.add(
            SOURCE,
            orjson.dumps({"id": event_id, **properties}),
            key=None if key is None else key.encode(),
            timestamp_ms=math.floor((self.clock.wall() - age_seconds) * 1000),
        )

    def value(self, name: str, **labels: str) -> float:
        """The value of a series, its name without `seen_connector_`. Raises KeyError if there is none."""
        series = {"workspace": "acme", **labels}
        value = self.metrics.registry.get_sample_value(f"seen_connector_{name}", series)
        if value is None:
            raise KeyError(name)
        return value

    @property
    def committed(self) -> int | None:
        """The committed offset of the source partition; None before the first commit."""
        return self.topics.committed.get(SOURCE)

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """The data of the outcomes that were published, in order, each with the `type` of its event."""
        return [
            {
                **orjson.loads(message.value or b"{}"),
                "type": (dict(message.headers)["ce_type"] or b"").decode(),
            }
            for message in self.topics.messages(OUTCOMES)
        ]
