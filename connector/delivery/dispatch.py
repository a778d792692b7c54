"""Sending: takes a slot, then the heads whose turn it is, and carries out what their verdicts lead to.

The slot comes first: what is sent is chosen at the last moment, so a batch fills while it waits for the quota, and a
suspension that begins meanwhile is heeded.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from connector.delivery.delivery import Again, Delivery
from connector.delivery.lanes import Lanes
from connector.delivery.preparing import Preparing
from connector.delivery.request import Requests
from connector.types import Outcome, OutcomeKind, Partition

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from connector.clock import Clock
    from connector.delivery.offsets import OffsetTracker
    from connector.delivery.request import Path, Permit
    from connector.delivery.settle import Settler
    from connector.metrics import WorkspaceMetrics
    from connector.types import Record, Unsendable

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
        self._lanes: Lanes[Delivery] = Lanes()
        self._waiting: list[Delivery] = []
        self._preparing = Preparing(path.preparation, self._prepared, self._end)
        self.must_commit = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._wake = asyncio.Event()
        self._halted = False
        self._probing = False
        self._gathering_since: float | None = None
        self._most_ahead = path.max_in_flight * path.destination.batch.items
        self.in_flight = 0

    def submit(self, delivery: Delivery) -> None:
        """Takes on `delivery`: it leaves after those of its key, when there is a slot."""
        if delivery.in_doubt:
            delivery.not_before = self._clock.monotonic() + self._path.policy.look_up_after_seconds
        self._lanes.submit(delivery)
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
        self._lanes.clear()
        self._waiting.clear()
        self._path.suspension.forget(self._clock.monotonic())
        return cut_off

    async def cut_off(self) -> int:
        """Ends the epoch without waiting for what is on the wire: the next may begin meanwhile, in lanes of its own.

        Returns how many tasks were cut off. They end by themselves, and what they do until then is of their own lanes.
        """
        self._halted = True
        self._path.suspension.forget(self._clock.monotonic())
        self._tasks -= self._preparing.drop()
        tasks, self._lanes, self._waiting = set(self._tasks), Lanes(), []
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
        offsets: dict[Partition, list[int]] = {}
        for delivery in self._waiting:
            record = delivery.event.record
            offsets.setdefault(Partition(record.topic, record.partition), []).append(record.offset)
        return offsets

    @property
    def preparing(self) -> int:
        """How many events are being prepared."""
        return len(self._preparing)

    @property
    def ready(self) -> int:
        """How many events wait for nothing but a slot."""
        return self._lanes.ready

    def committed(self) -> None:
        """A commit was acknowledged: what waited for it is looked at again."""
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            self._lanes.put_back(delivery, 0.0)
        self._wake.set()

    def resume(self) -> None:
        """Sends again, after a drain."""
        self._halted = False
        self._wake.set()

    def _due(self) -> float | None:
        """When something may leave, in monotonic seconds; None if something must happen first."""
        time = self._lanes.next_time()
        busy = self.in_flight >= self._path.max_in_flight or len(self._waiting) >= self._most_ahead
        if time is None or self._halted or busy or not self._may_leave():
            return None
        if self._path.suspension.state is None:
            return (
                time if self._gathering_since is None else max(time, self._gathered_at(self._gathering_since))
            )
        return None if self._probing else max(time, self._path.suspension.next_probe)

    def _gathered_at(self, since: float) -> float:
        """When the batch that gathers since then need not wait for more; at once if it is full."""
        limits, quota = self._path.destination.batch, self._path.quota
        if self._lanes.ready >= limits.items:
            return since
        return since + limits.gathering_seconds(quota.spent, quota.interval)

    async def _until_due(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            if self._lanes.ready == 0:
                self._gathering_since = None
            elif self._gathering_since is None:
                self._gathering_since = now
            due = self._due()
            if due is not None and due <= now:
                self._set_aside(now)
                due = self._due()
            if due is not None and due <= now:
                return
            try:
                async with asyncio.timeout(None if due is None else min(due - now, self._look_seconds)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    @property
    def _look_seconds(self) -> float:
        """How long to wait at most before looking again: what is spent of the quota says how long a batch gathers."""
        return math.inf if self._gathering_since is None else _LOOK_SECONDS

    def _take(self, *, probe: bool) -> list[Delivery]:
        """The next batch: one look-up, or as many heads as one request carries; a probe is one."""
        now = self._clock.monotonic()
        due = self._due()
        if due is None or due > now:
            return []
        batch: list[Delivery] = []
        limits, size = self._path.destination.batch, 0
        most: float = 1 if probe else limits.items
        while len(batch) < most and (head := self._next_head(now)) is not None:
            most = min(most, head.most_together)
            is_too_much = len(batch) >= most or not limits.fits(size, len(head.event.body))
            if batch and (head.in_doubt or is_too_much):
                break
            self._lanes.take(now)
            if (outcome := head.too_old(self._clock.wall(), self._path.policy)) is not None:
                self._end(head, outcome, self._lanes)
                continue
            batch.append(head)
            size += len(head.event.body)
            if head.in_doubt:
                break
        if batch:
            self._gathering_since = None
        return batch

    def _next_head(self, now: float) -> Delivery | None:
        """The head whose turn it is, left where it is; None if there is none that may leave."""
        self._set_aside(now)
        head = self._lanes.peek(now)
        return head if head is not None and head.may_leave and not self._preparing.takes(head) else None

    def _set_aside(self, now: float) -> None:
        """Takes away the heads whose turn it is and that may not leave yet: before they are prepared, before a commit, or
        before their time.
        """
        while len(self._waiting) < self._most_ahead and (head := self._lanes.peek(now)) is not None:
            if self._preparing.takes(head):
                self._lanes.take(now)
                self._preparing.begin(head, self._lanes, self._start)
            elif not head.may_leave:
                self._lanes.take(now)
                self._waiting.append(head)
                self.must_commit.set()
            elif head.not_before > now:
                self._lanes.take(now)
                self._lanes.put_back(head, head.not_before)
            else:
                return

    def _may_leave(self) -> bool:
        return self._path.lease.holds(self._clock.monotonic())

    def _send(self, batch: list[Delivery], slot: Permit, *, probe: bool) -> None:
        self.in_flight += 1
        self._probing = self._probing or probe
        work = self._attempt(batch, slot, self._lanes, probe=probe)
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
        for delivery, outcome in ended[
            1:
        ]:  # at once: an outcome each, one after the other, would keep a batch's lanes long
            self._end(delivery, outcome, lanes)
        for delivery, outcome in ended[:1]:
            await self._settle(delivery, outcome, lanes)

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
