"""Braze, as it posts to SEEN today: a campaign's webhooks at a rate of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import orjson

if TYPE_CHECKING:
    from tests.end_to_end.deployment import Deployment

BRAZE_TOKEN = "braze-token-90e1c2"
RATE = 200  # webhooks a second
SECONDS = 60 if os.environ.get("SEEN_CONNECTOR_SEENS_PACE") else 8
WEBHOOKS = RATE * SECONDS
KEYS = WEBHOOKS // 4
CONNECTIONS = 32


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


class Campaign:
    """Braze: messages at a rate, over a few connections; those of one customer seconds apart, and never two at once."""

    def __init__(self, deployment: Deployment, shape: Shape) -> None:
        self._deployment = deployment
        self._shape = shape
        self.statuses: Counter[int] = Counter()
        self.answered: list[int] = []
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

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
        async with self._turns[number % KEYS]:  # nobody promises an order of calls that are made at once
            with suppress(aiohttp.ClientError):  # it was killed: Braze would call again
                async with session.post(url, data=self._shape.body(number)) as answer:
                    await answer.read()
                    self.statuses[answer.status] += 1
                    if answer.status == 201:
                        self.answered.append(number)
