"""Braze's webhooks, end to end: a campaign sends at full speed, all is answered 201, all is in Kafka, SEEN's quota is kept."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import orjson
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.deployment import Deployment

BRAZE_TOKEN = "braze-token-90e1c2"
RATE = 200  # webhooks a second
SECONDS = 60 if os.environ.get("SEEN_CONNECTOR_SEENS_PACE") else 8
WEBHOOKS = RATE * SECONDS
KEYS = WEBHOOKS // 4
CONNECTIONS = 32
REQUESTS, PER_SECONDS = 100, 10.0


class Shape(NamedTuple):
    """How Braze posts: to which path, and what of a message with a number."""

    api: str
    path: str

    def body(self, number: int) -> bytes:
        """The data API's object, or the array with one receiver, as Braze's guides to SEEN have them."""
        key = f"braze-{number % KEYS}"
        if self.api == "data":
            return orjson.dumps({"first_name": "Ada", "last_name": str(number), "id": key})
        return orjson.dumps([{"first_name": "Ada", "last_name": str(number), "customer_id": key}])


OBJECTS = Shape("data", "/v1/workspaces/acme/data")
ARRAYS = Shape("receivers", "/v1/campaigns/welcome-film/receivers/")


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
    deployment.workspace(
        seen=target,
        braze_in={"auth": {"token": BRAZE_TOKEN}, "topic": deployment.topic("braze")},
        delivery={"max_buffered": 2_000},
    )


class Campaign:
    """Braze: messages at a rate, over a few connections; those of one customer seconds apart."""

    def __init__(self, deployment: Deployment, shape: Shape) -> None:
        self._deployment = deployment
        self._shape = shape
        self.statuses: Counter[int] = Counter()
        self.answered: list[int] = []

    async def send(self, numbers: range) -> None:
        """Sends a message every so often, whether those before are answered or not; then waits for all answers."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        headers = {"Authorization": f"Bearer {BRAZE_TOKEN}", "Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for sent, number in enumerate(numbers):
                    await asyncio.sleep(max(0.0, began + sent / RATE - time.monotonic()))
                    group.create_task(self._post(session, number))

    async def _post(self, session: aiohttp.ClientSession, number: int) -> None:
        url = self._deployment.listener_url + self._shape.path
        with suppress(aiohttp.ClientError):  # it was killed: Braze would call again
            async with session.post(url, data=self._shape.body(number)) as answer:
                await answer.read()
                self.statuses[answer.status] += 1
                if answer.status == 201:
                    self.answered.append(number)


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
