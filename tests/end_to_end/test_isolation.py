"""Twenty workspaces in one process: what one of them suffers, the others do not notice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.deployment import Deployment

REQUESTS, SECONDS = 15, 6.0
WINDOWS = 4
COUNT = REQUESTS * WINDOWS
NORMAL = tuple(f"normal-{number}" for number in range(17))
WORKSPACES = ("refused", "slow", "poisoned", *NORMAL)
NO_JSON = 1000


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """SEEN refuses one workspace, answers another after 20 s, takes no event of a third, and is well for the rest."""
    quota = Quota(REQUESTS, SECONDS)
    workspaces = tuple(WorkspaceSettings(id=name, tokens=(SEEN_TOKEN,), quota=quota) for name in WORKSPACES)
    async with Emulator(EmulatorSettings(workspaces=workspaces)) as emulator:
        emulator.set_tokens("refused", "another-token")
        emulator.fail(Fault(act="none", delay_seconds=20, workspace="slow", times=None))
        refusal = '{"code": "ErrRequestBody", "message": "a JSON object is expected"}'
        emulator.fail(Fault(status=400, body=refusal, workspace="poisoned", times=None))
        yield emulator


async def test_seventeen_keep_their_full_rate_beside_one_refused_one_slow_and_one_with_poison_only(
    deployment: Deployment, seen: Emulator
) -> None:
    await everyone_has_a_backlog(deployment)
    async with deployment:
        await eventually(lambda: all(map(seen.arrivals, WORKSPACES)), "each workspace sends")
        while not await delivered(deployment, NORMAL):
            assert await every_door_takes_a_callback(deployment)
            await asyncio.sleep(2)
        status, body = await deployment.get("/readyz")
        assert (status, orjson.loads(body)["workspaces"].keys()) == (503, {"refused"})
        assert (await deployment.get("/readyz/listener"))[0] == 200
        poisoned = (await deployment.status("poisoned"))["outcomes"]
        assert poisoned["rejected"] > NO_JSON
        assert poisoned["accepted"] == 0
    for name in NORMAL:
        assert share_of_the_quota(seen, name) >= 0.85, name  # a busy machine takes a part of it
    assert not [each for each in seen.arrivals() if each.status == 429]


async def everyone_has_a_backlog(deployment: Deployment) -> None:
    """Configures all workspaces, and writes what waits for them."""
    quota = {"requests": REQUESTS, "per_seconds": SECONDS, "grace_seconds": 1}
    events = [{"key": b"%d" % number, "value": b'{"id": "%d"}' % number} for number in range(COUNT)]
    no_json = [{"value": b"no JSON"}] * NO_JSON
    for name in WORKSPACES:
        deployment.workspace(name, seen={"quota": quota, "timeout_seconds": 30})
        topic = deployment.topic("events", name)
        await deployment.create(topic, partitions=1)
        await deployment.produce(*events, *(no_json if name == "poisoned" else ()), topic=topic)


async def delivered(deployment: Deployment, names: tuple[str, ...]) -> bool:
    """Whether these have delivered their backlog."""
    workspaces = orjson.loads((await deployment.get("/status"))[1])["workspaces"]
    return all(workspaces[name]["outcomes"]["accepted"] == COUNT for name in names)


async def every_door_takes_a_callback(deployment: Deployment) -> bool:
    """Whether a callback of each workspace is made durable."""
    body = b'{"id": "1", "player_url": "https://p.example/1"}'
    answers = await asyncio.gather(*(deployment.call(body, workspace=name) for name in WORKSPACES))
    return answers == [200] * len(WORKSPACES)


def share_of_the_quota(seen: Emulator, workspace: str) -> float:
    """Requests a second over what the quota allows, from the end of the first full window to the last request."""
    times = [each.monotonic for each in seen.arrivals(workspace)]
    per_second = (len(times) - REQUESTS) / (times[-1] - times[REQUESTS - 1])
    return per_second * SECONDS / REQUESTS
