"""The first request of a new owner: at once where nothing was ever sent, and within the quota where a predecessor died."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
from statistics import median
from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, Deployment, eventually, roles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from connector.sandbox.kafka import LocalKafka

HOUR = Quota(1000, 45.0)  # an hour that lasts 45 s
CALLS_BEFORE_THE_KILL = 300
SLACK_SECONDS = 15.0  # far less than a window: a silent one would show
NEW = tuple(f"new-{number}" for number in range(6))


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """SEEN with the workspace `acme`, which has a quota by the hour, and with the new ones."""
    acme = WorkspaceSettings(id="acme", tokens=(SEEN_TOKEN,), quota=HOUR)
    new = tuple(WorkspaceSettings(id=name, tokens=(SEEN_TOKEN,)) for name in NEW)
    async with Emulator(EmulatorSettings(workspaces=(acme, *new))) as emulator:
        yield emulator


async def test_after_kill_9_the_next_owner_sends_at_once_and_no_hour_exceeds_the_quota(
    tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str
) -> None:
    limit = {"requests": HOUR.requests, "per_seconds": HOUR.per_seconds, "grace_seconds": 1}
    bootstrap = own_kafka.bootstrap_servers
    replicas = [Deployment(tmp_path / name, bootstrap, seen.url, prefix) for name in ("one", "other")]
    outside, count = replicas[0], HOUR.requests + CALLS_BEFORE_THE_KILL
    await outside.create(outside.topic("events"), partitions=1)
    async with AsyncExitStack() as ending:
        for each in replicas:
            each.workspace(seen={"quota": limit})
            await ending.enter_async_context(each)
        owner, heir = await roles(replicas)
        await outside.produce(*({"value": b'{"id": "%d"}' % number} for number in range(count)))
        await eventually(lambda: len(seen.arrivals("acme")) >= CALLS_BEFORE_THE_KILL - 15, "calls are made")
        with standing_still(own_kafka):  # the last calls before the kill are in no commit
            await eventually(lambda: len(seen.arrivals("acme")) >= CALLS_BEFORE_THE_KILL, "calls are made")
            owner.kill()
        killed_at = time.time()
        await eventually(lambda: assigned_at(heir, "acme") > killed_at, "it is taken over")
        given_at = assigned_at(heir, "acme")
        await eventually(
            lambda: len(seen.arrivals("acme")) >= count, "all have arrived", 2 * HOUR.per_seconds
        )
        await outside.everything_committed(count)
    arrivals = seen.arrivals("acme")
    assert given_at > killed_at + 5
    assert min(each.at for each in arrivals if each.at >= given_at) < given_at + SLACK_SECONDS
    assert arrivals[-1].at - arrivals[0].at > HOUR.per_seconds  # more was to be sent than one window takes
    assert seen.worst_window("acme") <= HOUR.requests
    assert Counter(each.id for each in arrivals if each.method == "POST") == {str(n): 1 for n in range(count)}


async def test_a_new_workspace_sends_its_first_request_within_two_seconds_of_its_assignment(
    deployment: Deployment, seen: Emulator
) -> None:
    for name in NEW:
        deployment.workspace(name)
        await deployment.create(deployment.topic("events", name), partitions=1)
        await deployment.produce({"value": b'{"id": "first"}'}, topic=deployment.topic("events", name))
    async with deployment:
        await eventually(lambda: all(map(seen.arrivals, NEW)), "each has sent")
        waits = [seen.arrivals(name)[0].at - assigned_at(deployment, name) for name in NEW]
    # Half of them: one may be late because the machine was busy, and all begin at the same time.
    assert median(waits) <= 2.0
    assert all(wait >= 0 for wait in waits)


@contextmanager
def standing_still(broker: LocalKafka) -> Iterator[None]:
    """Nothing is committed while the context lasts."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def assigned_at(deployment: Deployment, workspace: str) -> float:
    """When it was last given the partitions of the workspace, in Unix seconds; 0 if it was not."""
    return max(deployment.assignments(workspace), default=0.0)
