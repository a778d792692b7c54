"""One run, from the broker's start to the evidence."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector.kafka.topics import administration
from reliability.collect import collect
from reliability.conductor import Conductor
from reliability.events import draw_events, is_poison
from reliability.evidence import Measured
from reliability.fleet import Fleet
from reliability.plan import Act
from reliability.stage import stage, topic
from reliability.traffic import write
from reliability.verdict import DRAIN_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from aiokafka.admin import AIOKafkaAdminClient

    from reliability.evidence import Evidence
    from reliability.plan import Plan
    from reliability.stage import Stage
    from reliability.traffic import Ends

CONNECTORS = 2
"""How many run at the start; plans add to them."""

_LOOK_SECONDS = 1.0
_UNCLEAN = (Act.KILL, Act.STOP_SHORT, Act.STOP_LONG, Act.BROKER_RESTART, Act.BROKER_KILL)


class Journal:
    """What the harness did, as lines on the screen and in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def say(self, text: str) -> None:
        """Adds a line."""
        line = f"{datetime.now(UTC):%H:%M:%S.%f}"[:-3] + f"  {text}"
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(line + "\n")


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be done: a plan, and `count` events of the same `seed` over so many `seconds`."""

    seed: int
    count: int
    seconds: float
    plan: Plan


async def carry_out(run: Run, folder: Path) -> Evidence:
    """Starts everything, has everything happen, waits until all is committed, ends everything, and tells what is known."""
    journal = Journal(folder / "journal.log")
    async with stage(folder) as built, AsyncExitStack() as ending:
        fleet = Fleet(built.config, folder, journal.say)
        ending.push_async_callback(fleet.kill_all)
        for _ in range(CONNECTORS):
            fleet.start()
        watching = asyncio.create_task(fleet.watch())
        ending.callback(watching.cancel)
        ends, returned_at = await _have_it_happen(run, built, fleet, journal)
        journal.say("all faults are over")
        drain_seconds = await _drained(built, ends)
        journal.say("all is committed" if drain_seconds is not None else "not all is committed")
        await fleet.end_all()
        measured = Measured(run.plan.count(*_UNCLEAN), returned_at, fleet.peak_mb, drain_seconds, fleet.exits)
        return await collect(built, run.count, measured)


async def _have_it_happen(
    run: Run, built: Stage, fleet: Fleet, journal: Journal
) -> tuple[Ends, float | None]:
    events = draw_events(run.seed, run.count, run.seconds)
    began = asyncio.get_running_loop().time()
    conductor = Conductor(built, fleet, began, journal.say)
    ids = ((event.workspace, str(event.values["id"])) for event in events)
    conductor.poison((workspace, event_id) for workspace, event_id in ids if is_poison(event_id))
    async with asyncio.TaskGroup() as group:
        group.create_task(conductor.play(run.plan))
        writing = group.create_task(write(built.connection, events, began))
    await conductor.until(run.seconds)
    return writing.result(), conductor.returned_at


async def _drained(built: Stage, ends: Ends) -> float | None:
    """The seconds until every partition is committed to its end; None after `DRAIN_SECONDS`."""
    began = time.monotonic()
    async with administration(built.connection, "asking for offsets") as admin:
        while time.monotonic() - began < DRAIN_SECONDS:
            if await _committed(admin, {workspace for workspace, _ in ends}) == ends:
                return time.monotonic() - began
            await asyncio.sleep(_LOOK_SECONDS)
    return None


async def _committed(admin: AIOKafkaAdminClient, workspaces: set[str]) -> Ends:
    found: Ends = {}
    for workspace in workspaces:
        offsets = await admin.list_consumer_group_offsets(workspace)
        for partition, commit in offsets.items():
            if partition.topic == topic(workspace, "events"):
                found[workspace, partition.partition] = commit.offset
    return found
