"""Braze's webhooks, end to end: a campaign sends at full speed, all is answered 201, all is in Kafka, SEEN's quota is kept."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.braze import ARRAYS, BRAZE_TOKEN, OBJECTS, RATE, WEBHOOKS, Campaign, Shape
from tests.end_to_end.deployment import SEEN_TOKEN, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.deployment import Deployment

REQUESTS, PER_SECONDS = 100, 10.0


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """A workspace and a campaign, each with the quota of a workspace."""
    quota = Quota(REQUESTS, PER_SECONDS)
    workspaces = (
        WorkspaceSettings(id="acme", tokens=(SEEN_TOKEN,), quota=quota),
        WorkspaceSettings(id="welcome-film", api="receivers", tokens=(SEEN_TOKEN,), quota=quota),
    )
    async with Emulator(EmulatorSettings(workspaces=workspaces)) as emulator:
        yield emulator


def configure(deployment: Deployment, shape: Shape) -> None:
    """A workspace that is fed by Braze alone."""
    target: dict[str, Any] = {"quota": {"requests": REQUESTS, "per_seconds": PER_SECONDS, "grace_seconds": 1}}
    if shape.api == "receivers":
        target |= {
            "api": "receivers",
            "workspace_id": None,
            "campaign_slug": "welcome-film",
            "auth": {"token": SEEN_TOKEN},
        }
    deployment.connector["listener"].pop("publish_timeout_seconds", None)  # limits are the default ones
    deployment.workspace(
        seen=target,
        braze_in={"auth": {"token": BRAZE_TOKEN}, "topic": deployment.topic("braze")},
        delivery={"max_buffered": 2_000},
    )


async def numbers_in_kafka(deployment: Deployment) -> dict[str, list[int]]:
    """The numbers of the messages in the Braze topic, in order, by customer."""
    found: dict[str, list[int]] = defaultdict(list)
    for record in await deployment.read("braze"):
        message = orjson.loads(record.value or b"")
        assert "customer_id" in message or "id" in message  # a receiver stands alone, without its array
        assert (record.key or b"").decode() == message.get("id", message.get("customer_id"))
        found[(record.key or b"").decode()].append(int(message["last_name"]))
    return found


@pytest.mark.parametrize("shape", [OBJECTS, ARRAYS], ids=["objects", "arrays"])
async def test_a_campaign_at_full_speed_is_all_taken_and_seen_gets_its_quota(
    deployment: Deployment, seen: Emulator, shape: Shape
) -> None:
    configure(deployment, shape)
    target = "acme" if shape.api == "data" else "welcome-film"
    campaign = Campaign(deployment, shape)
    async with deployment:
        await deployment.running()
        await campaign.send(range(WEBHOOKS))
        assert campaign.statuses == {201: WEBHOOKS}
        found = await numbers_in_kafka(deployment)
        assert sum(map(len, found.values())) == WEBHOOKS
        assert all(numbers == sorted(numbers) for numbers in found.values())
        await deployment.settled(150)
        arrived = seen.arrivals(target)
    assert not [each for each in arrived if each.status == 429]
    assert seen.worst_window(target) <= REQUESTS


@pytest.mark.parametrize("shape", [OBJECTS, ARRAYS], ids=["objects", "arrays"])
async def test_what_was_answered_201_before_a_kill_is_in_kafka_and_goes_to_seen(
    deployment: Deployment, seen: Emulator, shape: Shape
) -> None:
    configure(deployment, shape)
    campaign = Campaign(deployment, shape)
    async with deployment:
        await deployment.running()
        sending = asyncio.create_task(campaign.send(range(2 * RATE)))
        await eventually(lambda: len(campaign.answered) >= RATE, "a part of it is answered")
        deployment.kill()
        await sending
        assert RATE <= len(campaign.answered) < 2 * RATE
        await deployment.start()
        await deployment.running()
        again = Campaign(deployment, shape)
        lost = sorted(set(range(2 * RATE)) - set(campaign.answered))
        await again.send(range(lost[0], lost[-1] + 1))
        assert set(again.statuses) == {201}
        found = await numbers_in_kafka(deployment)
    kept = {number for numbers in found.values() for number in numbers}
    assert kept == set(range(2 * RATE))


async def test_what_seen_would_refuse_is_a_dead_letter_and_costs_no_request(
    deployment: Deployment, seen: Emulator
) -> None:
    configure(deployment, OBJECTS)
    headers = {"Authorization": f"Token {BRAZE_TOKEN}", "Content-Type": "application/json"}
    bodies = {
        b'{"id": "1", "first_name": "Ada"}': 201,
        b'{"first_name": "Ada"}': 500,
        b'[{"id": "2"}]': 400,
        b"{": 400,
    }
    async with deployment:
        await deployment.running()
        async with aiohttp.ClientSession(headers=headers) as session:
            for body, status in bodies.items():
                for spelling in ("workspaces", "projects"):
                    url = f"{deployment.listener_url}/v1/{spelling}/acme/data"
                    async with session.post(url, data=body) as answer:
                        assert answer.status == status
        await deployment.settled(2)
        letters = await deployment.read("dead_letters")
        outcomes = await deployment.read("outcomes")
    assert [orjson.loads(each.body) for each in seen.arrivals("acme")] == [
        {"id": "1", "first_name": "Ada"}
    ] * 2
    assert {headers_of(each)["ce_type"] for each in outcomes} == {"seen.data.accepted.v1"}
    assert Counter(headers_of(each)["seen-dead-letter-reason"] for each in letters) == {
        "id_missing": 2,
        "not_an_object": 2,
        "not_json": 2,
    }
    assert sorted({each.value for each in letters if each.value}) == sorted(
        set(bodies) - {next(iter(bodies))}
    )
