"""Receivers while everything breaks: two replicas, a broker and SEEN are killed, stopped and cut off, and nothing is lost.

What goes wrong comes in an order that is drawn from a seed; events are written before each of it, so there is always
something on its way. Afterwards it is compared what went in, what SEEN saw, and what came out.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, Deployment, eventually, headers_of, roles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from connector.sandbox.emulator import Arrival
    from connector.sandbox.kafka import LocalKafka
    from connector.types import Record

SEED = int(os.environ.get("SEEN_CONNECTOR_SEED", "0"))
CAMPAIGN = "welcome-film"
QUOTA = Quota(20, 3.0)
MAX_ITEMS, MAX_BYTES = 25, 2_000
EVENTS_BEFORE_EACH, KEYS, PARTITIONS = 200, 120, 4
SESSION_SECONDS = 10
PROPERTIES = {"first_name": "name", "last_name": "surname", "customer_id": "id", "phone": "phone"}

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """One campaign, with few calls."""
    campaign = WorkspaceSettings(id=CAMPAIGN, api="receivers", tokens=(SEEN_TOKEN,), quota=QUOTA)
    settings = EmulatorSettings(workspaces=(campaign,), render_seconds=0.1, seed=SEED)
    async with Emulator(settings) as emulator:
        yield emulator


def event(number: int) -> dict[str, Any]:
    """Of a hundred events SEEN refuses one, we refuse one, and five are about a customer of whom SEEN knows by then."""
    place = number % 100
    return {
        "id": f"c-{number - KEYS if place >= 95 and number >= KEYS else number}",
        "name": "Ada",
        "surname": "x" * 101 if place == 7 else "Lovelace",
        "phone": "12345678" if place == 8 else "+4712345678",
        "number": number,
    }


class Course:
    """Two replicas of one workspace, and what is done to them."""

    def __init__(self, replicas: tuple[Deployment, ...], kafka: LocalKafka, seen: Emulator) -> None:
        self._replicas = replicas
        self._kafka = kafka
        self._seen = seen
        self.written = 0
        self.mishaps: tuple[Callable[[], Awaitable[None]], ...] = (
            self._kill,
            self._kill,
            self._stand_still,
            self._kill_the_broker,
            self._refuse_connections,
            self._fail(Fault(status=500, times=2)),
            self._fail(Fault(status=502, times=1, processed=True)),
            self._fail(Fault(act="reset", times=2)),
            self._fail(Fault(act="reset", times=3, processed=True)),
            self._fail(Fault(act="hang", times=2, processed=True)),
            self._fail(Fault(act="none", times=5, delay_seconds=1.5)),
        )

    async def write(self) -> None:
        """Some more events."""
        numbers = range(self.written, self.written + EVENTS_BEFORE_EACH)
        await self._replicas[0].produce(
            *(
                {"value": orjson.dumps(event(number)), "key": f"k-{number % KEYS}".encode()}
                for number in numbers
            )
        )
        self.written = numbers.stop

    async def _kill(self) -> None:
        """While a call is on the wire that SEEN carries out."""
        owner, _ = await roles(self._replicas)
        await self._strike(Fault(act="hang", processed=True))
        owner.kill()
        await owner.start()

    async def _stand_still(self) -> None:
        """For longer than its session."""
        owner, _ = await roles(self._replicas)
        os.kill(owner.pid, signal.SIGSTOP)
        await asyncio.sleep(SESSION_SECONDS + 3)
        os.kill(owner.pid, signal.SIGCONT)

    async def _kill_the_broker(self) -> None:
        await self._kafka.kill()
        await asyncio.sleep(3)
        await self._kafka.start()

    async def _refuse_connections(self) -> None:
        await self._seen.port.go_down()
        await asyncio.sleep(3)
        await self._seen.port.come_up()

    def _fail(self, fault: Fault) -> Callable[[], Awaitable[None]]:
        return lambda: self._strike(fault)

    async def _strike(self, fault: Fault) -> None:
        """Returns when it has struck as often as it is to: calls of these events, or of earlier ones."""
        self._seen.fail(fault)
        await self.write()
        await eventually(lambda: not self._seen.faults(), f"it has struck: {fault}")


async def test_receivers_keep_every_promise_while_everything_breaks(
    tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str
) -> None:
    replicas = tuple(deployed(tmp_path / name, own_kafka, seen, prefix) for name in ("one", "other"))
    outside, course = replicas[0], Course(replicas, own_kafka, seen)
    await outside.create(outside.topic("events"), partitions=PARTITIONS)
    await course.write()
    seen.fail(
        Fault(status=400, body="<html>")
    )  # of the first batch, which is large: it does not say for whom
    async with AsyncExitStack() as ending:
        for each in replicas:
            await ending.enter_async_context(each)
        mishaps = list(course.mishaps)
        random.Random(SEED).shuffle(mishaps)
        for mishap in mishaps:
            await course.write()
            await mishap()
        # Most of them may have waited until now, and the calls that there are take some 50 a second.
        await outside.everything_committed(course.written, seconds=240)
        outcomes = [(headers_of(each), each.value) for each in await outside.read("outcomes")]
        letters = await outside.read("dead_letters")
        for each in replicas:
            assert await each.stop() == 0
    check_calls(seen)
    check_order(seen)
    check_outcomes(seen, outcomes, letters, course.written)


def deployed(folder: Path, kafka: LocalKafka, seen: Emulator, prefix: str) -> Deployment:
    """A replica that is not started yet."""
    folder.mkdir()
    deployment = Deployment(folder, kafka.bootstrap_servers, seen.url, prefix)
    deployment.workspace(
        seen={
            "api": "receivers",
            "workspace_id": None,
            "campaign_slug": CAMPAIGN,
            "auth": {"token": SEEN_TOKEN},
            "quota": {
                "requests": QUOTA.requests,
                "per_seconds": QUOTA.per_seconds,
                "grace_seconds": 0.5,
            },
            "batch": {"max_items": MAX_ITEMS, "max_wait_seconds": 0.3},
            "max_request_bytes": MAX_BYTES,
        },
        source={"properties": PROPERTIES, "extra_args": {"number": "number"}},
    )
    return deployment


def items(call: Arrival) -> list[dict[str, Any]]:
    """What a call carries."""
    found: list[dict[str, Any]] = orjson.loads(call.body)
    return found


def number_of(item: dict[str, Any]) -> int:
    """The event that it is about."""
    number: int = item["extra_args"]["number"]
    return number


def check_calls(seen: Emulator) -> None:
    """The quota, the size of batches; no customer is created twice."""
    calls = seen.arrivals(CAMPAIGN)
    assert seen.worst_window(CAMPAIGN) <= QUOTA.requests
    assert not [each for each in calls if each.status == 429]
    assert max(len(items(each)) for each in calls) <= MAX_ITEMS
    assert max(len(each.body) for each in calls) <= MAX_BYTES
    created = Counter(item["customer_id"] for each in calls if each.processed for item in items(each))
    assert set(created.values()) == {1}


def check_order(seen: Emulator) -> None:
    """No call carries two of a key, and those of a key are created in their order."""
    created: dict[int, list[int]] = defaultdict(list)
    for call in seen.arrivals(CAMPAIGN):
        numbers = [number_of(each) for each in items(call)]
        assert len({number % KEYS for number in numbers}) == len(numbers)
        for number in numbers if call.processed else ():
            created[number % KEYS].append(number)
    assert all(numbers == sorted(numbers) for numbers in created.values())


def check_outcomes(
    seen: Emulator,
    outcomes: list[tuple[dict[str, str], bytes | None]],
    letters: list[Record],
    written: int,
) -> None:
    """Every event ends in one way, the right one; a dead letter bears what SEEN said of it."""
    ends: dict[str, set[str]] = defaultdict(set)
    for headers, value in outcomes:
        origin = orjson.loads(value or b"{}")["origin"]
        ends[f"{origin['partition']}/{origin['offset']}"].add(headers["ce_type"])
    assert len(ends) == written
    assert {len(each) for each in ends.values()} == {1}
    places = range(written)
    refused, unusable = ({f"c-{number}" for number in places if number % 100 == place} for place in (7, 8))
    taken = {
        item["customer_id"] for each in seen.arrivals(CAMPAIGN) if each.processed for item in items(each)
    }
    assert taken == {event(number)["id"] for number in places} - refused - unusable
    words: dict[str, set[str]] = defaultdict(set)
    for each in letters:
        words[headers_of(each)["seen-dead-letter-detail"]].add(orjson.loads(each.value or b"{}")["id"])
    assert words == {
        'SEEN answered 400 ({"last_name":["Ensure this field has no more than 100 characters."]})': refused,
        "`phone` is no number in the form of E.164, such as +4712345678": unusable,
    }
    kinds = Counter(next(iter(each)) for each in ends.values())
    assert kinds["seen.data.rejected.v1"] == len(refused | unusable)
    assert kinds["seen.data.accepted.v1"] == written - len(refused | unusable)
