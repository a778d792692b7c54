"""2,000 videos whose callbacks are lost, doubled and late, while a broker goes and a replica dies: every one is published.

Two replicas stand behind a load balancer that knows nothing of their health. What goes wrong, and when, is drawn from a
seed; which callbacks it befalls is known beforehand, so that each look-up must have its reason.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import (
    Callback,
    Emulator,
    EmulatorSettings,
    Mishap,
    Quota,
    WorkspaceSettings,
    bearer,
)
from connector.sandbox.processes import free_ports
from tests.end_to_end.deployment import (
    CALLBACK_TOKEN,
    SEEN_TOKEN,
    Deployment,
    eventually,
    headers_of,
    roles,
)
from tests.end_to_end.proxy import Proxy, kept_free
from tests.end_to_end.test_videos import (
    OVERDUE,
    data_of,
    metric,
    nothing_pending,
    produce,
    videos,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from connector.sandbox.kafka import LocalKafka
    from connector.types import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast it all goes. `away_seconds` is how long the broker, and the replica, are away: long enough that all three
    calls of a callback can meet a dead listener.
    """

    quota: Quota
    grace_seconds: float
    call_again_seconds: float
    reordered_by_seconds: float
    away_seconds: float
    overdue_after_seconds: float
    patience_seconds: float


QUICK = Pace(
    quota=Quota(100, 1.0),
    grace_seconds=0.5,
    call_again_seconds=1.0,
    reordered_by_seconds=2.0,
    away_seconds=2.5,
    overdue_after_seconds=12.0,
    patience_seconds=180.0,
)
# SEEN's documented quota, and its 60 s between calls; it is for a release, not for every day.
SEENS = Pace(
    quota=Quota(100, 10.0),
    grace_seconds=10.0,
    call_again_seconds=60.0,
    reordered_by_seconds=30.0,
    away_seconds=150.0,
    overdue_after_seconds=300.0,
    patience_seconds=1200.0,
)
PACE = SEENS if os.environ.get("SEEN_CONNECTOR_SEENS_PACE") else QUICK
SEED = int(os.environ.get("SEEN_CONNECTOR_SEED", "0"))
COUNT = 2_000
LEDGER_SECONDS = 2.0  # a callback is in the topic, and the ledger has read it

pytestmark = pytest.mark.timeout(3 * PACE.patience_seconds)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which callbacks are lost (all three calls), doubled and reordered, and after how many posts what goes away."""

    ids: tuple[str, ...]
    lost: frozenset[str]
    doubled: frozenset[str]
    reordered: frozenset[str]
    listener_after: int
    broker_after: int
    is_owner_killed: bool

    @classmethod
    def drawn(cls, chance: random.Random) -> Plan:
        """10 % lost, 10 % doubled, 5 % reordered; both fall away between a fifth and three quarters of all posts."""
        ids = tuple(f"cust-{number}" for number in range(COUNT))
        struck = chance.sample(ids, COUNT // 4)
        tenth = COUNT // 10
        return cls(
            ids,
            frozenset(struck[:tenth]),
            frozenset(struck[tenth : 2 * tenth]),
            frozenset(struck[2 * tenth :]),
            chance.randrange(COUNT // 5, COUNT * 3 // 4),
            chance.randrange(COUNT // 5, COUNT * 3 // 4),
            chance.random() < 0.5,
        )

    def order(self, seen: Emulator) -> None:
        """Orders the mishaps."""
        for each in self.lost:
            seen.befall(Mishap(act="lose", id=each))
        for each in self.doubled:
            seen.befall(Mishap(act="repeat", id=each))
        for each in self.reordered:
            seen.befall(Mishap(act="delay", id=each, delay_seconds=PACE.reordered_by_seconds))


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    acme = WorkspaceSettings(id="acme", tokens=(SEEN_TOKEN,), quota=PACE.quota)
    settings = EmulatorSettings(
        workspaces=(acme,),
        render_seconds=1.0,
        callback_retry_seconds=PACE.call_again_seconds,
        seed=SEED,
        remembered=10 * COUNT,
    )
    async with Emulator(settings) as emulator:
        yield emulator


def replica(directory: Path, kafka: LocalKafka, seen: Emulator, prefix: str, port: int) -> Deployment:
    """One of the two; each has a spool of its own."""
    deployment = Deployment(directory, kafka.bootstrap_servers, seen.url, prefix)
    (directory / "spool").mkdir(parents=True)
    deployment.connector["listener"] |= {"port": port, "spool": {"directory": str(directory / "spool")}}
    limit = {"requests": PACE.quota.requests, "per_seconds": PACE.quota.per_seconds}
    deployment.workspace(
        seen={"quota": limit | {"grace_seconds": PACE.grace_seconds}},
        videos={"overdue_after_seconds": PACE.overdue_after_seconds, "give_up_after_seconds": 86_400},
    )
    return deployment


async def test_every_video_is_published_and_only_those_are_looked_up_whose_callback_did_not_come(
    tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str
) -> None:
    plan = Plan.drawn(random.Random(SEED))
    plan.order(seen)
    ports = free_ports(2)
    replicas = [replica(tmp_path / f"replica-{port}", own_kafka, seen, prefix, port) for port in ports]
    async with AsyncExitStack() as ending:
        for port in ports:
            ending.enter_context(kept_free(port))
        balancer = await ending.enter_async_context(Proxy(*ports))
        async with asyncio.TaskGroup() as starting:
            for each in replicas:
                starting.create_task(ending.enter_async_context(each))
        # A connection for each call: the balancer gives each to the other listener than the last.
        headers = bearer(CALLBACK_TOKEN) | {"Connection": "close"}
        seen.set_callback("acme", Callback(f"http://{balancer.address}/callbacks/acme", headers))
        owner, standby = await roles(replicas)
        await produce(owner, list(plan.ids))
        async with asyncio.TaskGroup() as faults:
            victim = owner if plan.is_owner_killed else standby
            faults.create_task(away(seen, plan.listener_after, victim.kill, victim.start))
            faults.create_task(away(seen, plan.broker_after, own_kafka.kill, own_kafka.start))
        await until_all_is_quiet(seen, replicas)
        await check(plan, seen, owner)
        for each in replicas:
            assert sum((await metric(each, "callbacks_total")).values()) > 0


async def away(
    seen: Emulator,
    after: int,
    goes: Callable[[], Awaitable[None] | None],
    comes: Callable[[], Awaitable[None]],
) -> None:
    """After so many posts something is killed, and started again a while later."""

    def posted() -> bool:
        return sum(each.method == "POST" for each in seen.arrivals()) >= after

    await eventually(posted, f"{after} are posted", PACE.patience_seconds)
    if (going := goes()) is not None:
        await going
    await asyncio.sleep(PACE.away_seconds)
    await comes()


async def until_all_is_quiet(seen: Emulator, replicas: Sequence[Deployment]) -> None:
    """Waits until every video is published, SEEN calls no more, and nothing is spooled or pending."""

    async def quiet() -> bool:
        journeys = seen.summary()["journeys"]
        if len(seen.arrivals()) < COUNT or journeys["under_way"]:  # type: ignore[index]
            return False
        if any([(await each.status())["spooled_callbacks"] for each in replicas]):
            return False
        owner, _ = await roles(replicas)
        return await nothing_pending(owner) and len(ids_of(await videos(owner))) == COUNT

    await eventually(quiet, "every video is published", PACE.patience_seconds)


def ids_of(ready: Iterable[Record]) -> set[str]:
    """The ids of videos."""
    return {data_of(each)["id"] for each in ready}


async def check(plan: Plan, seen: Emulator, deployment: Deployment) -> None:
    """Nothing is missing, every look-up had its reason, and SEEN saw no more requests than it allows."""
    taken = Counter(each.id for each in seen.callbacks() if 200 <= (each.status or 0) < 300)
    ready = await videos(deployment)
    assert ids_of(ready) == set(plan.ids)
    event_ids = {(data_of(each)["id"], headers_of(each)["ce_id"]) for each in ready}
    assert len({event_id for _, event_id in event_ids}) == len(event_ids) == COUNT
    assert not await videos(deployment, OVERDUE)

    heard: defaultdict[str, list[float]] = defaultdict(list)
    for each in ready:
        if data_of(each)["found_by"] == "callback":
            heard[data_of(each)["id"]].append(each.timestamp_ms / 1000)
    assert all(len(heard[id_]) >= calls for id_, calls in taken.items())  # a 2xx is a promise
    found = ids_of(each for each in ready if data_of(each)["found_by"] == "reconciliation")
    assert plan.lost <= found - heard.keys()
    accepted = await acceptances(deployment)
    late = {
        id_
        for id_, times in heard.items()
        if min(times) > accepted[id_] + PACE.overdue_after_seconds - LEDGER_SECONDS
    }
    unanswered = Counter(each.id for each in seen.callbacks() if each.status is None)
    refused = {id_ for id_, calls in unanswered.items() if calls == 3} - taken.keys()
    assert found <= plan.lost | refused | late

    assert seen.worst_window("acme") <= PACE.quota.requests
    assert 429 not in {each.status for each in seen.arrivals()}
    check_course(plan, seen)


async def acceptances(deployment: Deployment) -> dict[str, float]:
    """When SEEN took each event, in Unix seconds; the first time, where that was published more than once."""
    found: dict[str, float] = {}
    for each in await deployment.read("outcomes"):
        headers = headers_of(each)
        assert headers["ce_type"] == "seen.data.accepted.v1"
        at = datetime.fromisoformat(headers["ce_time"]).timestamp()
        found[headers["ce_subject"]] = min(at, found.get(headers["ce_subject"], at))
    return found


def check_course(plan: Plan, seen: Emulator) -> None:
    """What was to go wrong did."""
    journeys = seen.summary()["journeys"]
    assert isinstance(journeys, dict)
    assert journeys["rendered"] == COUNT
    assert journeys["lost"] == len(plan.lost)
    assert journeys["delayed"] == len(plan.reordered)
    assert journeys["repeated"] >= 0.9 * len(plan.doubled)  # what is not taken is not repeated
    statuses = Counter(each.status for each in seen.callbacks())
    assert statuses[None] > 0  # the listener was dead
    assert statuses[202] > 0  # the broker was away
