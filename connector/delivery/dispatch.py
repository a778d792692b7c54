"""Sending: takes a slot, then the heads whose turn it is, and carries out what their verdicts lead to.

The slot comes first: what is sent is chosen at the last moment, so a batch fills while it waits for the quota, and a
suspension that begins meanwhile is heeded.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import structlog

from connector.delivery.delivery import Again, Attempt, Delivery, DeliveryPolicy
from connector.delivery.lanes import Lanes
from connector.types import Absent, Accepted, InDoubt, Reason, Reject, Retry, Suspend

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

    from connector.clock import Clock
    from connector.delivery.settle import Settler
    from connector.delivery.suspension import Suspension
    from connector.metrics import WorkspaceMetrics
    from connector.types import Event, Outcome, Sighting, Verdict

log = structlog.get_logger()

_LONGEST_HOLD_SECONDS = 3600.0
_VERDICTS = {
    Accepted: "accepted",
    Reject: "reject",
    Retry: "retry",
    Suspend: "suspend",
    InDoubt: "in_doubt",
    Absent: "absent",
}


class Permit(Protocol):
    """A slot of the quota, left as a context; the destination says on it what became of its request."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def answered(self) -> None:
        """The response has ended."""
        ...

    def unused(self) -> None:
        """Nothing was written."""
        ...


class Slots(Protocol):
    """The quota, as its user sees it."""

    async def slot(self) -> Permit:
        """Waits for the right to send one request."""
        ...

    def hold(self, seconds: float | None) -> None:
        """Gives no slot for `seconds`; for a whole window if None."""
        ...


class Destination(Protocol):
    """An API that takes events: the engine's one port."""

    @property
    def max_items(self) -> int:
        """How many events one request may carry."""
        ...

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """Sends `batch` in one request; a verdict for each event, in order. Never raises for what a server does."""
        ...

    async def look_up(self, event: Event, permit: Permit) -> Sighting:
        """Asks in one request whether `event` is there with the same values. Never raises for what a server does."""
        ...

    async def renew_credentials(self) -> None:
        """Reads the secret anew: called before each probe of a suspended workspace."""
        ...


@dataclass(frozen=True, slots=True)
class Path:
    """What a dispatcher sends over: the API, its quota, and what decides."""

    destination: Destination
    quota: Slots
    suspension: Suspension
    policy: DeliveryPolicy
    max_in_flight: int


class Dispatcher:
    """The requests of one workspace. `run` owns every task that it starts."""

    def __init__(
        self,
        workspace: str,
        path: Path,
        settler: Settler,
        clock: Clock,
        metrics: WorkspaceMetrics,
        chance: Callable[[], float],
        on_settled: Callable[[], None],
    ) -> None:
        """`chance` gives uniform numbers in [0, 1); `on_settled` is called after each settled delivery."""
        self._workspace = workspace
        self._path = path
        self._settler = settler
        self._clock = clock
        self._metrics = metrics
        self._chance = chance
        self._on_settled = on_settled
        self._lanes: Lanes[Delivery] = Lanes()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._wake = asyncio.Event()
        self._halted = False
        self._probing = False
        self.in_flight = 0

    def submit(self, delivery: Delivery) -> None:
        """Takes on `delivery`: it leaves after those of its key, when there is a slot."""
        self._lanes.submit(delivery)
        self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            while True:
                await self._until_due()
                slot = await self._path.quota.slot()
                probe = self._path.suspension.state is not None
                batch = self._take(probe=probe)
                if not batch:
                    with slot:
                        slot.unused()
                    continue
                self.in_flight += 1
                self._probing = self._probing or probe
                self._start(
                    self._attempt(batch, slot, probe=probe), f"attempt {batch[0].event.record.origin}"
                )

    async def drain(self, seconds: float) -> bool:
        """Stops sending and drops what waits; True if what was on the wire was settled within `seconds`."""
        self._halted = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        self._lanes.clear()
        return not self._tasks

    def resume(self) -> None:
        """Sends again, after a drain."""
        self._halted = False
        self._wake.set()

    def _due(self) -> float | None:
        """When something may leave, in monotonic seconds; None if something must happen first."""
        time = self._lanes.next_time()
        if time is None or self._halted or self.in_flight >= self._path.max_in_flight:
            return None
        if self._path.suspension.state is None:
            return time
        return None if self._probing else max(time, self._path.suspension.next_probe)

    async def _until_due(self) -> None:
        while True:
            self._wake.clear()
            due, now = self._due(), self._clock.monotonic()
            if due is not None and due <= now:
                return
            try:
                async with asyncio.timeout(None if due is None else due - now):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self, *, probe: bool) -> list[Delivery]:
        """The next batch: one look-up, or as many heads as one request carries; a probe is one."""
        now = self._clock.monotonic()
        due = self._due()
        if due is None or due > now:
            return []
        batch: list[Delivery] = []
        limit = 1 if probe else self._path.destination.max_items
        while len(batch) < limit and (head := self._lanes.peek(now)) is not None:
            if batch and head.in_doubt:
                break
            self._lanes.take(now)
            if (outcome := head.too_old(self._clock.wall(), self._path.policy)) is not None:
                self._start(self._settle(head, outcome), f"expire {head.event.record.origin}")
                continue
            batch.append(head)
            if head.in_doubt:
                break
        return batch

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        if self._group is None:
            raise RuntimeError("the dispatcher does not run")
        task = self._group.create_task(work, name=f"{self._workspace}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, batch: list[Delivery], slot: Permit, *, probe: bool) -> None:
        sent_at = self._clock.monotonic()
        for delivery in batch:
            delivery.begin_attempt(self._clock.wall())
        try:
            findings = await self._ask(batch, slot, probe=probe)
        finally:
            self.in_flight -= 1
            self._wake.set()
        attempt = Attempt(sent_at, self._clock.monotonic(), self._chance())
        self._metrics.attempt_seconds.observe(attempt.ended_at - sent_at)
        steps = [
            self._step(delivery, finding, attempt) for delivery, finding in zip(batch, findings, strict=True)
        ]
        if probe:
            self._probed(findings, attempt.ended_at)
        for delivery, step in zip(batch, steps, strict=True):
            await self._carry_out(delivery, step)

    async def _ask(
        self, batch: list[Delivery], slot: Permit, *, probe: bool
    ) -> Sequence[Verdict] | Sequence[Sighting]:
        destination = self._path.destination
        with slot:
            if probe:
                await destination.renew_credentials()
            if batch[0].in_doubt:
                return [await destination.look_up(batch[0].event, slot)]
            return await destination.send([delivery.event for delivery in batch], slot)

    def _step(self, delivery: Delivery, finding: Verdict | Sighting, attempt: Attempt) -> Outcome | Again:
        was_suspended = self._path.suspension.state
        look_up = delivery.in_doubt
        step = delivery.after(finding, attempt, self._path.suspension, self._path.policy)
        if isinstance(finding, Retry) and (
            finding.reason is Reason.OVER_QUOTA or finding.hold_seconds is not None
        ):
            asked = finding.hold_seconds
            self._path.quota.hold(None if asked is None else min(asked, _LONGEST_HOLD_SECONDS))
        self._metrics.attempt(_VERDICTS[type(finding)], finding.reason)
        log.info(
            "attempt",
            workspace=self._workspace,
            id=delivery.event.id,
            origin=delivery.event.record.origin,
            attempt=delivery.attempts,
            request="look_up" if look_up else "create",
            verdict=_VERDICTS[type(finding)],
            reason=finding.reason,
            status=finding.status,
            seconds=round(attempt.ended_at - attempt.sent_at, 4),
            decision=f"again in {max(0.0, step.at - attempt.ended_at):.1f} s"
            if isinstance(step, Again)
            else step.kind,
        )
        self._note_suspension(was_suspended is not None)
        return step

    def _note_suspension(self, was_suspended: bool) -> None:  # noqa: FBT001 - private, one caller
        state = self._path.suspension.state
        if state is not None and not was_suspended:
            log.error(
                "workspace_suspended", workspace=self._workspace, reason=state.reason, detail=state.detail
            )
        elif state is None and was_suspended:
            log.info("workspace_resumed", workspace=self._workspace)

    def _probed(self, findings: Sequence[Verdict] | Sequence[Sighting], now: float) -> None:
        self._probing = False
        if all(isinstance(finding, Absent | Reject) for finding in findings):
            self._path.suspension.probe_answered(now)
        else:
            self._path.suspension.probe_failed(now)
        self._wake.set()

    async def _carry_out(self, delivery: Delivery, step: Outcome | Again) -> None:
        if not isinstance(step, Again):
            await self._settle(delivery, step)
        elif not delivery.tracker.ended:
            self._lanes.put_back(delivery, step.at)
            self._wake.set()

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        await self._settler.settle(delivery.event.record, delivery.event.id, outcome, delivery.tracker)
        if not delivery.tracker.ended:
            self._lanes.finish(delivery)
            self._on_settled()
            self._wake.set()
