"""What it costs when a replica joins, leaves or is killed: `python benchmarks/replicas.py`. README.md says how to read it.

Three replicas and twelve workspaces with a backlog each, SEEN's quota and the default settings. SEEN's own list of arrivals
says how long each workspace was idle, and how much less than its quota it sent. Everything runs on this machine. Exit code
0: no workspace was over its quota at any time; 1: one was.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import signal
import statistics
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import orjson
import uvloop
from aiokafka import AIOKafkaProducer

from bench import PATIENCE_SECONDS, start_connector, started
from connector.clock import SystemClock
from connector.errors import SandboxError
from connector.sandbox.emulator import Quota
from connector.sandbox.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from bench import Bench

WORKSPACES = tuple(f"workspace-{number:02}" for number in range(12))
QUOTA = Quota(100, 10.0)
IN_FLIGHT = 32
"""The default: so many requests may have been on the wire, and count as spent after a kill."""
EVENTS = 3_000
"""Of each workspace: more than it can send until the end."""
AFTER_SECONDS = QUOTA.per_seconds
AFTER_KILL_SECONDS = 55.0
"""Longer than what the killed owner may have sent counts as spent: `timeout_seconds`, a window and the grace."""

_CLOCK = SystemClock()  # the emulator's
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30.0
_LONGEST_SECONDS = 300.0


class Replica:
    """One of several connectors with the same configuration."""

    def __init__(self, bench: Bench, directory: Path, number: int) -> None:
        """Starts it."""
        (port,) = free_ports(1)
        self._http = bench.http
        self._status_url = f"http://127.0.0.1:{port}/status"
        self._process = start_connector(directory, port, bench.folder / f"replica-{number}.log")

    async def states(self) -> dict[str, str]:
        """The state of each workspace here; empty while it starts. Raises SandboxError if it has ended by itself."""
        if self._process.returncode is not None:
            raise SandboxError(f"a replica ended with {self._process.returncode}")
        try:
            async with self._http.get(self._status_url) as answer:
                status = await answer.json()
        except aiohttp.ClientError:
            return {}
        return {name: each["state"] for name, each in status["workspaces"].items()}

    async def end(self, how: signal.Signals) -> None:
        """Ends it, at the latest after half a minute."""
        await self._process.end(how, _STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change cost one workspace.

    `idle` is the longest time, in seconds, in which its quota had room and it sent nothing; `lost` is how many requests
    fewer than its quota it sent.
    """

    moved: bool
    idle: float
    lost: int


def longest_idle(times: Sequence[float], begin: float, end: float) -> float:
    """The longest time between `begin` and `end` in which nothing arrived, although the quota had room."""
    longest = 0.0
    for number, (earlier, later) in enumerate(itertools.pairwise([*times, end])):
        first = number + 1 - QUOTA.requests  # the oldest of the full window that ends with `earlier`
        room_at = max(earlier, begin, times[first] + QUOTA.per_seconds if first >= 0 else begin)
        longest = max(longest, min(later, end) - room_at)
    return longest


class Course:
    """The replicas that run, oldest first, and what changes among them cost."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self._bench = bench
        self._directory = directory
        self._numbers = itertools.count()
        self._replicas: list[Replica] = []

    async def join(self) -> None:
        """Starts one more."""
        self._replicas.append(Replica(self._bench, self._directory, next(self._numbers)))

    async def end(self, how: signal.Signals) -> None:
        """Ends the oldest."""
        await self._replicas.pop(0).end(how)

    async def end_all(self) -> None:
        """Ends them, in no order."""
        while self._replicas:
            await self.end(signal.SIGKILL)

    async def owners(self) -> dict[str, Replica]:
        """Waits until each workspace runs in one replica and stands by in the others, in equal shares."""
        share = len(WORKSPACES) // len(self._replicas)
        even = Counter({"running": share, "standby": len(WORKSPACES) - share})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                states = {each: await each.states() for each in self._replicas}
                runs = {name: each for each, its in states.items() for name in its if its[name] == "running"}
                if len(runs) == len(WORKSPACES) and all(Counter(s.values()) == even for s in states.values()):
                    return runs
                await asyncio.sleep(_LOOK_SECONDS)

    async def costs(self, change: Callable[[], Awaitable[None]], after_seconds: float) -> list[Cost]:
        """What `change` costs each workspace, over whole windows that end so long, or longer, after all have owners."""
        before, begin = await self.owners(), _CLOCK.monotonic()
        await change()
        after = await self.owners()
        windows = math.ceil((_CLOCK.monotonic() + after_seconds - begin) / QUOTA.per_seconds)
        end = begin + windows * QUOTA.per_seconds
        await asyncio.sleep(end - _CLOCK.monotonic())
        costs = []
        for name in WORKSPACES:
            times = [each["monotonic"] for each in await self._bench.seen(f"arrivals?workspace={name}")]
            lost = windows * QUOTA.requests - sum(begin <= each < end for each in times)
            costs.append(Cost(before[name] is not after[name], longest_idle(times, begin, end), lost))
        return costs


async def nothing() -> None:
    """No change: it shows how exact the measurement is."""


async def feed(bench: Bench) -> None:
    """Writes the events: those of the first window evenly spread over it, so that all later ones are sent as evenly."""
    async with AIOKafkaProducer(bootstrap_servers=bench.bootstrap) as producer:
        for number in range(EVENTS):
            value = orjson.dumps({"id": str(number)})
            for name in WORKSPACES:
                await producer.send(f"{name}.events", value)
            if number < QUOTA.requests:
                await asyncio.sleep(QUOTA.per_seconds / QUOTA.requests)
        await producer.flush()


def show(change: str, costs: Sequence[Cost]) -> None:
    """Prints a line for the workspaces that stayed with their owner, and one for those that moved."""
    for fate, moved in (("stay", False), ("move", True)):
        them = [each for each in costs if each.moved is moved]
        if them:
            idle, lost = [each.idle for each in them], [each.lost for each in them]
            figures = (
                f"{statistics.median(idle):12.1f}{max(idle):8.1f}{statistics.median(lost):14.0f}{max(lost):8}"
            )
            print(f"{change:22}{fate:6}{len(them):10}{figures}", flush=True)


async def measure(bench: Bench) -> bool:
    """Takes all measurements, one after the other; whether every workspace kept to its quota."""
    for name in WORKSPACES:
        await bench.make_topic(name)
    print(f"{'':38}{'seconds idle':>20}{'requests lost':>22}")
    print(f"{'a replica':22}{'':6}{'workspaces':>10}{'median':>12}{'most':>8}{'median':>14}{'most':>8}")
    course = Course(bench, configured(bench))
    try:
        for _ in range(3):
            await course.join()
        await course.owners()
        await feed(bench)
        await asyncio.sleep(QUOTA.per_seconds)  # those that could not leave in time have left
        show("(no change)", await course.costs(nothing, AFTER_SECONDS))
        show("joins three", await course.costs(course.join, AFTER_SECONDS))
        leave, kill = partial(course.end, signal.SIGTERM), partial(course.end, signal.SIGKILL)
        show("leaves four in order", await course.costs(leave, AFTER_SECONDS))
        show("of three is killed", await course.costs(kill, AFTER_KILL_SECONDS))
    finally:
        await course.end_all()
    seen = (await bench.seen("summary"))["workspaces"].values()
    print(f"requests in the fullest window: {max(each['worst_window'] for each in seen)} of {QUOTA.requests}")
    return all(each["worst_window"] <= QUOTA.requests for each in seen)


def configured(bench: Bench) -> Path:
    """Writes one configuration with all workspaces, and returns its folder."""
    first, *others = [bench.configure(name, QUOTA, in_flight=IN_FLIGHT) for name in WORKSPACES]
    for each in others:
        for file in (each / "workspaces").iterdir():
            file.rename(first / "workspaces" / file.name)
    return first


async def run() -> bool:
    """Starts the broker and SEEN, measures, and ends them. TimeoutError in five minutes."""
    async with asyncio.timeout(_LONGEST_SECONDS), started(WORKSPACES, "--remembered", "100000") as bench:
        return await measure(bench)


def main() -> None:
    """Measures once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker has no group coordinator yet
    sys.exit(None if uvloop.run(run()) else "a workspace was over its quota")


if __name__ == "__main__":
    main()
