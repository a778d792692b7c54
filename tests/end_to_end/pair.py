"""Two replicas, each with a proxy of its own before SEEN and before Kafka; and what SEEN and the proxies saw of them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from connector.sandbox.emulator import Quota
from tests.end_to_end.deployment import Deployment, eventually, headers_of, roles
from tests.end_to_end.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from connector.sandbox.emulator import Arrival, Emulator
    from connector.sandbox.kafka import LocalKafka

QUOTA = Quota(10, 2.0)
SEEN_TAKES_SECONDS = 0.3
_KEYS = 100
_SEEN = {
    "quota": {"requests": QUOTA.requests, "per_seconds": QUOTA.per_seconds, "grace_seconds": 0.5},
    "timeout_seconds": 2,
}
_WITHOUT_LEASE = ("-P", str(Path(__file__).parent / "without_lease.py"))


@dataclass(frozen=True, slots=True)
class Replica:
    """One of the two, and its ways."""

    deployment: Deployment
    to_seen: Proxy
    to_kafka: Proxy

    def stand_still(self) -> None:
        """SIGSTOP."""
        os.kill(self.deployment.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.deployment.pid, signal.SIGCONT)


class Pair:
    """Both replicas of one workspace, which has one partition and is to have a backlog of `events`."""

    def __init__(self, name: str, seen: Emulator, replicas: tuple[Replica, ...], events: int) -> None:
        self.name = name
        self.events = events
        self._seen = seen
        self._replicas = replicas
        self._outside = replicas[0].deployment

    # The course

    async def roles(self) -> tuple[Replica, Replica]:
        """Waits until one owns the workspace and the other stands by; which is which."""
        replicas = {each.deployment: each for each in self._replicas}
        owner, standby = await roles(replicas, self.name)
        return replicas[owner], replicas[standby]

    async def flood(self) -> None:
        """Writes the backlog; returns when two windows of it have been sent, and more is on the wire."""
        events = [{"key": b"%d" % (n % _KEYS), "value": b'{"id": "%d"}' % n} for n in range(self.events)]
        await self._outside.produce(*events, topic=self._outside.topic("events", self.name))
        await eventually(lambda: len(self.arrivals) > 2 * QUOTA.requests, f"{self.name}: it flows")
        async with asyncio.timeout(30):
            while all(each.status is not None for each in self.arrivals):  # noqa: ASYNC110 - it must be quick
                await asyncio.sleep(0.005)

    async def full_rate(self) -> None:
        """Waits until requests arrive about as fast as the quota allows."""

        def is_full() -> bool:
            since = time.time() - QUOTA.per_seconds - SEEN_TAKES_SECONDS
            return sum(each.at > since for each in self.arrivals) >= 0.8 * QUOTA.requests

        await eventually(is_full, f"{self.name}: full rate")

    async def given_to(self, replica: Replica, since: float) -> None:
        """Waits until `replica` was given the partitions, later than `since`."""
        given = replica.deployment.assignments
        await eventually(lambda: max(given(self.name), default=0.0) > since, f"{self.name}: it changes hands")

    async def all_committed(self) -> None:
        """Waits until every event is committed."""
        await self._outside.everything_committed(self.events, self.name)

    # What was seen of it

    @property
    def arrivals(self) -> list[Arrival]:
        """The requests that arrived at SEEN."""
        return self._seen.arrivals(self.name)

    @property
    def worst_window(self) -> int:
        """The most requests that arrived at SEEN in any window."""
        return self._seen.worst_window(self.name)

    @property
    def requests_of_zombies(self) -> list[float]:
        """When somebody sent who was not the last to be given the partitions, in Unix seconds."""
        turns = sorted(
            (at, each.to_seen.port)
            for each in self._replicas
            for at in each.deployment.assignments(self.name)
        )
        sent = [(at, each.to_seen.port) for each in self._replicas for at in each.to_seen.passed]
        return [
            at for at, sender in sent if [owner for since, owner in turns if since <= at][-1:] != [sender]
        ]

    @property
    def posted_again(self) -> list[str]:
        """The ids that were posted more than once."""
        return [each for each, count in Counter(self._posted).items() if count > 1]

    @property
    def out_of_order(self) -> list[tuple[str, str]]:
        """Events of one key of which the later was posted before the earlier."""
        lanes = [[each for each in self._posted if int(each) % _KEYS == key] for key in range(_KEYS)]
        return [(one, other) for lane in lanes for one, other in pairwise(lane) if int(one) > int(other)]

    @property
    def _posted(self) -> list[str]:
        return [each.id or "" for each in self.arrivals if each.method == "POST"]

    async def lost(self) -> set[str]:
        """The ids that SEEN does not have, or that have no outcome."""
        outcomes = await self._outside.read("outcomes", self.name)
        told = {headers_of(each)["ce_subject"] for each in outcomes}
        taken = {each.id for each in self.arrivals if each.processed}
        return {str(number) for number in range(self.events)} - (told & taken)


@dataclass(frozen=True, slots=True)
class Stage:
    """What several pairs share. Each has a workspace of its own at SEEN, named as the pair is; `has_lease` False: all of
    their replicas have the bugs of `without_lease.py`. `starting` is for a machine of two cores: one pair after the other.
    """

    directory: Path
    kafka: LocalKafka
    seen: Emulator
    prefix: str
    has_lease: bool
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def pair(self, name: str, *, ways: Iterable[tuple[int, int]], events: int) -> AsyncIterator[Pair]:
        """Two replicas that run. `ways` are two of the broker's proxies."""
        async with AsyncExitStack() as ending:
            replicas = []
            for number, (port, behind) in enumerate(ways):
                to_kafka = await ending.enter_async_context(Proxy(behind, port=port))
                to_seen = await ending.enter_async_context(Proxy(URL(self.seen.url).port or 0))
                deployment = self._deployment(f"{name}-{number}", to_seen, to_kafka)
                # So many offsets may leave beyond a commit: that would end an owner that is cut off, too.
                delivery = {} if self.has_lease else {"max_in_flight": 100}
                deployment.workspace(name, seen=_SEEN, delivery=delivery)
                replicas.append(Replica(deployment, to_seen, to_kafka))
            outside = replicas[0].deployment
            await outside.create(outside.topic("events", name), partitions=1)
            async with self.starting, asyncio.TaskGroup() as both:
                for replica in replicas:
                    both.create_task(ending.enter_async_context(replica.deployment))
            yield Pair(name, self.seen, tuple(replicas), events)

    def _deployment(self, folder: str, to_seen: Proxy, to_kafka: Proxy) -> Deployment:
        """A connector that goes through the proxies; what the test asks of Kafka goes straight to the broker."""
        seen_url = f"http://{to_seen.address}"
        deployment = Deployment(self.directory / folder, self.kafka.bootstrap_servers, seen_url, self.prefix)
        deployment.connector["kafka"] |= {"bootstrap_servers": to_kafka.address}
        if not self.has_lease:
            deployment.command = _WITHOUT_LEASE
        return deployment
