"""What batches once did wrong, on virtual time: innocents that suffered for one, slots and time that were wasted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connector.http.exchange import Response
from connector.seen.limits import QuotaLimits
from connector.seen.receivers import judge_receivers
from connector.testing import EngineSettings, ScriptedDestination, Simulation
from connector.testing.simulation import POLICY, READER
from connector.types import Accepted, OutcomeKind, Reason, Reject, Retry, Suspend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.delivery.request import Permit
    from connector.types import Event, Message, Verdict

pytestmark = pytest.mark.looptime(noop_cycles=1)

HOURLY = QuotaLimits(requests=1000, per_seconds=3600, grace_seconds=10)
ASKS_NOTHING = replace(POLICY, look_up_in_doubt=False)
CAMPAIGN = EngineSettings(limits=HOURLY, policy=ASKS_NOTHING)
CREATED = Accepted(reason=Reason.CREATED, status=201)
EXISTS = Reject(reason=Reason.ALREADY_EXISTS, status=400)
BAD = Reject(reason=Reason.BAD_REQUEST, status=400)
BROKEN = Retry(reason=Reason.SERVER_ERROR, status=500)
FORBIDDEN = Suspend(reason=Reason.FORBIDDEN, status=403)


class Whole(ScriptedDestination):
    """Answers a batch as a whole with what `answer` says of its ids; None: it is created."""

    def __init__(self, answer: Callable[[list[str]], Verdict | None]) -> None:
        super().__init__(max_items=100, wait_seconds=1)
        self.answer_to = answer

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """The same for each."""
        await super().send(batch, permit)
        return [self.answer_to([event.id for event in batch]) or CREATED] * len(batch)


class Looking:
    """Takes a while to look at an event's image, each another one."""

    async def prepare(self, event: Event) -> Event:
        """The event as it is."""
        await asyncio.sleep(0.05 + int(event.id.removeprefix("e-")) % 50 / 25)
        return replace(event, images=None)


# Innocents


@pytest.mark.parametrize("status", [408, 504])
async def test_regression_a_server_that_only_fails_at_large_batches_gets_smaller_ones(status: int) -> None:
    (failed,) = judge_receivers(Response(status, b""), 1, takes_existing=True)
    async with Simulation(Whole(lambda ids: failed if len(ids) > 20 else None), CAMPAIGN) as engine:
        for number in range(200):
            engine.add(f"e-{number}")
        await asyncio.sleep(1800)
        assert engine.counts == {OutcomeKind.ACCEPTED: 200}
        assert len(engine.destination.requests) < 50


async def test_regression_who_is_refused_for_one_of_its_batch_arrives_without_it() -> None:
    async with Simulation(Whole(lambda ids: FORBIDDEN if "bad" in ids else None), CAMPAIGN) as engine:
        for number in range(100):
            engine.add("bad" if number == 50 else f"e-{number}")
        await asyncio.sleep(900)
        assert engine.counts == {OutcomeKind.ACCEPTED: 99}
        assert len(engine.destination.requests) < 60
        await asyncio.sleep(2 * 3600)
        assert engine.counts == {OutcomeKind.ACCEPTED: 99, OutcomeKind.REJECTED: 1}
        assert {each["id"]: each["reason"] for each in engine.outcomes}["bad"] == "refused_alone"


async def test_regression_nobody_is_given_up_for_another_of_its_batch() -> None:
    settings = replace(CAMPAIGN, policy=replace(ASKS_NOTHING, give_up_after_seconds=2), chance=0.999)
    async with Simulation(Whole(lambda ids: BROKEN if "bad" in ids else None), settings) as engine:
        for number in range(100):
            engine.add("bad" if number == 50 else f"e-{number}")
        await asyncio.sleep(900)
        assert engine.counts == {OutcomeKind.ACCEPTED: 99, OutcomeKind.EXPIRED: 1}


@pytest.mark.parametrize("first", ["bad", "good"])
async def test_regression_two_events_with_one_id_are_never_in_one_batch_whatever_their_keys(
    first: str,
) -> None:
    """The second would exist already beside the first, and be accepted, though the first is refused."""
    destination = ScriptedDestination(
        lambda event, _kind: BAD if b"bad" in event.body else CREATED, max_items=100, wait_seconds=1
    )
    async with Simulation(destination, CAMPAIGN) as engine:
        engine.add("c-1", key="k-1", text=first)
        engine.add("c-2", key="k-2")
        engine.add("c-1", key="k-3", text="bad" if first == "good" else "good")
        engine.add("c-3", key="k-4")
        await asyncio.sleep(1.5)
        assert [each.ids for each in destination.requests] == [("c-1", "c-2"), ("c-1", "c-3")]
        assert engine.counts == {OutcomeKind.ACCEPTED: 3, OutcomeKind.REJECTED: 1}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_regression_what_a_failing_server_took_is_accepted_when_it_already_exists(status: int) -> None:
    (failed,) = judge_receivers(Response(status, b""), 1, takes_existing=False)
    destination = ScriptedDestination(max_items=10, wait_seconds=1)
    destination.script("taken", failed, EXISTS)
    destination.script("another", EXISTS)
    async with Simulation(destination, CAMPAIGN) as engine:
        engine.add("taken")
        await asyncio.sleep(60)
        engine.add("another")
        await asyncio.sleep(60)
        assert [each["type"] for each in engine.outcomes] == [
            "seen.data.accepted.v1",
            "seen.data.rejected.v1",
        ]


async def test_regression_a_successor_knows_what_a_failing_server_may_have_taken() -> None:
    (failed,) = judge_receivers(Response(504, b""), 1, takes_existing=False)
    engine = Simulation(ScriptedDestination(lambda *_: failed, max_items=10, wait_seconds=1), CAMPAIGN)
    async with engine:
        engine.add("taken")
        await asyncio.sleep(60)
    second = ScriptedDestination(lambda *_: EXISTS, max_items=10, wait_seconds=1)
    async with Simulation(second, CAMPAIGN, engine.topics, owner="replica-2") as engine:
        await asyncio.sleep(60)
        assert engine.counts == {OutcomeKind.ACCEPTED: 1}


async def test_what_was_never_written_is_not_taken() -> None:
    unsent = Retry(reason=Reason.UNAVAILABLE, outage=True, unsent=True)
    destination = ScriptedDestination(max_items=10, wait_seconds=1)
    destination.script("a", unsent, EXISTS)
    async with Simulation(destination, CAMPAIGN) as engine:
        engine.add("a")
        await asyncio.sleep(60)
        assert engine.counts == {OutcomeKind.REJECTED: 1}


# Slots and time


async def test_regression_events_whose_images_are_looked_at_gather_too() -> None:
    reader = replace(READER, images=("photo",), fetch_images=True)
    settings = replace(CAMPAIGN, reader=reader, preparation=Looking())
    async with Simulation(ScriptedDestination(max_items=100, wait_seconds=1), settings) as engine:
        await asyncio.sleep(100)
        for number in range(300):
            engine.add(f"e-{number}", photo="https://images.example.com/a.png")
        await asyncio.sleep(30)
        assert engine.counts == {OutcomeKind.ACCEPTED: 300}
        assert len(engine.destination.requests) < 8
        added_at = asyncio.get_running_loop().time()
        engine.add("e-0", photo="https://images.example.com/a.png")
        await asyncio.sleep(10)
        assert engine.destination.requests[-1].sent_at - added_at < 1.5, "it is looked at before it gathers"


async def test_regression_the_slot_of_a_batch_does_not_make_it_gather_for_longer() -> None:
    few = QuotaLimits(requests=10, per_seconds=3600, grace_seconds=10)
    settings = EngineSettings(limits=few, policy=ASKS_NOTHING, max_in_flight=10)
    async with Simulation(ScriptedDestination(max_items=100, wait_seconds=1), settings) as engine:
        for number in range(5):
            engine.add(f"e-{number}")
            await asyncio.sleep(80)
        assert engine.quota.used == 5
        added_at = asyncio.get_running_loop().time()
        engine.add("last")
        await asyncio.sleep(600)
        assert engine.destination.sent("last")[0].sent_at - added_at < 1.5


async def test_regression_what_had_no_room_in_a_batch_leaves_at_once_in_the_next() -> None:
    destination = ScriptedDestination(max_items=100, max_bytes=1000, wait_seconds=10)
    async with Simulation(destination, CAMPAIGN) as engine:
        for number in range(99):
            engine.add(f"e-{number}", text="x" * 400)
        await asyncio.sleep(15)
        assert engine.counts == {OutcomeKind.ACCEPTED: 99}
        engine.add("later")
        await asyncio.sleep(5)
        assert not destination.sent("later"), "it gathers anew"


async def test_regression_a_drain_settles_the_whole_batch_that_is_on_the_wire() -> None:
    destination = ScriptedDestination(max_items=100, wait_seconds=1, seconds=2)
    async with Simulation(destination, CAMPAIGN) as engine:
        publish = engine.topics.publish
        published: list[Message] = []

        async def slowly(topic: str, message: Message) -> None:
            published.append(message)
            await asyncio.sleep(0.1 * len(published))  # the first is acknowledged before the others
            await publish(topic, message)

        engine.topics.publish = slowly  # type: ignore[method-assign]
        for number in range(20):
            engine.add(f"e-{number}")
        await asyncio.sleep(2)
        assert len(destination.requests) == 1
    assert engine.counts == {OutcomeKind.ACCEPTED: 20}
    assert engine.committed == 20
