"""One replica of one workspace: the engine, wired as `connector.workspace.deliveries` wires it, in a process to be killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import jmespath

from connector.delivery.attempt import DeliveryPolicy
from connector.delivery.backoff import Backoff
from connector.delivery.batch import BatchLimits
from connector.delivery.commit import Committer
from connector.delivery.dispatch import Dispatcher
from connector.delivery.lease import Lease
from connector.delivery.pump import Bounds, Pump
from connector.delivery.request import Path
from connector.delivery.settle import Origin, Settler
from connector.delivery.suspension import Suspension
from connector.metrics import Metrics
from connector.outbound.data import DataDestination
from connector.outbound.mapping import Mapping
from connector.outbound.receivers import ReceiversDestination
from connector.seen.limits import QuotaLimits
from connector.seen.quota import Quota
from connector.seen.receiver import ReceiverRules
from tests.simulation.broker import Group, Member
from tests.simulation.client import SimulatedClient
from tests.simulation.history import Died, Sample
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.plan import SESSION_SECONDS
from tests.simulation.preparing import SimulatedPreparation
from tests.simulation.topics import DEAD_LETTERS, OUTCOMES, SOURCE
from tests.simulation.values import IMAGE

if TYPE_CHECKING:
    from random import Random

    from connector.delivery.request import Destination
    from connector.metrics import WorkspaceMetrics
    from connector.seen.client import SeenClient
    from connector.types import OutcomeKind
    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan
    from tests.simulation.seen import SimulatedSeen
    from tests.simulation.settings import Limits

_WHERE = jmespath.compile("type != 'other'")
PROBE = Backoff(1, 60)


@cache
def _series(workspace: str) -> WorkspaceMetrics:
    """One for all courses of a process: nobody looks at them, and they take a while to make."""
    return Metrics("0.0.0").workspace(workspace)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the replicas of a workspace share. `start` is the Unix time at the loop's zero."""

    plan: WorkspacePlan
    loop: VirtualLoop
    group: Group
    seen: SimulatedSeen
    history: list[Entry]
    random: Random
    start: float


class SkewedClock:
    """The loop's clock; its wall time is wrong by `skew` seconds."""

    def __init__(self, loop: VirtualLoop, start: float, skew: float) -> None:
        self._loop = loop
        self._start = start + skew

    def wall(self) -> float:
        """Unix time in seconds, as this replica has it."""
        return self._start + self._loop.time()

    def monotonic(self) -> float:
        """The loop's seconds."""
        return self._loop.time()


class Replica:
    """A running engine."""

    def __init__(self, number: int, around: Surroundings) -> None:
        self.number = number
        self._around = around
        self.process = Process(around.loop)
        self.member = Member(number, around.group, self.process)
        self._client = SimulatedClient(around.seen, around.plan, number, around.history)
        self.counts: Counter[OutcomeKind] = Counter()
        self._stop = asyncio.Event()
        self.is_alive = True
        self._wire()
        self.running = self.process.start(self._run(), f"replica {number}")

    def _wire(self) -> None:
        plan, limits, random = self._around.plan, self._around.plan.limits, self._around.random
        clock = SkewedClock(self._around.loop, self._around.start, random.uniform(-2.4, 2.4))
        series = _series(plan.name)
        allowed = QuotaLimits(limits.requests, limits.per_seconds, limits.grace_seconds)
        quota = Quota(
            allowed,
            clock,
            owner=f"replica-{self.number}",
            ahead=allowed.ahead,
            timeout_seconds=limits.timeout_seconds,
        )
        lease = Lease(SESSION_SECONDS)
        settler = Settler(
            self.member, Origin(plan.name, "0.0.0", OUTCOMES, DEAD_LETTERS), clock, series, self.counts
        )
        path = Path(
            _destination(limits, cast("SeenClient", self._client)),
            quota,
            lease,
            Suspension(PROBE),
            _policy(limits),
            limits.max_in_flight,
            SimulatedPreparation(plan, self.number, random, self._around.history) if limits.images else None,
        )
        bounds = Bounds(limits.max_buffered, 33_554_432, limits.max_uncommitted)
        committer = Committer(plan.name, self.member, quota, lease, clock, series)
        self.pump = Pump(
            plan.name, self.member, {SOURCE: _reader(limits)}, settler, bounds, series, committer
        )
        self.dispatcher = Dispatcher(
            plan.name, path, settler, clock, series, random.random, self.pump.settled
        )
        self.member.ownership = self.pump

    async def _run(self) -> None:
        drain = self._around.random.choice((1.0, 5.0, 17.0))
        try:
            await self.pump.run(self.dispatcher, self._stop, lambda: drain)
        except Exception as error:  # noqa: BLE001 - whatever kills an engine is what we want to know
            why = repr(error.exceptions) if isinstance(error, ExceptionGroup) else repr(error)
            self._around.history.append(
                Died(self._around.loop.time(), self._around.plan.name, self.number, why)
            )
            self.is_alive = False

    async def stop(self) -> None:
        """Stops it as SIGTERM does, and leaves the group."""
        self._stop.set()
        await asyncio.wait([self.running])
        self.is_alive = False

    def kill(self) -> None:
        """Ends it as SIGKILL does: from now on not a line of it is run, and its connections are closed."""
        self.is_alive = False
        self.process.stop()
        self._client.close()

    def bury(self) -> None:
        """Lets a killed one's tasks end, when nobody looks any more."""
        for task in self.process.tasks:
            task.cancel()
        self.process.go_on()

    def sample(self) -> Sample:
        """How much it holds."""
        trackers = self.pump.assignment.trackers.values()
        return Sample(
            at=self._around.loop.time(),
            ws=self._around.plan.name,
            replica=self.number,
            buffered=self.pump.assignment.buffered,
            span=max((tracker.span for tracker in trackers), default=0),
            in_flight=self.dispatcher.in_flight,
            tasks=self.process.running,
        )


def _destination(limits: Limits, client: SeenClient) -> Destination:
    if limits.api == "data":
        return DataDestination(client, _as_it_is)
    room = limits.max_request_bytes - limits.max_items - 1
    batch = BatchLimits(limits.max_items, room, limits.max_wait_seconds)
    return ReceiversDestination(client, batch, _as_it_is, takes_existing=limits.takes_existing)


def _as_it_is(text: str) -> str:
    return text


def _policy(limits: Limits) -> DeliveryPolicy:
    return DeliveryPolicy(
        backoff=Backoff(1, 60),
        give_up_after_seconds=limits.give_up_after_seconds,
        ttl_seconds=None,
        look_up_in_doubt=limits.look_up,
        look_up_after_seconds=limits.timeout_seconds,
    )


def _reader(limits: Limits) -> Mapping:
    return Mapping(
        where=_WHERE,
        properties=None,
        receiver=None if limits.api == "data" else ReceiverRules(),
        tombstones=limits.tombstones,
        images=() if limits.images is None else (IMAGE,),
        on_bad_image=limits.images or "reject",
        fetch_images=limits.images is not None,
        max_record_bytes=524_288,
        max_request_bytes=limits.max_request_bytes,
    )
