"""SIGTERM ends the process in time whatever is away, and the next start delivers what was left."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, Deployment, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector.sandbox.kafka import LocalKafka

DEADLINE_SECONDS = 9.0
AN_HOUR = {"initial_seconds": 3600, "max_seconds": 3600}
COUNT = 10
WORKSPACES = ("well", "hanging", "retrying", "down")


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """SEEN takes what is sent to `well`, and nothing of the others."""
    workspaces = tuple(WorkspaceSettings(id=name, tokens=(SEEN_TOKEN,)) for name in WORKSPACES)
    async with Emulator(EmulatorSettings(workspaces=workspaces)) as emulator:
        emulator.fail(Fault(act="hang", workspace="hanging", times=None))
        emulator.fail(Fault(status=500, workspace="retrying", times=None))
        emulator.fail(Fault(status=503, workspace="down", times=None))
        yield emulator


async def test_a_stop_ends_in_time_while_seen_hangs_or_fails_or_is_down_and_nothing_is_lost(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.connector["shutdown_deadline_seconds"] = DEADLINE_SECONDS
    deployment.workspace("hanging", seen={"timeout_seconds": 8})  # longer than a stop waits for it
    deployment.workspace("retrying", delivery={"backoff": AN_HOUR})
    deployment.workspace("down", seen={"probe": AN_HOUR})
    names = WORKSPACES[1:]
    async with deployment:
        await everything_begins(deployment, seen, names)
        await stops_in_time(deployment)
        # Not by the last resort, which leaves what is on the wire uncommitted.
        assert not [line for line in deployment.log() if line["event"] == "workspace_cancelled"]
    await delivers_the_rest(deployment, seen, names)


async def test_a_stop_ends_in_time_with_the_broker_gone_whether_seen_answers_or_hangs_and_nothing_is_lost(
    tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str
) -> None:
    deployment = Deployment(tmp_path, own_kafka.bootstrap_servers, seen.url, prefix)
    deployment.connector["shutdown_deadline_seconds"] = DEADLINE_SECONDS
    deployment.workspace("hanging", seen={"timeout_seconds": 4})
    deployment.workspace("well", seen={"quota": {"requests": 5, "per_seconds": 1, "grace_seconds": 1}})
    names = ("hanging", "well")
    async with deployment:
        await everything_begins(deployment, seen, names)
        await own_kafka.kill()
        await stops_in_time(deployment)
    await own_kafka.start()
    await delivers_the_rest(deployment, seen, names)


def events(workspace: str) -> list[dict[str, bytes]]:
    """Events of as many keys; for `retrying` of one, since failures of several would be an outage."""
    keys = [b"one" if workspace == "retrying" else b"%d" % number for number in range(COUNT)]
    return [{"key": key, "value": b'{"id": "%d"}' % number} for number, key in enumerate(keys)]


async def everything_begins(deployment: Deployment, seen: Emulator, names: tuple[str, ...]) -> None:
    """Gives each workspace its events, and waits until the first of each has arrived at SEEN."""
    for name in names:
        await deployment.running(name)
        await deployment.produce(*events(name), topic=deployment.topic("events", name))
    for name in names:
        await eventually(partial(seen.arrivals, name), f"something of {name} has arrived")


async def stops_in_time(deployment: Deployment) -> None:
    """The process ends with code 0 within its deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await deployment.stop() == 0


async def delivers_the_rest(deployment: Deployment, seen: Emulator, names: tuple[str, ...]) -> None:
    """All is well again; after the next start each event is at SEEN, has an outcome, and is committed."""
    seen.clear_faults()
    async with deployment:
        for name in names:
            await deployment.everything_committed(COUNT, name)
    for name in names:
        assert all(seen.item(name, str(number)) for number in range(COUNT)), name
        outcomes = await deployment.read("outcomes", name)
        assert {headers_of(each)["ce_subject"] for each in outcomes} == {
            str(number) for number in range(COUNT)
        }
        assert {headers_of(each)["ce_type"] for each in outcomes} == {"seen.data.accepted.v1"}
        assert await deployment.read("dead_letters", name) == []
