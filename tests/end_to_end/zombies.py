"""The courses in which an owner loses its partitions and cannot know: it stands still, or is cut off from Kafka.

From the moment in which that begins, with a session of 10 s: the lease ends within 5 s. After about 10.5 s the other
replica is given the partitions; for 4.5 s more it takes for spent what the owner may have sent since its last commit.
So from about 15 s on it uses the whole quota, and whoever else sends exceeds it.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, WorkspaceSettings
from connector.sandbox.kafka import LocalKafka
from tests.end_to_end.deployment import SEEN_TOKEN
from tests.end_to_end.pair import QUOTA, SEEN_TAKES_SECONDS, Stage
from tests.end_to_end.proxy import kept_free

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.end_to_end.pair import Pair, Replica

_UNHEARD_SECONDS = 3.0
_CUT_OFF_SECONDS = 24.0


@dataclass(frozen=True, slots=True)
class Course:
    """The owner stands still for `still_seconds`, or is cut off from Kafka if that is None; there are `events` enough.

    `hard`: connections are reset, and Kafka refuses new ones; else they end in order, and Kafka is silent.
    """

    workspace: str
    events: int
    hard: bool
    still_seconds: float | None = None


COURSES = (
    Course("still-60-s", 255, hard=True, still_seconds=60.0),  # the longest first
    Course("kafka-silent", 140, hard=False),
    Course("kafka-refuses", 140, hard=True),
    Course("still-20-s", 110, hard=False, still_seconds=20.0),
)


@dataclass(frozen=True, slots=True)
class Zombie:
    """The replica that owned the workspace of `pair`, and was well until `since`, in Unix seconds."""

    pair: Pair
    replica: Replica
    since: float


@asynccontextmanager
async def a_stage(directory: Path, prefix: str, *, has_lease: bool) -> AsyncIterator[Stage]:
    """A broker behind proxies and SEEN, with a workspace for each course."""
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        pytest.skip(
            "this test needs proxies before the broker, and KAFKA_BOOTSTRAP_SERVERS names one without"
        )
    kafka = LocalKafka(directory / "kafka", proxies=2 * len(COURSES))
    workspaces = tuple(
        WorkspaceSettings(id=each.workspace, tokens=(SEEN_TOKEN,), quota=QUOTA) for each in COURSES
    )
    async with AsyncExitStack() as ending:
        for port in chain.from_iterable(kafka.proxies):
            ending.enter_context(kept_free(port))
        await ending.enter_async_context(kafka)
        seen = await ending.enter_async_context(Emulator(EmulatorSettings(workspaces=workspaces)))
        seen.fail(Fault(act="none", delay_seconds=SEEN_TAKES_SECONDS, times=None))
        yield Stage(directory, kafka, seen, prefix, has_lease)


@asynccontextmanager
async def played(course: Course, stage: Stage) -> AsyncIterator[Zombie]:
    """The course up to the moment in which the zombie has had time to do harm: it has slots and events, and its successor
    uses the whole quota. The way to Kafka, by which it would hear of its successor, is closed until it is restored.
    """
    first = 2 * COURSES.index(course)
    ways = stage.kafka.proxies[first : first + 2]
    async with stage.pair(course.workspace, ways=ways, events=course.events) as pair:
        owner, successor = await pair.roles()
        await pair.flood()
        zombie = Zombie(pair, owner, time.time())
        if course.still_seconds is None:
            await _cut_off(zombie, hard=course.hard)
        else:
            await _stand_still(zombie, course.still_seconds, hard=course.hard)
        await pair.given_to(successor, zombie.since)
        yield zombie


async def _cut_off(zombie: Zombie, *, hard: bool) -> None:
    """The owner is cut off from Kafka, and not from SEEN."""
    way = zombie.replica.to_kafka
    if hard:
        way.refuse()
    else:
        way.black_hole()
    await asyncio.sleep(_CUT_OFF_SECONDS)


async def _stand_still(zombie: Zombie, seconds: float, *, hard: bool) -> None:
    """SIGSTOP, and SIGCONT after `seconds`. SEEN's side ends the connections: by resets at once, while requests are on the
    wire, or in order, later. What comes from Kafka after SIGCONT comes late.
    """
    replica = zombie.replica
    replica.stand_still()
    if not hard:
        await asyncio.sleep(seconds / 2)
    replica.to_seen.close_connections(reset=hard)
    await asyncio.sleep(zombie.since + seconds - time.time())
    await zombie.pair.full_rate()
    replica.to_kafka.black_hole()
    replica.go_on()
    await asyncio.sleep(_UNHEARD_SECONDS)
