"""Someone else posts with the same token: the connector makes room, says so, and takes everything back afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from connector.sandbox.emulator import Quota
from tests.end_to_end.deployment import SEEN_TOKEN, eventually

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from connector.sandbox.emulator.arrivals import Arrival
    from tests.end_to_end.deployment import Deployment

EVENTS = 1200
LIMIT = Quota(40, 1.0)
OTHERS_A_SECOND = 20.0
BESIDE_SECONDS = 20.0


async def test_beside_another_user_of_the_token_few_requests_are_refused_and_it_is_said(
    deployment: Deployment, seen: Emulator
) -> None:
    seen.set_quota("acme", LIMIT)
    deployment.workspace(seen={"quota": {"requests": LIMIT.requests, "per_seconds": LIMIT.per_seconds}})
    async with deployment:
        await deployment.running()
        other = asyncio.create_task(use_half(seen))
        await deployment.produce(*({"value": b'{"id": "c-%d"}' % number} for number in range(EVENTS)))
        await eventually(lambda: ours(seen), "the first event has left")
        began = ours(seen)[0].monotonic
        await until(seen, began + BESIDE_SECONDS / 2)
        status = await deployment.status()
        metrics = (await deployment.get("/metrics"))[1].decode()
        await until(seen, began + BESIDE_SECONDS)
        other.cancel()
        await deployment.settled(EVENTS, seconds=120)
        assert await deployment.stop() == 0

    ended = began + BESIDE_SECONDS
    settled = [each for each in ours(seen) if began + 6 <= each.monotonic < ended]
    # At windows of 10 s one in a hundred; a rise that fails costs the same, and here it comes ten times as often.
    assert sum(each.status == 429 for each in settled) <= 0.05 * len(settled)
    assert len(settled) >= 0.5 * (BESIDE_SECONDS - 6) * OTHERS_A_SECOND

    assert status["quota_working_requests"] < LIMIT.requests
    assert status["waiting_requests"]["delivery"] > 0
    assert 'seen_connector_outside_quota_uses_total{workspace="acme"} 0.0' not in metrics
    said = [line for line in deployment.log() if line["event"] == "quota_used_by_others"]
    assert said[0]["working_requests"] < LIMIT.requests

    last = [each for each in ours(seen)[-200:-50] if each.status == 201]
    rate = (len(last) - 1) / (last[-1].monotonic - last[0].monotonic)
    assert rate >= 0.8 * LIMIT.requests / LIMIT.per_seconds
    accepted = [each.id for each in ours(seen) if each.status == 201]
    assert sorted(map(str, accepted)) == sorted(f"c-{number}" for number in range(EVENTS))


async def use_half(seen: Emulator) -> None:
    """Posts at a steady rate, whatever is answered."""
    url, headers = f"{seen.url}/v1/workspaces/acme/data", {"Authorization": f"Bearer {SEEN_TOKEN}"}
    loop = asyncio.get_running_loop()
    due = loop.time()
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.post(url, json={"id": f"other-{due}"}) as answer:
                await answer.read()
            due += 1 / OTHERS_A_SECOND
            await asyncio.sleep(max(0.0, due - loop.time()))


def ours(seen: Emulator) -> list[Arrival]:
    """The connector's own requests."""
    return [each for each in seen.arrivals("acme") if not (each.id or "").startswith("other")]


async def until(seen: Emulator, monotonic: float) -> None:
    """Waits until the emulator's clock shows that time."""
    await eventually(
        lambda: seen.arrivals("acme")[-1].monotonic >= monotonic, "time passes", BESIDE_SECONDS + 30
    )
