"""Batches on virtual time: how they gather, and who is to blame where one fails as a whole."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery.batch import BatchLimits
from connector.seen.limits import QuotaLimits
from connector.testing import EngineSettings, ScriptedDestination, Simulation
from connector.testing.simulation import POLICY
from connector.types import Accepted, InDoubt, OutcomeKind, Reason, Reject, Retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.delivery.request import Permit
    from connector.types import Event, Verdict

virtual_time = pytest.mark.looptime(noop_cycles=1)

CREATED = Accepted(reason=Reason.CREATED, status=201)
BAD = Reject(reason=Reason.BAD_REQUEST, status=400)
EXISTS = Reject(reason=Reason.ALREADY_EXISTS, status=400)
WHOLE = Retry(reason=Reason.BATCH_REFUSED, status=400)
BROKEN = Retry(reason=Reason.SERVER_ERROR, status=500)
TIMED_OUT = InDoubt(reason=Reason.TIMED_OUT)
HOURLY = QuotaLimits(requests=1000, per_seconds=3600, grace_seconds=10)
LATEST = replace(POLICY, look_up_in_doubt=False, latest_only=True)
ASKS_NOTHING = EngineSettings(policy=replace(POLICY, look_up_in_doubt=False))


class Whole(ScriptedDestination):
    """Fails a batch as a whole where one of `faulty` is in it, without saying which; alone it is answered `alone`."""

    def __init__(self, whole: Verdict, alone: Verdict, *faulty: str, max_items: int = 100) -> None:
        super().__init__(max_items=max_items, wait_seconds=1)
        self.whole, self.alone, self.faulty = whole, alone, faulty

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """What the server makes of `batch`."""
        found = await super().send(batch, permit)
        if not any(event.id in self.faulty for event in batch):
            return found
        return [self.whole] * len(batch) if len(batch) > 1 else [self.alone]


# How long they gather


def test_a_batch_waits_as_long_as_it_may_until_half_of_the_quota_is_used() -> None:
    limits = BatchLimits(items=100, wait_seconds=1)
    assert limits.gathering_seconds(0.0, 3.6) == limits.gathering_seconds(0.5, 3.6) == 1
    assert limits.gathering_seconds(0.75, 3.6) == pytest.approx(7.2)
    at_once = BatchLimits(items=100)
    assert at_once.gathering_seconds(0.5, 3.6) == 0
    assert at_once.gathering_seconds(0.75, 3.6) == pytest.approx(7.2)
    assert BatchLimits().gathering_seconds(1.0, 3.6) == 0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 100), st.floats(0, 10))
def test_the_more_is_used_the_longer_a_batch_waits_and_never_less_than_it_may(
    one: float, other: float, interval: float, wait: float
) -> None:
    limits = BatchLimits(items=2, wait_seconds=wait)
    less, more = sorted((one, other))
    assert wait <= limits.gathering_seconds(less, interval) <= limits.gathering_seconds(more, interval)


@given(st.integers(10, 5000), st.floats(1, 86_400), st.floats(0.01, 100))
def test_a_trickle_takes_a_whole_window_to_use_it_up(requests: int, per_seconds: float, wait: float) -> None:
    limits, interval = BatchLimits(items=2, wait_seconds=wait), per_seconds / requests
    seconds = sum(limits.gathering_seconds(used / requests, interval) for used in range(requests))
    assert seconds >= per_seconds * (1 - 2 / requests)


@virtual_time
async def test_one_event_on_an_idle_connector_leaves_within_the_wait() -> None:
    async with Simulation(ScriptedDestination(max_items=100, wait_seconds=1)) as engine:
        await asyncio.sleep(100)
        read_at = asyncio.get_running_loop().time()
        engine.add("a")
        await asyncio.sleep(3)
        (request,) = engine.destination.requests
        assert 0.9 < request.sent_at - read_at < 1.3


@virtual_time
async def test_a_full_batch_waits_for_nothing() -> None:
    async with Simulation(ScriptedDestination(max_items=3, wait_seconds=50)) as engine:
        read_at = asyncio.get_running_loop().time()
        for number in range(7):
            engine.add(f"e-{number}")
        await asyncio.sleep(20)
        sent = engine.destination.requests
        assert [len(each.ids) for each in sent] == [3, 3]
        assert all(each.sent_at - read_at < 2 for each in sent)
        await asyncio.sleep(50)
        assert engine.counts[OutcomeKind.ACCEPTED] == 7


@virtual_time
async def test_a_trickle_does_not_use_up_the_hour_and_stand_still() -> None:
    settings = EngineSettings(limits=HOURLY)
    async with Simulation(ScriptedDestination(max_items=100, wait_seconds=1), settings) as engine:
        waits: list[float] = []
        for number in range(2 * 3600):
            engine.add(f"e-{number}")
            await asyncio.sleep(1)
        await asyncio.sleep(30)
        for number, request in enumerate(engine.destination.requests):
            waits.append(request.sent_at - int(request.ids[0].removeprefix("e-")))
            assert (
                number < 1000 or request.sent_at - engine.destination.requests[number - 1000].sent_at > 3600
            )
        assert engine.counts[OutcomeKind.ACCEPTED] == 7200
        assert max(waits) - min(waits) < 16
        assert engine.quota.spent < 0.9


@virtual_time
async def test_the_bodies_of_a_batch_stay_within_its_bytes() -> None:
    destination = ScriptedDestination(max_items=100, max_bytes=300, wait_seconds=1)
    async with Simulation(destination) as engine:
        for number in range(10):
            engine.add(f"e-{number}", text="x" * 80)
        engine.add("large", text="x" * 400)  # alone: what one event may have is checked before
        await asyncio.sleep(30)
        assert engine.counts[OutcomeKind.ACCEPTED] == 11
        assert max(len(each.ids) for each in destination.requests) == 2
        assert ("large",) in [each.ids for each in destination.requests]


# Who is to blame


@virtual_time
@pytest.mark.parametrize(("whole", "alone"), [(WHOLE, BAD), (BROKEN, BAD)])
async def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_faulty_event_stands_alone(
    whole: Verdict, alone: Verdict
) -> None:
    destination = Whole(whole, alone, "e-37")
    async with Simulation(destination, EngineSettings(limits=HOURLY)) as engine:
        for number in range(100):
            engine.add(f"e-{number}")
        await asyncio.sleep(900)
        outcomes = {each["id"]: each["reason"] for each in engine.outcomes}
        assert len(outcomes) == 100
        assert {each for each, reason in outcomes.items() if reason == "bad_request"} == {"e-37"}
        assert engine.counts[OutcomeKind.REJECTED] == 1
        assert len(destination.requests) <= 2 * math.log2(100) + 4
        assert engine.suspension.state is None


@virtual_time
async def test_a_server_that_fails_every_batch_is_an_outage_that_costs_a_few_requests() -> None:
    destination = Whole(BROKEN, BROKEN, *(f"e-{number}" for number in range(400)))
    async with Simulation(destination, EngineSettings(limits=HOURLY)) as engine:
        for number in range(400):
            engine.add(f"e-{number}")
        await asyncio.sleep(120)
        assert engine.suspension.state is not None
        assert len(destination.requests) < 20
        destination.faulty = ()
        await asyncio.sleep(400)
        assert engine.counts[OutcomeKind.ACCEPTED] == 400
        assert engine.suspension.state is None


@virtual_time
async def test_one_failed_batch_is_one_failure_and_suspends_nothing() -> None:
    destination = Whole(BROKEN, BROKEN, "a")
    async with Simulation(destination, EngineSettings(limits=HOURLY, chance=0.999)) as engine:
        for event_id in ("a", "b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(1.3)
        assert [each.ids for each in destination.requests] == [("a", "b", "c", "d")]
        assert engine.suspension.state is None


@virtual_time
async def test_what_was_refused_beside_others_goes_again_at_once_and_has_not_failed() -> None:
    beside = Retry(reason=Reason.OTHERS_REFUSED, status=400)
    destination = ScriptedDestination(max_items=10, wait_seconds=1)
    async with Simulation(destination, EngineSettings(chance=0.999)) as engine:
        destination.script("a", beside)
        destination.script("b", BAD)
        destination.script("c", beside)
        for event_id in ("a", "b", "c"):
            engine.add(event_id)
        await asyncio.sleep(4)
        assert [each.ids for each in destination.requests] == [("a", "b", "c"), ("a", "c")]
        assert engine.counts == {OutcomeKind.ACCEPTED: 2, OutcomeKind.REJECTED: 1}


# In doubt, where nothing can be looked up


@virtual_time
async def test_what_timed_out_is_sent_again_and_accepted_if_it_already_exists() -> None:
    destination = ScriptedDestination(max_items=10, wait_seconds=1)
    async with Simulation(destination, ASKS_NOTHING) as engine:
        destination.script("a", TIMED_OUT, EXISTS)
        destination.script("b", EXISTS)
        engine.add("a")
        engine.add("b")
        await asyncio.sleep(60)
        assert [each.kind for each in destination.requests] == ["create", "create"]
        outcomes = {each["id"]: (each["type"], each["reason"]) for each in engine.outcomes}
        assert outcomes == {
            "a": ("seen.data.accepted.v1", "already_exists"),
            "b": ("seen.data.rejected.v1", "already_exists"),
        }


@virtual_time
async def test_what_a_crash_left_in_doubt_is_accepted_if_it_already_exists() -> None:
    first = ScriptedDestination(max_items=10, wait_seconds=1, seconds=100)
    engine = Simulation(first, ASKS_NOTHING)
    await engine.__aenter__()
    engine.add("a")
    await asyncio.sleep(5)
    assert len(first.requests) == 1
    await engine.crash()
    second = ScriptedDestination(max_items=10, wait_seconds=1)
    second.script("a", BROKEN, EXISTS)
    async with Simulation(second, ASKS_NOTHING, engine.topics, owner="replica-2") as engine:
        await asyncio.sleep(120)
        assert [(each.kind, each.ids) for each in second.requests] == [("create", ("a",))] * 2
        assert engine.counts == {OutcomeKind.ACCEPTED: 1}


# Only the latest of each key


@virtual_time
async def test_of_the_events_of_one_key_that_wait_only_the_last_is_sent_where_only_the_latest_counts() -> (
    None
):
    settings = EngineSettings(policy=LATEST)
    async with Simulation(ScriptedDestination(max_items=100, wait_seconds=5), settings) as engine:
        for number in range(3):
            for user in ("a", "b"):
                engine.add(f"{user}-{number}", key=user)
        engine.add("c-0", key="c")
        await asyncio.sleep(10)
        (request,) = engine.destination.requests
        assert sorted(request.ids) == ["a-2", "b-2", "c-0"]
        assert engine.counts == {OutcomeKind.ACCEPTED: 3, OutcomeKind.SKIPPED: 4}
        assert engine.value("outcomes_total", outcome="skipped", reason="superseded") == 4
        assert engine.committed == 7


@virtual_time
async def test_a_later_event_takes_the_place_of_one_that_waits_for_its_retry() -> None:
    destination = ScriptedDestination(max_items=100, wait_seconds=1)
    destination.script("a-0", BROKEN)
    async with Simulation(destination, EngineSettings(policy=LATEST)) as engine:
        engine.add("a-0", key="a")
        await asyncio.sleep(1.2)
        engine.add("a-1", key="a")
        await asyncio.sleep(30)
        assert [request.ids for request in destination.requests] == [("a-0",), ("a-1",)]
        assert engine.counts == {OutcomeKind.ACCEPTED: 1, OutcomeKind.SKIPPED: 1}


@virtual_time
async def test_an_event_on_the_wire_is_not_superseded_and_the_later_one_follows_it() -> None:
    destination = ScriptedDestination(max_items=100, wait_seconds=0, seconds=5)
    async with Simulation(destination, EngineSettings(policy=LATEST)) as engine:
        engine.add("a-0", key="a")
        await asyncio.sleep(2)
        engine.add("a-1", key="a")
        engine.add("a-2", key="a")
        await asyncio.sleep(20)
        assert [request.ids for request in destination.requests] == [("a-0",), ("a-2",)]
        assert engine.counts == {OutcomeKind.ACCEPTED: 2, OutcomeKind.SKIPPED: 1}
