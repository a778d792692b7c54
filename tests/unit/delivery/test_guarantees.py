"""What the engine promises, under arbitrary courses of events: answers of every kind, outages, rebalances, a slow broker.

A course is a list of steps, each a figure of what happens at SEEN or in Kafka. Time is virtual, so hours cost nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import looptime
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.delivery.attempt import DeliveryPolicy
from connector.delivery.backoff import Backoff
from connector.delivery.pump import Bounds
from connector.errors import KafkaUnavailable
from connector.seen.limits import QuotaLimits
from connector.testing import (
    DEAD_LETTERS,
    OUTCOMES,
    SOURCE,
    EngineSettings,
    MemoryTopics,
    ScriptedDestination,
    SentRequest,
    Simulation,
)
from connector.types import Absent, Accepted, InDoubt, Reason, Reject, Retry, Suspend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.testing.destination import Finding, Kind
    from connector.types import Commit, Event, Partition

AWAY = KafkaUnavailable("the broker is away")
KEYS = ("a", "b", "c", "d")
SETTINGS = EngineSettings(
    limits=QuotaLimits(requests=20, per_seconds=10, grace_seconds=2),
    policy=DeliveryPolicy(
        backoff=Backoff(1, 8),
        give_up_after_seconds=40,
        ttl_seconds=None,
        look_up_in_doubt=True,
        look_up_after_seconds=5,
    ),
    probe=Backoff(1, 8),
    bounds=Bounds(max_buffered=12, max_buffered_bytes=2**25, max_uncommitted=20),
    max_in_flight=4,
)
CREATES: dict[str, Finding] = {
    "created": Accepted(reason=Reason.CREATED, status=201),
    "bad": Reject(reason=Reason.BAD_REQUEST, status=400),
    "broken": Retry(reason=Reason.SERVER_ERROR, status=500),
    "over quota": Retry(reason=Reason.OVER_QUOTA, status=429),
    "told to wait": Retry(reason=Reason.UNAVAILABLE, status=503, outage=True, hold_seconds=20),
    "down": Retry(reason=Reason.UNAVAILABLE, status=503, outage=True),
    "unreachable": Retry(reason=Reason.CANNOT_CONNECT, outage=True),
    "refused": Suspend(reason=Reason.UNAUTHENTICATED, status=401),
    "timed out": InDoubt(reason=Reason.TIMED_OUT),
    "conflict": InDoubt(reason=Reason.CONFLICT, status=409),
}
TAKEN = ("created", "timed out", "conflict")
"""With these answers SEEN has the event."""
ABSENT = Absent(reason=Reason.NOT_FOUND, status=404)
SIGHTINGS: dict[str, Finding] = {"created": Accepted(reason=Reason.FOUND, status=200), "bad": ABSENT}
"""What answers a look-up where a create would be answered so; the others are the same for both."""


@dataclass(frozen=True, slots=True)
class Add:
    """An event of one key, and what SEEN answers to the first requests about it; afterwards it takes it."""

    key: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Happens:
    """Something at SEEN or in Kafka, `seconds` long or after."""

    what: str
    seconds: float


ADD = st.builds(Add, st.sampled_from(KEYS), st.lists(st.sampled_from(sorted(CREATES)), max_size=4).map(tuple))
HAPPENINGS = (
    *("pass", "answers take", "bad record", "outcomes away", "dead letters away"),
    *("commits take", "commits fail"),
)


def steps(*happenings: str) -> st.SearchStrategy[list[Add | Happens]]:
    """Courses of which half the steps are events, and the others one of `happenings`."""
    return st.lists(ADD | st.builds(Happens, st.sampled_from(happenings), st.floats(0, 60)), max_size=40)


class WatchedTopics(MemoryTopics):
    """Has every commit looked at before it is made."""

    async def commit(self, commits: Mapping[Partition, Commit]) -> bool:
        end = commits[SOURCE].offset if SOURCE in commits else 0
        durable = {dict(message.headers)["ce_id"] for message in self.messages(OUTCOMES)}
        for record in self.records(SOURCE):
            if record.offset < end:
                assert record.origin.encode() in durable, f"{record.origin} is committed without an outcome"
        assert SOURCE not in commits or end >= self.committed.get(SOURCE, 0), "a commit went back"
        return await super().commit(commits)


class Life:
    """One engine, and what happens to it. Must be made inside a running loop."""

    def __init__(self, max_items: int) -> None:
        self.answers: dict[str, list[str]] = {}
        self.destination = ScriptedDestination(self.answer, max_items=max_items, seconds=0.5)
        self.topics = WatchedTopics()
        self.engine = Simulation(self.destination, SETTINGS, self.topics)
        self.epochs = [0]
        """How many requests there had been when each epoch began."""
        self.scripts: dict[str, tuple[str, ...]] = {}
        """What SEEN was to answer about each event at first."""
        self.taken: set[str] = set()
        """What SEEN has."""

    def answer(self, event: Event, kind: Kind) -> Finding:
        left = self.answers[event.id]
        name = left.pop(0) if left else "created"
        if kind == "create":
            if name in TAKEN:
                self.taken.add(event.id)
            return CREATES[name]
        if name == "created" and event.id not in self.taken:
            return ABSENT
        return SIGHTINGS.get(name, CREATES[name])

    async def run(self, course: list[Add | Happens]) -> None:
        await self.engine.__aenter__()
        try:
            for step in course:
                await self.take(step)
                assert self.engine.pump.assignment.buffered <= SETTINGS.bounds.max_buffered
                assert self.engine.dispatcher.in_flight <= SETTINGS.max_in_flight
            self.destination.seconds = 0.1
            for _ in range(600):
                await asyncio.sleep(10)
                if self.engine.committed == self.end:
                    break
        finally:
            await self.engine.__aexit__(None, None, None)
        assert self.engine.committed == self.end, "a record waits for ever"

    async def take(self, step: Add | Happens) -> None:  # noqa: C901 - a table
        engine, topics = self.engine, self.topics
        match step:
            case Add(key, answers):
                event_id = f"{key}-{len(self.answers):03}"
                self.answers[event_id] = list(answers)
                self.scripts[event_id] = answers
                engine.add(event_id, key=key)
            case Happens("bad record", seconds):  # after a gap
                topics.add(SOURCE, b"no json", offset=self.end + int(seconds))
            case Happens("answers take", seconds):
                self.destination.seconds = seconds
            case Happens("outcomes away", seconds):
                topics.fail(OUTCOMES, AWAY, seconds=seconds)
            case Happens("dead letters away", seconds):
                topics.fail(DEAD_LETTERS, AWAY, seconds=seconds)
            case Happens("commits take", seconds):
                topics.commit_seconds = seconds / 20
            case Happens("commits fail", seconds):
                topics.commit_error = AWAY
                await asyncio.sleep(seconds)
                topics.commit_error = None
            case Happens("revoked", seconds):
                await topics.revoke(engine.pump)
                await asyncio.sleep(seconds)
                self.epochs.append(len(self.destination.requests))
                topics.assign(engine.pump, SOURCE)
            case Happens("killed" | "stopped" as how, seconds):
                await self.replace(how, seconds)
            case Happens(_, seconds):
                await asyncio.sleep(seconds)

    async def replace(self, how: str, seconds: float) -> None:
        """Ends the engine, and `seconds` later there is another one."""
        await (self.engine.crash() if how == "killed" else self.engine.__aexit__(None, None, None))
        await asyncio.sleep(seconds)
        self.epochs.append(len(self.destination.requests))
        self.engine = Simulation(self.destination, SETTINGS, self.topics)
        await self.engine.__aenter__()

    @property
    def end(self) -> int:
        """The offset after the last record."""
        records = self.topics.records(SOURCE)
        return records[-1].offset + 1 if records else 0

    def outcomes(self) -> Counter[int]:
        """How many outcomes each record has, by its offset."""
        return Counter(outcome["origin"]["offset"] for outcome in self.engine.outcomes)

    def check_order(self) -> None:
        """Within an epoch a key's events are sent in their order; never are two requests of it on the wire."""
        sent: defaultdict[str, list[tuple[int, str, SentRequest]]] = defaultdict(list)
        for number, request in enumerate(self.destination.requests):
            epoch = sum(begin <= number for begin in self.epochs)
            for event_id in request.ids:
                sent[event_id[0]].append((epoch, event_id, request))
        for requests in sent.values():
            for _, in_epoch in groupby(requests, key=lambda each: each[0]):
                ids = [event_id for _, event_id, _ in in_epoch]
                assert ids == sorted(ids)
            for (_, _, before), (_, _, after) in pairwise(requests):
                assert before.ended_at is None or before.ended_at <= after.sent_at, "two at a time"


def live(course: list[Add | Happens], max_items: int) -> Life:
    """Lives through `course` on a loop of its own, whose time is virtual."""

    async def in_the_loop() -> Life:
        life = Life(max_items)
        await life.run(course)
        return life

    loop = looptime.new_event_loop(noop_cycles=1)
    try:
        return loop.run_until_complete(in_the_loop())
    finally:
        loop.close()


@settings(max_examples=60)
@given(steps(*HAPPENINGS), st.integers(1, 3))
def test_every_record_has_one_outcome_before_its_commit_and_every_key_keeps_its_order(
    course: list[Add | Happens], max_items: int
) -> None:
    lived = live(course, max_items)
    assert lived.outcomes() == {record.offset: 1 for record in lived.topics.records(SOURCE)}
    lived.check_order()
    for key in KEYS:
        ids = [outcome["id"] for outcome in lived.engine.outcomes if outcome.get("id", "").startswith(key)]
        assert ids == sorted(ids)


@settings(max_examples=60)
@given(steps(*HAPPENINGS, "revoked"), st.integers(1, 3))
def test_rebalances_lose_nothing_and_disturb_no_order(course: list[Add | Happens], max_items: int) -> None:
    lived = live(course, max_items)
    assert lived.outcomes().keys() == {record.offset for record in lived.topics.records(SOURCE)}
    lived.check_order()


@settings(max_examples=100)
@given(steps(*HAPPENINGS, "revoked", "killed", "stopped"), st.integers(1, 3))
def test_what_seen_has_taken_is_never_sent_again_whatever_ends_the_engine(
    course: list[Add | Happens], max_items: int
) -> None:
    lived = live(course, max_items)
    assert lived.outcomes().keys() == {record.offset for record in lived.topics.records(SOURCE)}
    lived.check_order()
    creates = Counter(
        event_id
        for request in lived.destination.requests
        if request.kind == "create"
        for event_id in request.ids
    )
    taken_at_once = {step_id for step_id, answers in lived.scripts.items() if not answers}
    assert {event_id: creates[event_id] for event_id in taken_at_once} == dict.fromkeys(taken_at_once, 1)
