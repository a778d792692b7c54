"""Sending: takes a slot, then the heads whose turn it is, and carries out what their verdicts lead to.

The slot comes first: what is sent is chosen at the last moment, so a batch fills while it waits for the quota, and a
suspension that begins meanwhile is heeded.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from connector.delivery.attempt import Again
from connector.delivery.preparing import Preparing
from connector.delivery.request import Requests
from connector.delivery.turns import Turns
from connector.types import Outcome, OutcomeKind, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from connector.clock import Clock
    from connector.delivery.delivery import Delivery
    from connector.delivery.lanes import Lanes
    from connector.delivery.offsets import OffsetTracker
    from connector.delivery.request import Path, Permit
    from connector.delivery.settle import Settler
    from connector.metrics import WorkspaceMetrics
    from connector.types import Partition, Record, Unsendable

_LOOK_SECONDS = 1.0


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
        self._requests = Requests(workspace, path, clock, metrics, chance)
        self._on_settled = on_settled
        self._preparing = Preparing(path.preparation, self._prepared, self._end)
        self.must_commit = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._wake = asyncio.Event()
        self._halted = False
        self._probing = False
        self._most_ahead = path.max_in_flight * path.destination.batch.items
        self._turns = Turns(path.destination.batch, path.policy, self._most_ahead, self)
        self.in_flight = 0

    def submit(self, delivery: Delivery) -> None:
        """Takes on `delivery`: it leaves after those of its key, when there is a slot."""
        if delivery.in_doubt:
            delivery.not_before = self._clock.monotonic() + self._path.policy.look_up_after_seconds
        self._turns.lanes.submit(delivery)
        self._wake.set()

    def refuse(self, record: Record, fault: Unsendable, tracker: OffsetTracker) -> None:
        """Dead-letters a record that can be no event: that takes no slot, and waits for no lane."""
        outcome = Outcome(kind=OutcomeKind.REJECTED, reason=fault.reason, detail=fault.detail)
        self._start(self._bury(record, fault.id, outcome, tracker), f"refuse {record.origin}")

    async def run(self) -> None:
        """Sends until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            while True:
                await self._until_due()
                slot = await self._path.quota.slot(self._may_leave)
                probe = self._path.suspension.state is not None
                batch = self._take(probe=probe)
                if not batch:
                    with slot:
                        slot.unused()
                    continue
                self._send(batch, slot, probe=probe)

    async def drain(self, seconds: float) -> int:
        """Ends the epoch: sends nothing more, and drops what waits. What is on the wire may be settled within `seconds`.

        What is not is cut off: it comes again, and must not meet itself. Returns how many tasks that were.
        """
        self._halted = True
        if dropped := self._preparing.drop():
            await asyncio.wait(dropped)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        cut_off = 0
        while late := set(self._tasks):  # more may begin while these end: records are handed out all the time
            for task in late:
                task.cancel()
            await asyncio.wait(late)
            cut_off += len(late)
        self._turns.renew()
        self._path.suspension.forget(self._clock.monotonic())
        return cut_off

    async def cut_off(self) -> int:
        """Ends the epoch without waiting for what is on the wire: the next may begin meanwhile, in lanes of its own.

        Returns how many tasks were cut off. They end by themselves, and what they do until then is of their own lanes.
        """
        self._halted = True
        self._path.suspension.forget(self._clock.monotonic())
        self._tasks -= self._preparing.drop()
        tasks = set(self._tasks)
        self._turns.renew()
        # A task that is cancelled before it begins would not take back what it counts for.
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        return len(tasks)

    @property
    def looks_up(self) -> bool:
        """Whether what is in doubt is looked up before it is sent again."""
        return self._path.policy.look_up_in_doubt

    @property
    def ahead(self) -> int:
        """How many offsets beyond what has left a commit promises, so that sending does not wait for each commit."""
        return self._most_ahead

    @property
    def waiting(self) -> dict[Partition, list[int]]:
        """The offsets of the events that may leave after a commit has promised it."""
        return self._turns.unpromised

    @property
    def items(self) -> int:
        """How many events a request carries that is full."""
        return self._path.destination.batch.items

    @property
    def preparing(self) -> int:
        """How many events are being prepared."""
        return len(self._preparing)

    @property
    def ready(self) -> int:
        """How many events wait for nothing but a slot."""
        return self._turns.lanes.ready

    def committed(self) -> None:
        """A commit was acknowledged: what waited for it is looked at again."""
        self._turns.promised()
        self._wake.set()

    def resume(self) -> None:
        """Sends again, after a drain."""
        self._halted = False
        self._wake.set()

    def _possible(self) -> float | None:
        """When something may leave, in monotonic seconds; None if something must happen first."""
        time = self._turns.next_time()
        busy = self.in_flight >= self._path.max_in_flight
        if time is None or self._halted or busy or not self._may_leave():
            return None
        if self._path.suspension.state is None:
            return time
        return None if self._probing else max(time, self._path.suspension.next_probe)

    def _due(self) -> float | None:
        """When something is to leave: a batch gathers first, a probe does not."""
        time = self._possible()
        if time is None or self._path.suspension.state is not None:
            return time
        return max(time, self._turns.gathered_at(self._path.quota))

    async def _until_due(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            self._turns.look(now)
            possible = self._possible()
            if possible is not None and possible <= now:
                self._turns.set_aside(now)
            due = self._due()
            if due is not None and due <= now:
                return
            look_seconds = _LOOK_SECONDS if self._turns.gathers else math.inf
            try:
                async with asyncio.timeout(None if due is None else min(due - now, look_seconds)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self, *, probe: bool) -> list[Delivery]:
        now = self._clock.monotonic()
        # A batch that was to leave has gathered. The slot that it has now is used, too: it would gather for longer.
        possible = self._possible()
        if possible is None or possible > now:
            return []
        return self._turns.take(now, self._clock.wall(), 1 if probe else math.inf)

    # What becomes of heads that leave their lanes without a request: connector.delivery.turns.Aside

    def takes(self, delivery: Delivery) -> bool:
        """Whether `delivery` must be prepared before it may leave."""
        return self._preparing.takes(delivery)

    def prepare(self, delivery: Delivery) -> None:
        """Prepares `delivery`, which was taken from its lane, and returns it to it."""
        self._preparing.begin(delivery, self._turns.lanes, self._start)

    def promise(self) -> None:
        """Has a commit promise what waits for it."""
        self.must_commit.set()

    def end(self, delivery: Delivery, outcome: Outcome) -> None:
        """Settles `delivery`, which was taken from its lane, and finishes it there."""
        self._end(delivery, outcome, self._turns.lanes)

    def pass_over(self, delivery: Delivery) -> None:
        """Settles `delivery`, whose lane goes on already with a later one."""
        self._settler.skip(delivery.event.record, Reason.SUPERSEDED, delivery.tracker)
        self._on_settled()

    def _may_leave(self) -> bool:
        return self._path.lease.holds(self._clock.monotonic())

    def _send(self, batch: list[Delivery], slot: Permit, *, probe: bool) -> None:
        self.in_flight += 1
        self._probing = self._probing or probe
        work = self._attempt(batch, slot, self._turns.lanes, probe=probe)
        task = self._start(work, f"attempt {batch[0].event.record.origin}")
        # A task that is cancelled before its first step runs nothing: its slot would be held for ever.
        task.add_done_callback(lambda _: slot.unused())
        if self._path.quota.wants_account:
            self.must_commit.set()

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        if self._group is None:
            raise RuntimeError("the dispatcher does not run")
        task = self._group.create_task(work, name=f"{self._workspace}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _attempt(
        self, batch: list[Delivery], slot: Permit, lanes: Lanes[Delivery], *, probe: bool
    ) -> None:
        try:
            steps = await self._requests.make(batch, slot, probe=probe)
        finally:
            self.in_flight -= 1
            self._probing = self._probing and not probe
            self._wake.set()
        ended: list[tuple[Delivery, Outcome]] = []
        for delivery, step in zip(batch, steps, strict=True):
            if isinstance(step, Again):
                self._return(delivery, step, lanes)
            else:
                ended.append((delivery, step))
        # All at once: one after the other, they would keep a batch's lanes for long. And this ends with the last of them: a
        # drain waits for what was on the wire when it began.
        others = [
            self._start(self._settle(delivery, outcome, lanes), f"settle {delivery.event.record.origin}")
            for delivery, outcome in ended[1:]
        ]
        for delivery, outcome in ended[:1]:
            await self._settle(delivery, outcome, lanes)
        if others:
            await asyncio.wait(others)

    def _return(self, delivery: Delivery, step: Again, lanes: Lanes[Delivery]) -> None:
        if step.first:
            lanes.put_first(delivery)
        elif self._path.suspension.state is None:
            lanes.put_back(delivery, step.at)
        else:
            lanes.put_last(delivery, max(step.at, self._path.suspension.next_probe))

    def _prepared(self, delivery: Delivery, lanes: Lanes[Delivery]) -> None:
        if delivery.attempts:
            lanes.put_first(delivery)  # a look-up found nothing: its request follows at once
        else:
            lanes.put_last(delivery, 0.0)  # it was never sent: a retry goes before it
        self._wake.set()

    def _end(self, delivery: Delivery, outcome: Outcome, lanes: Lanes[Delivery]) -> None:
        self._start(self._settle(delivery, outcome, lanes), f"settle {delivery.event.record.origin}")

    async def _bury(
        self, record: Record, event_id: str | None, outcome: Outcome, tracker: OffsetTracker
    ) -> None:
        await self._settler.settle(record, event_id, outcome, tracker)
        self._on_settled()

    async def _settle(self, delivery: Delivery, outcome: Outcome, lanes: Lanes[Delivery]) -> None:
        await self._settler.settle(delivery.event.record, delivery.event.id, outcome, delivery.tracker)
        lanes.finish(delivery)
        self._wake.set()
        self._on_settled()
