"""A suspended workspace keeps every event, asks little of SEEN meanwhile, and goes on by itself."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Fault, Quota
from tests.end_to_end.deployment import SEEN_TOKEN, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

REQUESTS, SECONDS = 20, 2.0
PROBE_SECONDS = 1.0
SLACK_SECONDS = 5.0
"""What a busy machine may add to any wait."""


@pytest.fixture
def token_file(deployment: Deployment, seen: Emulator) -> Path:
    """The workspace `acme` with a small quota, a token in a file, and so little patience that an outage would use it up."""
    token = deployment.directory / "token"
    token.write_text(SEEN_TOKEN)
    seen.set_quota("acme", Quota(REQUESTS, SECONDS))
    quota = {"requests": REQUESTS, "per_seconds": SECONDS, "grace_seconds": 0.5}
    probe = {"initial_seconds": 0.2, "max_seconds": PROBE_SECONDS}
    deployment.workspace(
        seen={
            "auth": {"bearer_token_file": str(token)},
            "quota": quota,
            "probe": probe,
            "timeout_seconds": 1,
        },
        delivery={"give_up_after_seconds": 2},
    )
    return token


async def test_a_new_token_in_the_file_ends_a_refusal_and_the_full_rate_returns(
    deployment: Deployment, seen: Emulator, token_file: Path
) -> None:
    count = 4 * REQUESTS
    async with deployment:
        await deployment.running()
        process = deployment.pid
        await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(count)))
        await eventually(lambda: len(accepted(seen)) >= REQUESTS, "the first window is used")
        seen.set_tokens("acme", "token-of-tomorrow")
        await suspended(deployment)
        refused_from = time.monotonic()
        status, why = await deployment.get("/readyz")
        assert (status, b"unauthenticated" in why) == (503, True)
        assert (await deployment.get("/readyz/listener"))[0] == 200
        assert await deployment.call(b'{"id": "1", "player_url": "https://p.example/1"}') == 200
        await asyncio.sleep(3)  # longer than an event of its own fault would be tried
        probes = [each for each in seen.arrivals("acme") if each.monotonic > refused_from + 1]
        assert 1 <= len(probes) <= 2 / PROBE_SECONDS + 2

        token_file.write_text("token-of-tomorrow")  # noqa: ASYNC240 - a few bytes
        renewed_at = time.monotonic()
        await deployment.settled(count)
        assert (await deployment.status())["state"] == "running"
        assert (await deployment.get("/readyz"))[0] == 200
        assert deployment.pid == process
        assert b'workspace_restarts_total{workspace="acme"} 0.0' in (await deployment.get("/metrics"))[1]
    after = [moment for moment in accepted(seen) if moment > renewed_at]
    assert after[0] - renewed_at <= PROBE_SECONDS + SLACK_SECONDS
    windows = len(after) / REQUESTS
    assert after[-1] - after[0] <= windows * SECONDS + SLACK_SECONDS
    await everything_was_accepted_once(deployment, seen, count)


async def gone(seen: Emulator) -> None:
    """Connections are refused, and those that are open are reset."""
    await seen.port.go_down()


async def hangs(seen: Emulator) -> None:
    """Connections are taken, and nothing is ever answered."""
    seen.fail(Fault(act="hang", times=None))


@pytest.mark.parametrize("outage", [gone, hangs], ids=lambda outage: outage.__name__)
async def test_an_outage_costs_no_event_and_few_requests_and_ends_soon_after_seen_is_back(
    deployment: Deployment, seen: Emulator, token_file: Path, outage: Callable[[Emulator], Awaitable[None]]
) -> None:
    count = 3 * REQUESTS
    async with deployment:
        await deployment.running()
        await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(count)))
        await eventually(lambda: len(accepted(seen)) >= 5, "some have arrived")
        await outage(seen)
        await suspended(deployment)
        before = await attempts(deployment)
        await asyncio.sleep(3)
        assert (
            1 <= await attempts(deployment) - before <= REQUESTS
        )  # those that were on the wire, then single probes
        assert (await deployment.get("/readyz"))[0] == 503

        seen.clear_faults()
        await seen.port.come_up()
        ended_at = time.monotonic()
        await deployment.settled(count)
        assert (await deployment.get("/readyz"))[0] == 200
    first = min(moment for moment in accepted(seen) if moment > ended_at)
    assert first - ended_at <= PROBE_SECONDS + SLACK_SECONDS
    await everything_was_accepted_once(deployment, seen, count)


def accepted(seen: Emulator) -> list[float]:
    """When SEEN created an item, in monotonic seconds, which are the same for all processes of a machine."""
    return [each.monotonic for each in seen.arrivals("acme") if (each.method, each.status) == ("POST", 201)]


async def attempts(deployment: Deployment) -> float:
    """How many requests have ended, also those that never reached SEEN."""
    exposition = (await deployment.get("/metrics"))[1].decode()
    counts = re.findall(r"^seen_connector_attempts_total\{.*\} (\S+)$", exposition, re.MULTILINE)
    return sum(map(float, counts))


async def suspended(deployment: Deployment) -> None:
    """Waits until the workspace is suspended."""

    async def is_suspended() -> bool:
        return bool((await deployment.status())["state"] == "suspended")

    await eventually(is_suspended, "the workspace is suspended")


async def everything_was_accepted_once(deployment: Deployment, seen: Emulator, count: int) -> None:
    """No dead letter, and one item created for each event."""
    assert await deployment.read("dead_letters") == []
    assert len(await deployment.read("outcomes")) == count
    created = Counter(
        each.id for each in seen.arrivals("acme") if (each.method, each.status) == ("POST", 201)
    )
    assert created == {str(number): 1 for number in range(count)}
    assert seen.worst_window("acme") <= REQUESTS
