"""Callbacks that come while the broker is away: all are answered 2xx, and all are in the topic afterwards, in order per key.

The process is killed meanwhile, too: what it had answered is on its disk.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest

from tests.end_to_end.deployment import Deployment, eventually, headers_of

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from connector.sandbox.kafka import LocalKafka
    from connector.types import Record

KEYS = 20
# The broker is away so long, and so many callbacks come meanwhile; the long run is for a release, not for every day.
SECONDS, COUNT = (300, 500) if os.environ.get("SEEN_CONNECTOR_LONG_OUTAGE") else (15, 150)
pytestmark = pytest.mark.timeout(SECONDS + 165)


class Caller:
    """SEEN, as far as its callbacks go: it calls until it is answered 2xx, one call after the other for each id."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.statuses: Counter[int] = Counter()
        self.taken: dict[str, list[str]] = defaultdict(list)

    async def call(self, number: int) -> None:
        """Brings callback `number` through: the next video of one of `KEYS` ids."""
        video, link = f"cust-{number % KEYS}", f"https://player.example/{number}"
        body = orjson.dumps({"id": video, "player_url": link})
        while True:
            try:
                status = await self._deployment.call(body)
            except (aiohttp.ClientError, ConnectionError, KeyError):
                status = 0  # nobody is there: the process is dead, or not yet up again and its port unknown
            self.statuses[status] += 1
            if 200 <= status < 300:
                self.taken[video].append(link)
                return
            await asyncio.sleep(0.2)

    async def call_all(self, numbers: range, seconds: float) -> None:
        """Brings them through, spread evenly over so many seconds, those of one id in their order."""
        courses = [self._course(numbers, key, seconds, time.monotonic()) for key in range(KEYS)]
        await asyncio.gather(*courses)

    async def _course(self, numbers: range, key: int, seconds: float, began: float) -> None:
        for number in numbers:
            if number % KEYS == key:
                due = began + seconds * (number - numbers.start) / len(numbers)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self.call(number)


def check(caller: Caller, videos: list[Record], count: int) -> int:
    """Everything that was taken is there, each id's in the order in which it was taken; the answer is the repeats."""
    events: dict[str, str] = {}
    landed: dict[str, list[str]] = defaultdict(list)
    for record in videos:
        data = orjson.loads(record.value or b"")
        link = data["player_url"]
        assert events.setdefault(headers_of(record)["ce_id"], link) == link
        if link not in landed[data["id"]]:
            landed[data["id"]].append(link)
    assert landed == caller.taken
    assert sum(map(len, landed.values())) == len(events) == count
    return len(videos) - count


@pytest.fixture
def spooling(tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str) -> Deployment:
    deployment = Deployment(tmp_path, own_kafka.bootstrap_servers, seen.url, prefix)
    (tmp_path / "spool").mkdir()
    deployment.connector["listener"] |= {
        "spool": {"directory": str(tmp_path / "spool")},
        "publish_timeout_seconds": 2,
    }
    deployment.workspace()
    return deployment


async def test_while_the_broker_is_away_callbacks_are_taken_and_afterwards_they_are_in_the_topic(
    spooling: Deployment, own_kafka: LocalKafka
) -> None:
    caller = Caller(spooling)
    async with spooling:
        await spooling.running()
        await caller.call_all(range(40), 0.5)
        assert caller.statuses == {200: 40}
        await own_kafka.kill()
        await caller.call_all(range(40, 40 + COUNT), SECONDS)
        assert caller.statuses == {200: 40, 202: COUNT}
        assert (await spooling.get("/readyz/listener"))[0] == 200
        waiting = await spooling.status()
        assert waiting["spooled_callbacks"] == COUNT
        assert waiting["spooled_bytes"] > COUNT * 500
        assert SECONDS / 2 < waiting["spooled_oldest_seconds"] < SECONDS + 60
        metric = f'seen_connector_spooled_callbacks{{workspace="acme"}} {COUNT}.0'
        assert metric in (await spooling.get("/metrics"))[1].decode()
        await own_kafka.start()
        await drained(spooling)
        await caller.call_all(range(40 + COUNT, 60 + COUNT), 0.5)
        assert caller.statuses == {200: 60, 202: COUNT}
        assert await spooling.stop() == 0
    check(caller, await spooling.read("videos"), 60 + COUNT)


async def test_a_process_that_is_killed_while_the_broker_is_away_has_everything_on_its_disk(
    spooling: Deployment, own_kafka: LocalKafka
) -> None:
    caller = Caller(spooling)
    async with spooling:
        await spooling.running()
        await own_kafka.kill()
        calling = asyncio.create_task(caller.call_all(range(COUNT), SECONDS))
        for _ in range(3):
            await asyncio.sleep(SECONDS / 5)
            await start_again(spooling)
        await calling
        assert (await spooling.get("/readyz/listener"))[0] == 200
        assert (await spooling.status())["spooled_callbacks"] >= COUNT
        assert caller.statuses.keys() <= {0, 202}
        await own_kafka.start()
        await drained(spooling)
        spooling.kill()  # what is acknowledged is deleted, or comes again as the same event
    check(caller, await spooling.read("videos"), COUNT)


async def test_a_process_that_is_killed_while_it_drains_goes_on_at_its_next_start(
    spooling: Deployment, own_kafka: LocalKafka
) -> None:
    caller = Caller(spooling)
    async with spooling:
        await spooling.running()
        await own_kafka.kill()
        await caller.call_all(range(1_000), 3)
        await own_kafka.start()
        async with asyncio.timeout(90):
            while (await spooling.status())["spooled_callbacks"] == 1_000:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)  # a drain of so few takes less than a second
        await start_again(spooling)
        await drained(spooling)
    check(caller, await spooling.read("videos"), 1_000)


async def start_again(deployment: Deployment) -> None:
    """kill -9, and a new process on the same folder."""
    deployment.kill()
    await deployment.start()


async def drained(deployment: Deployment) -> None:
    """Waits until nothing is left on disk; a workspace that died meanwhile is started again after a minute at most."""

    async def nothing_left() -> bool:
        return int((await deployment.status())["spooled_callbacks"]) == 0

    await eventually(nothing_left, "the spool is drained", 120)
