"""Twelve workspaces over three replicas, a fourth that joins, and one that is killed: who owns what, and what SEEN sees."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from connector.clock import wait_for_event
from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, Deployment, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

WORKSPACES = tuple(f"workspace-{number:02}" for number in range(12))
QUOTA = Quota(20, 2.0)
FIRST_EVENTS = 60
PATIENCE_SECONDS = 120.0


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """SEEN with the twelve workspaces; it remembers every request."""
    workspaces = tuple(WorkspaceSettings(id=name, tokens=(SEEN_TOKEN,), quota=QUOTA) for name in WORKSPACES)
    async with Emulator(EmulatorSettings(workspaces=workspaces, remembered=1_000_000)) as emulator:
        yield emulator


@pytest.mark.timeout(400)
async def test_a_replica_that_joins_or_is_killed_moves_few_workspaces_and_no_quota_is_exceeded(
    tmp_path: Path, kafka: str, seen: Emulator, prefix: str
) -> None:
    three = [replica(tmp_path / str(number), kafka, seen, prefix) for number in range(3)]
    fourth = replica(tmp_path / "fourth", kafka, seen, prefix)
    async with AsyncExitStack() as ending:
        async with asyncio.TaskGroup() as starting:
            for each in three:
                starting.create_task(ending.enter_async_context(each))
        before = await evenly_owned(three)
        enough = asyncio.Event()
        writing = asyncio.create_task(write_backlogs(three[0], enough))
        ending.callback(writing.cancel)
        await every_workspace_sends(seen)

        await ending.enter_async_context(fourth)
        joined = await evenly_owned([*three, fourth])
        assert moved(before, joined) <= 2 * 3  # the newcomer's three is the least possible
        await every_workspace_sends(seen)

        three[0].kill()
        left = await evenly_owned([*three[1:], fourth])
        assert moved(joined, left) <= 2 * 3  # the three that the killed one owned is the least possible
        await every_workspace_sends(seen)

        enough.set()
        count = await writing
        for name in WORKSPACES:
            await fourth.everything_committed(count, name)
    for name in WORKSPACES:
        arrivals = seen.arrivals(name)
        assert seen.worst_window(name) <= QUOTA.requests
        assert 429 not in {each.status for each in arrivals}
        posted = Counter(each.id for each in arrivals if each.method == "POST")
        assert posted == {str(number): 1 for number in range(count)}


def replica(directory: Path, kafka: str, seen: Emulator, prefix: str) -> Deployment:
    """One of several with the same configuration."""
    deployment = Deployment(directory, kafka, seen.url, prefix)
    limit = {"requests": QUOTA.requests, "per_seconds": QUOTA.per_seconds, "grace_seconds": 0.5}
    for name in WORKSPACES:
        # Few requests in flight, so that few events are in doubt after the kill: each costs a look-up of the quota.
        deployment.workspace(name, seen={"quota": limit}, delivery={"max_in_flight": 4})
    return deployment


async def write_backlogs(deployment: Deployment, enough: asyncio.Event) -> int:
    """Writes to every workspace more than its quota takes until `enough` is set; returns how many events each got."""
    numbers = itertools.count()
    count = 0
    async with AIOKafkaProducer(bootstrap_servers=deployment.bootstrap) as producer:
        while not enough.is_set():
            batch = list(itertools.islice(numbers, QUOTA.requests if count else FIRST_EVENTS))
            sent = [
                await producer.send(deployment.topic("events", name), orjson.dumps({"id": str(number)}))
                for number in batch
                for name in WORKSPACES
            ]
            await asyncio.gather(*sent)
            count += len(batch)
            await wait_for_event(enough, QUOTA.per_seconds)
    return count


async def evenly_owned(replicas: Sequence[Deployment]) -> dict[str, Deployment]:
    """Waits until each workspace is owned by one replica and all others stand by, in equal shares; returns the owners."""
    owners: dict[str, Deployment] = {}

    async def spread() -> bool:
        states = {each: orjson.loads((await each.get("/status"))[1])["workspaces"] for each in replicas}
        owners.clear()
        for name in WORKSPACES:
            running = [each for each in replicas if states[each][name]["state"] == "running"]
            others = [each for each in replicas if states[each][name]["state"] == "standby"]
            if len(running) != 1 or len(others) != len(replicas) - 1:
                return False
            owners[name] = running[0]
        share = len(WORKSPACES) // len(replicas)
        return Counter(owners.values()) == dict.fromkeys(replicas, share)

    await eventually(spread, f"{len(replicas)} replicas own equal shares", PATIENCE_SECONDS)
    return owners


def moved(before: dict[str, Deployment], after: dict[str, Deployment]) -> int:
    """How many workspaces have another owner."""
    return sum(before[name] is not after[name] for name in WORKSPACES)


async def every_workspace_sends(seen: Emulator) -> None:
    """Waits until each workspace has sent as much again as its quota takes in a window."""
    aims = {name: len(seen.arrivals(name)) + QUOTA.requests for name in WORKSPACES}
    await eventually(
        lambda: all(len(seen.arrivals(name)) >= aim for name, aim in aims.items()),
        "each workspace sends",
        PATIENCE_SECONDS,
    )
