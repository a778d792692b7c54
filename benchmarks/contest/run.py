"""One run: all contestants at the same time, each with a workspace, a topic and a group of its own.

First it is quiet: single events, then bursts, each with the quota unused before. They come to one contestant after the other,
so that none shares the machine with another's. Then each has a backlog that outlasts the run, a moment after one another
for the same reason.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import PATIENCE_SECONDS, started
from connector.clock import SystemClock
from connector.errors import SandboxError
from contest.contestants import QUOTA
from contest.course import Course, Request
from contest.team import Team
from contest.traffic import writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench import Bench
    from contest.contestants import Contestant
    from contest.traffic import Writer

SINGLES = 15
BURSTS = 3
BURST = 50

_CLOCK = SystemClock()  # the emulator's
_REMEMBERED = 1_000_000  # the whole run
_BESIDES_SECONDS = 300.0  # for what is not the backlog
_SETTLE_SECONDS = 5.0
_SINGLE_SECONDS = 1.5
_BURST_SECONDS = 16.0  # the slowest burst takes five; then the window must be empty
_MORE_THAN_ALLOWED = 300  # so that the backlog outlasts the run
_APART_SECONDS = 0.5
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Quiet:
    singles: dict[str, float]
    bursts: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Backlog:
    began: float
    shocked: float | None


async def hold(contestants: Sequence[Contestant], seconds: float, say: Callable[[str], None]) -> list[Course]:
    """Starts everything, has it happen, ends everything; the backlog lasts `seconds`. TimeoutError five minutes after that.

    Raises SandboxError where something ends that should run.
    """
    keys = [each.key for each in contestants]
    async with (
        asyncio.timeout(seconds + _BESIDES_SECONDS),
        started(keys, "--remembered", str(_REMEMBERED)) as bench,
        writer(bench.connection, keys) as events,
        AsyncExitStack() as ending,
    ):
        await _order_faults(bench, contestants)
        teams = [Team(each, bench) for each in contestants]
        for team in teams:
            ending.push_async_callback(team.end)
        say(f"{len(teams)} contestants start")
        await _until_all_run(bench, events, teams)
        say("single events and bursts")
        quiet = await _be_quiet(events, keys)
        say(f"a backlog, for {seconds:g} s")
        backlogs = await asyncio.gather(
            *(_have_backlog(events, team, seconds, number) for number, team in enumerate(teams))
        )
        say("it is over")
        await asyncio.gather(*(team.end() for team in teams))
        return [
            await _course(bench, key, quiet[key], backlog, seconds)
            for key, backlog in zip(keys, backlogs, strict=True)
        ]


async def _order_faults(bench: Bench, contestants: Sequence[Contestant]) -> None:
    faults = [{**fault, "workspace": each.key} for each in contestants for fault in each.faults]
    async with bench.http.post(f"{bench.seen_url}/_control/faults", json=faults) as answer:
        answer.raise_for_status()


async def _until_all_run(bench: Bench, events: Writer, teams: Sequence[Team]) -> None:
    """Has each contestant forward an event; waits until the quota is unused again."""
    for team in teams:
        await events.write(team.contestant.key, ["first"])
    waiting, deadline = list(teams), _CLOCK.monotonic() + PATIENCE_SECONDS
    while waiting:
        await asyncio.sleep(_LOOK_SECONDS)
        seen = (await bench.seen("summary"))["workspaces"]
        waiting = [team for team in teams if not seen[team.contestant.key]["requests"]]
        for team in teams:
            team.check()
        if waiting and _CLOCK.monotonic() > deadline:
            raise SandboxError(f"nothing came of {', '.join(team.contestant.name for team in waiting)}")
    await asyncio.sleep(QUOTA.per_seconds + _SETTLE_SECONDS)


async def _be_quiet(events: Writer, keys: Sequence[str]) -> dict[str, _Quiet]:
    """The single events and the bursts of each contestant."""
    found = {key: _Quiet({}, {}) for key in keys}
    chance = random.Random(1)
    step = _SINGLE_SECONDS / len(keys)
    for number in range(SINGLES):
        for key in keys:
            found[key].singles.update(await events.write(key, [f"single-{number}"]))
            await asyncio.sleep(step * chance.uniform(0.5, 1.5))
    await asyncio.sleep(QUOTA.per_seconds)
    for number in range(BURSTS):
        for key in keys:
            ids = [f"burst-{number}-{each}" for each in range(BURST)]
            found[key].bursts.update(await events.write(key, ids))
            await asyncio.sleep(_BURST_SECONDS / len(keys))
    await asyncio.sleep(_BURST_SECONDS)
    return found


async def _have_backlog(events: Writer, team: Team, seconds: float, number: int) -> _Backlog:
    await asyncio.sleep(number * _APART_SECONDS)
    began = _CLOCK.monotonic()
    count = int(seconds * QUOTA.requests / QUOTA.per_seconds) + _MORE_THAN_ALLOWED
    await events.write(team.contestant.key, [f"backlog-{each}" for each in range(count)])
    await asyncio.sleep(began + seconds / 2 - _CLOCK.monotonic())
    shocked = _CLOCK.monotonic() if team.contestant.shock else None
    await team.shock()
    await asyncio.sleep(began + seconds - _CLOCK.monotonic())
    team.check()
    return _Backlog(began, shocked)


async def _course(bench: Bench, key: str, quiet: _Quiet, backlog: _Backlog, seconds: float) -> Course:
    requests = tuple(
        Request(each["id"], each["at"], each["monotonic"], each["status"], each["answered"])
        for each in await bench.seen(f"arrivals?workspace={key}")
    )
    return Course(
        key=key,
        requests=requests,
        singles=quiet.singles,
        bursts=quiet.bursts,
        began=backlog.began,
        seconds=seconds,
        shocked=backlog.shocked,
    )
