"""Runs the course of a plan, on virtual time, and gives the history of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import structlog

from connector.types import OutcomeKind
from tests.simulation.broker import Group
from tests.simulation.engine import Replica, Surroundings
from tests.simulation.history import Drained, Turn
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import SESSION_SECONDS
from tests.simulation.seen import SimulatedSeen
from tests.simulation.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulation.history import Entry
    from tests.simulation.plan import Plan, PlannedTurn, WorkspacePlan

START = 1_800_000_000.0
_LONGEST_DRAIN_SECONDS = 4000.0
_ALONE_SECONDS = 200
_SAMPLE_SECONDS = 5.0


def run(plan: Plan, history: list[Entry]) -> None:
    """Writes the history of `plan`'s course, always the same. Raises StandsStillError where it does not end."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(_World(plan, loop, history).run())
    finally:
        loop.close()


def be_silent() -> None:
    """Has the whole process log nothing: it would be most of the time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


class _World:
    def __init__(self, plan: Plan, loop: VirtualLoop, history: list[Entry]) -> None:
        self._workspaces = [_Workspace(each, plan.seed, loop, history) for each in plan.workspaces]
        self._history = history

    async def run(self) -> None:
        await asyncio.gather(*(each.run() for each in self._workspaces))
        length = len(self._history)
        for each in self._workspaces:
            each.bury()
        await asyncio.sleep(1)
        del self._history[length:]


class _Workspace:
    """One workspace: its topics, its SEEN, its replicas, and what happens to them."""

    def __init__(self, plan: WorkspacePlan, seed: int, loop: VirtualLoop, history: list[Entry]) -> None:
        self._plan = plan
        self._loop = loop
        self._history = history
        self._random = Random(f"{seed}/{plan.name}/turns")
        self._topics = Topics(plan, loop, Random(f"{seed}/{plan.name}/kafka"), START, history)
        self._group = Group(self._topics)
        seen = SimulatedSeen(plan, loop, Random(f"{seed}/{plan.name}/seen"), history)
        chances = Random(f"{seed}/{plan.name}/engine")
        self._around = Surroundings(plan, loop, self._group, seen, history, chances, START)
        self._replicas: list[Replica] = []
        self._turns: dict[str, Callable[[PlannedTurn], Awaitable[None]]] = {
            "rebalance": self._rebalance,
            "hand over": self._hand_over,
            "crash": self._crash,
            "stop": self._stop,
            "pause": self._pause,
            "fenced": self._fenced,
            "zombie": self._zombie,
            "cut off": self._cut_off,
        }

    async def run(self) -> None:
        """Lives through the course, and on until all is drained, or the time for that is over."""
        self._owner = self._new_replica()
        self._group.give(self._owner.member)
        sampling = asyncio.create_task(self._sample())
        await asyncio.gather(self._produce(), self._take_turns())
        left = await self._drain() or await self._leave_one_alone()
        await self._owner.stop()
        sampling.cancel()
        skipped = sum(each.counts[OutcomeKind.SKIPPED] for each in self._replicas)
        self._history.append(Drained(self._loop.time(), self._plan.name, left, skipped))

    def bury(self) -> None:
        """Lets all that is left of the replicas end."""
        for each in self._replicas:
            each.bury()

    async def _produce(self) -> None:
        for planned in self._plan.records:
            await self._sleep_until(planned.at)
            self._topics.produce(planned)

    async def _drain(self) -> int:
        await self._sleep_until(self._plan.calm_at)
        wanted = {each.number for each in self._plan.records if each.ends != "skipped"}
        canaries = iter(self._plan.canaries)
        until = self._loop.time() + _LONGEST_DRAIN_SECONDS
        next_canary = 0.0
        while self._loop.time() < until and self._topics.uncommitted:
            if self._loop.time() >= next_canary and not wanted <= self._topics.settled:
                next_canary = self._loop.time() + 20
                if (planned := next(canaries, None)) is not None:
                    self._topics.produce(planned)
            await asyncio.sleep(2)
        return self._topics.uncommitted

    async def _leave_one_alone(self) -> int:
        """Writes one event where nothing has been sent for longer than a window, and waits until it is settled."""
        limits = self._plan.limits
        await asyncio.sleep(limits.per_seconds + limits.grace_seconds + limits.timeout_seconds)
        self._topics.produce(self._plan.alone)
        for _ in range(_ALONE_SECONDS):
            if not self._topics.uncommitted:
                break
            await asyncio.sleep(1)
        return self._topics.uncommitted

    def _new_replica(self) -> Replica:
        replica = Replica(len(self._replicas), self._around)
        self._replicas.append(replica)
        self._note(replica, "start")
        return replica

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            self._history.extend(each.sample() for each in self._replicas if each.is_alive)

    # Turns

    async def _take_turns(self) -> None:
        for turn in self._plan.turns:
            await self._sleep_until(turn.at)
            await self._turns[turn.what](turn)

    async def _rebalance(self, turn: PlannedTurn) -> None:
        self._note(self._owner, "rebalance")
        await self._group.rebalance(self._owner.member)

    async def _hand_over(self, turn: PlannedTurn) -> None:
        before, self._owner = self._owner, self._new_replica()
        self._note(before, "hand over")
        await asyncio.sleep(1)
        await self._group.rebalance(self._owner.member)
        await asyncio.sleep(turn.seconds)
        await before.stop()
        self._note(before, "stopped")

    async def _crash(self, turn: PlannedTurn) -> None:
        await self._bad_moment()
        self._note(self._owner, "crash")
        self._owner.kill()
        session = SESSION_SECONDS - self._random.uniform(0, 3)
        await asyncio.sleep(min(turn.seconds, session))
        self._owner = self._new_replica()
        await asyncio.sleep(max(0.0, session - turn.seconds))
        self._group.evict()
        self._group.give(self._owner.member)

    async def _stop(self, turn: PlannedTurn) -> None:
        self._note(self._owner, "stop")
        await self._owner.stop()
        self._group.evict()
        self._note(self._owner, "stopped")
        await asyncio.sleep(turn.seconds)
        self._owner = self._new_replica()
        self._group.give(self._owner.member)

    async def _pause(self, turn: PlannedTurn) -> None:
        """Shorter than the session: the group does not notice."""
        self._note(self._owner, "pause")
        self._owner.process.stop()
        await asyncio.sleep(turn.seconds)
        self._owner.process.go_on()
        self._note(self._owner, "go on")

    async def _fenced(self, turn: PlannedTurn) -> None:
        """The group has lost the owner, which hears of it only after a while, and joins again."""
        self._note(self._owner, "fenced")
        self._group.evict()
        await asyncio.sleep(turn.seconds / 3)
        await self._owner.member.give_back(was_asked=False)
        self._group.give(self._owner.member)

    async def _zombie(self, turn: PlannedTurn) -> None:
        """The owner stands still for longer than its session; when it goes on, it does not know what happened."""
        await self._bad_moment()
        self._note(self._owner, "zombie")
        self._owner.process.stop()
        before = await self._take_over()
        await asyncio.sleep(3 * turn.seconds)
        before.process.go_on()
        await self._find_out(before)

    async def _cut_off(self, turn: PlannedTurn) -> None:
        """Kafka is out of the owner's reach for longer than its session; SEEN is not."""
        self._note(self._owner, "cut off")
        self._owner.member.is_cut_off = True
        before = await self._take_over()
        await asyncio.sleep(turn.seconds)
        before.member.is_cut_off = False
        await self._find_out(before)

    async def _take_over(self) -> Replica:
        before, self._owner = self._owner, self._new_replica()
        await asyncio.sleep(SESSION_SECONDS - self._random.uniform(0, 3))
        self._group.evict()
        self._group.give(self._owner.member)
        return before

    async def _find_out(self, before: Replica) -> None:
        await asyncio.sleep(self._random.uniform(0, 3))
        await before.member.give_back(was_asked=False)
        await before.stop()
        self._note(before, "stopped")

    async def _bad_moment(self) -> None:
        """Mostly when a request is about to be written, or soon after; where none is, after some seconds."""
        leaving = self._around.seen.leaving
        leaving.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._random.choice((0.0, 5.0, 10.0))):
                await leaving.wait()
                await asyncio.sleep(self._random.choice((0.0, 0.0005, 0.01, 0.1, 0.6)))

    # Trifles

    async def _sleep_until(self, at: float) -> None:
        if (wait := at - self._loop.time()) > 0:
            await asyncio.sleep(wait)

    def _note(self, replica: Replica, what: str) -> None:
        self._history.append(Turn(self._loop.time(), self._plan.name, replica.number, what))
