"""A broker that is killed for longer than a session: nothing is lost, and no callback is answered 2xx that is not durable."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson

from tests.end_to_end.deployment import Deployment, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from connector.sandbox.kafka import LocalKafka

AWAY_SECONDS = 12  # the session is 10
COUNT = 60
BUSY, IDLE = "acme", "bravo"


async def test_while_the_broker_is_away_callbacks_are_refused_and_afterwards_all_goes_on(
    tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str
) -> None:
    deployment = Deployment(tmp_path, own_kafka.bootstrap_servers, seen.url, prefix)
    deployment.workspace(BUSY, seen={"quota": {"requests": 10, "per_seconds": 2, "grace_seconds": 0.5}})
    deployment.workspace(IDLE)
    answers = Answers()
    async with deployment:
        await deployment.running(BUSY)
        await deployment.running(IDLE)
        await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(COUNT)))
        await eventually(lambda: len(seen.arrivals(BUSY)) >= 15, "events flow")
        async with answers.to_calls(deployment):
            await eventually(lambda: answers.latest == {BUSY: 200, IDLE: 200}, "callbacks are taken")

            await own_kafka.kill()
            await eventually(lambda: answers.latest == {BUSY: 503, IDLE: 503}, "callbacks are refused")
            taken = len(answers.taken)
            await asyncio.sleep(AWAY_SECONDS)
            assert len(answers.taken) == taken
            assert (await deployment.get("/readyz"))[0] == 503
            assert (await deployment.get("/readyz/listener"))[0] == 503

            await own_kafka.start()
            await eventually(lambda: answers.latest == {BUSY: 200, IDLE: 200}, "callbacks are taken again")
        await deployment.everything_committed(COUNT)

        async def ready() -> bool:
            return (await deployment.get("/readyz"))[0] == 200

        await eventually(ready, "readiness says so")
        assert await deployment.stop() == 0
    ids = {str(number) for number in range(COUNT)}
    created = Counter(each.id for each in seen.arrivals(BUSY) if (each.method, each.status) == ("POST", 201))
    assert created == dict.fromkeys(ids, 1)
    assert {headers_of(each)["ce_subject"] for each in await deployment.read("outcomes")} == ids
    for workspace in (BUSY, IDLE):
        videos = {headers_of(each)["ce_subject"] for each in await deployment.read("videos", workspace)}
        assert {call for name, call in answers.taken if name == workspace} <= videos


class Answers:
    """What callbacks are answered: the latest of each workspace, and those that were answered 2xx."""

    def __init__(self) -> None:
        self.latest: dict[str, int] = {}
        self.taken: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def to_calls(self, deployment: Deployment) -> AsyncIterator[None]:
        """Calls both workspaces again and again for as long as the context lasts, each time with another id."""
        calling = asyncio.create_task(self._call_forever(deployment))
        try:
            yield
        finally:
            calling.cancel()
            await asyncio.wait([calling])

    async def _call_forever(self, deployment: Deployment) -> None:
        for number in itertools.count():
            await asyncio.gather(*(self._call(deployment, name, str(number)) for name in (BUSY, IDLE)))
            await asyncio.sleep(0.3)

    async def _call(self, deployment: Deployment, workspace: str, number: str) -> None:
        body = orjson.dumps({"id": number, "player_url": f"https://p.example/{number}"})
        self.latest[workspace] = await deployment.call(body, workspace=workspace)
        if self.latest[workspace] < 300:
            self.taken.add((workspace, number))
