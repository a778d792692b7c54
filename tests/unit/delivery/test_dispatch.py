"""Sending, on virtual time: order, quota, batches, probes, drains. The broker and the API are doubles."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from connector.delivery.offsets import OffsetTracker
from connector.errors import KafkaUnavailable, PublishRefused
from connector.seen.limits import QuotaLimits
from connector.testing import DEAD_LETTERS, OUTCOMES, POLICY, EngineSettings, ScriptedDestination, Simulation
from connector.types import (
    Absent,
    Accepted,
    InDoubt,
    OutcomeKind,
    Priority,
    Reason,
    Record,
    Reject,
    Retry,
    Suspend,
    Unsendable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.seen.slot import Slot
    from connector.testing.destination import Finding, Kind
    from connector.types import Event

pytestmark = pytest.mark.looptime(noop_cycles=1)

CREATED = Accepted(reason=Reason.CREATED, status=201)
BAD = Reject(reason=Reason.BAD_REQUEST, status=400)
BROKEN = Retry(reason=Reason.SERVER_ERROR, status=500)
DOWN = Retry(reason=Reason.UNAVAILABLE, status=503, outage=True)
OVER = Retry(reason=Reason.OVER_QUOTA, status=429)
REFUSED = Suspend(reason=Reason.UNAUTHENTICATED, status=401)
FORBIDDEN = Suspend(reason=Reason.FORBIDDEN, status=403)
TIMED_OUT = InDoubt(reason=Reason.TIMED_OUT)
ABSENT = Absent(reason=Reason.NOT_FOUND, status=404)


def sent_ids(engine: Simulation) -> list[str]:
    return [event_id for request in engine.destination.requests for event_id in request.ids]


# Order


async def test_events_of_one_key_leave_in_order_and_one_at_a_time_whatever_happens_to_them() -> None:
    rng = random.Random(7)

    def answer(_event: Event, kind: Kind) -> Finding:
        found: Finding = Accepted(reason=Reason.FOUND) if kind == "look_up" else CREATED
        return rng.choices(
            [found, BROKEN, TIMED_OUT, OVER, BAD if kind == "create" else ABSENT], [8, 2, 1, 1, 1]
        )[0]

    async with Simulation(ScriptedDestination(answer)) as engine:
        for number in range(120):
            engine.add(f"{number % 7}-{number:03}", key=f"{number % 7}")
        for _ in range(3600):
            engine.destination.seconds = rng.uniform(0.01, 3)
            await asyncio.sleep(1)
        assert sum(engine.counts.values()) == 120
        for key in range(7):
            requests = [each for each in engine.destination.requests if each.ids[0].startswith(f"{key}-")]
            ids = [each.ids[0] for each in requests]
            assert ids == sorted(ids)
            assert all(
                before.ended_at <= after.sent_at for before, after in pairwise(requests) if before.ended_at
            )


async def test_a_retry_holds_back_its_own_key_and_no_other() -> None:
    async with Simulation() as engine:
        engine.destination.script("a-1", BROKEN, BROKEN, BROKEN)
        for event_id in ("a-1", "a-2", "b-1", "c-1"):
            engine.add(event_id, key=event_id[0])
        await asyncio.sleep(0.5)
        assert sent_ids(engine) == ["a-1", "b-1", "c-1"]
        await asyncio.sleep(20)
        assert sent_ids(engine)[-2:] == ["a-1", "a-2"]
        assert engine.counts[OutcomeKind.ACCEPTED] == 4


async def test_the_next_of_a_key_waits_until_the_outcome_of_the_one_before_is_durable() -> None:
    async with Simulation() as engine:
        engine.topics.fail(OUTCOMES, KafkaUnavailable("away"), seconds=60)
        for event_id in ("a-1", "a-2", "b-1"):
            engine.add(event_id, key=event_id[0])
        await asyncio.sleep(59)
        assert sent_ids(engine) == ["a-1", "b-1"]
        await asyncio.sleep(20)
        assert sent_ids(engine) == ["a-1", "b-1", "a-2"]


async def test_an_event_without_a_key_is_ordered_by_its_id() -> None:
    async with Simulation() as engine:
        engine.add("a", version=1)
        engine.add("a", version=2)
        await asyncio.sleep(5)
        first, second = engine.destination.requests
        assert first.ended_at is not None
        assert first.ended_at <= second.sent_at


# Quota


async def test_no_more_requests_are_on_the_wire_than_allowed() -> None:
    settings = EngineSettings(max_in_flight=3)
    async with Simulation(ScriptedDestination(seconds=5), settings) as engine:
        for number in range(10):
            engine.add(f"{number}")
        await asyncio.sleep(4)
        assert len(engine.destination.requests) == 3
        assert engine.dispatcher.in_flight == 3
        await asyncio.sleep(30)
        assert len(engine.destination.requests) == 10


async def test_an_answer_over_quota_holds_everything_for_a_window() -> None:
    async with Simulation() as engine:
        engine.destination.script("a", OVER)
        engine.add("a")
        await asyncio.sleep(1)
        engine.add("b")
        await asyncio.sleep(8)
        assert sent_ids(engine) == ["a"]
        await asyncio.sleep(3)
        assert sorted(sent_ids(engine)) == ["a", "a", "b"]


async def test_an_answer_over_quota_is_said_and_counted_as_use_by_others_once(
    lines: list[dict[str, object]],
) -> None:
    async with Simulation() as engine:
        for name in "abcd":
            engine.destination.script(name, replace(OVER, hold_seconds=7))
            engine.add(name)
        await asyncio.sleep(8)
        (line,) = [line for line in lines if line["event"] == "quota_used_by_others"]
        assert (line["workspace"], line["retry_after_seconds"]) == ("acme", 7)
        assert line["working_requests"] == engine.quota.working < engine.quota.limits.requests
        assert engine.value("outside_quota_uses_total") == 1
        assert len(engine.destination.requests) == 8, "each was tried again"
        await asyncio.sleep(100)
        assert "quota_whole_again" not in [line["event"] for line in lines], (
            "nobody asks while nothing is sent"
        )
        for name in "efg":
            engine.add(name)
        await asyncio.sleep(1)
        assert [line["event"] for line in lines].count("quota_whole_again") == 1


async def test_what_seen_asks_to_wait_holds_everything() -> None:
    async with Simulation() as engine:
        engine.destination.script("a", Retry(reason=Reason.SERVER_ERROR, status=500, hold_seconds=40))
        engine.add("a")
        await asyncio.sleep(1)
        engine.add("b")
        await asyncio.sleep(38)
        assert sent_ids(engine) == ["a"]
        await asyncio.sleep(2)
        assert "b" in sent_ids(engine)


async def test_what_could_not_be_connected_costs_no_slot() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=1000, grace_seconds=1000))
    unreachable = Retry(reason=Reason.CANNOT_CONNECT, outage=True)
    async with Simulation(settings=settings) as engine:
        engine.destination.script("a", unreachable, unreachable)
        engine.add("a")
        await asyncio.sleep(60)
        assert engine.counts[OutcomeKind.ACCEPTED] == 1


async def test_a_request_without_an_answer_keeps_its_slot_for_the_grace_as_well() -> None:
    settings = EngineSettings(
        limits=QuotaLimits(requests=1, per_seconds=10, grace_seconds=100),
        policy=replace(POLICY, look_up_after_seconds=0),
    )
    async with Simulation(settings=settings) as engine:
        engine.destination.script("a", TIMED_OUT)
        engine.add("a")
        await asyncio.sleep(109)
        assert len(engine.destination.requests) == 1
        await asyncio.sleep(5)
        assert len(engine.destination.requests) == 2


async def test_a_slot_that_comes_when_there_is_nothing_to_send_any_more_is_free_at_once() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=10, grace_seconds=100))
    async with Simulation(settings=settings) as engine:
        engine.add("a")
        engine.add("b")
        await asyncio.sleep(5)
        await engine.dispatcher.drain(1)  # "b" waits for its slot
        await asyncio.sleep(10)
        assert sent_ids(engine) == ["a"]
        assert engine.quota.used == 0


# Doubt


async def test_what_is_in_doubt_is_looked_up_when_nothing_can_land_any_more() -> None:
    async with Simulation() as engine:
        engine.destination.script("a", TIMED_OUT, ABSENT, CREATED)
        engine.add("a")
        await asyncio.sleep(29)
        assert [each.kind for each in engine.destination.requests] == ["create"]
        await asyncio.sleep(5)
        assert [each.kind for each in engine.destination.requests] == ["create", "look_up", "create"]
        assert engine.outcomes[0]["attempts"] == 3


# Too old


async def test_an_event_that_is_too_old_is_dead_lettered_without_a_request() -> None:
    settings = EngineSettings(policy=replace(POLICY, ttl_seconds=60))
    async with Simulation(settings=settings) as engine:
        engine.add("old", age_seconds=61)
        engine.add("young", age_seconds=59)
        await asyncio.sleep(5)
        assert sent_ids(engine) == ["young"]
        assert {each["id"]: each["reason"] for each in engine.outcomes} == {
            "old": "too_old",
            "young": "created",
        }
        assert len(engine.topics.messages(DEAD_LETTERS)) == 1
        assert engine.committed == 2


async def test_regression_an_event_in_doubt_is_looked_up_however_old_it_is() -> None:
    settings = EngineSettings(policy=replace(POLICY, ttl_seconds=10))
    async with Simulation(settings=settings) as engine:
        engine.destination.script("there", TIMED_OUT)
        engine.destination.script("not-there", TIMED_OUT, ABSENT)
        engine.add("there")
        engine.add("not-there")
        await asyncio.sleep(60)
        assert {each["id"]: each["reason"] for each in engine.outcomes} == {
            "there": "found",
            "not-there": "too_old",
        }
        assert [each.kind for each in engine.destination.sent("not-there")] == ["create", "look_up"]


# Suspension


async def test_a_suspended_workspace_sends_only_probes_at_growing_intervals_round_its_lanes() -> None:
    async with Simulation(ScriptedDestination(lambda _event, _kind: REFUSED)) as engine:
        engine.add("a")
        await asyncio.sleep(0.5)
        for event_id in ("b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(300)
        probes = engine.destination.requests[1:]
        waits = [
            after.sent_at - (before.ended_at or 0) for before, after in pairwise(engine.destination.requests)
        ]
        assert waits[:6] == pytest.approx([1, 2, 4, 8, 16, 32], abs=0.01)
        assert waits[6:] == pytest.approx([60] * len(waits[6:]), abs=0.01)
        assert [probe.ids[0] for probe in probes[:8]] == ["b", "c", "d", "a", "b", "c", "d", "a"]
        assert engine.destination.renewals == len(probes)
        assert engine.counts == {}
        assert engine.committed == 0


async def test_one_probe_is_on_the_wire_at_a_time_whatever_else_comes_in() -> None:
    async with Simulation(ScriptedDestination(seconds=30)) as engine:
        engine.destination.script("slow", BROKEN)
        engine.add("slow")
        await asyncio.sleep(1)
        engine.destination.seconds = 0.1
        engine.destination.script("refused", REFUSED)
        engine.add("refused")
        await asyncio.sleep(0.5)
        engine.destination.seconds = 60
        engine.add("other")
        await asyncio.sleep(50)  # "slow" has ended meanwhile, and waits in its lane
        assert sent_ids(engine) == ["slow", "refused", "other"]
        await asyncio.sleep(30)
        assert sorted(sent_ids(engine)[3:]) == ["refused", "slow"]


async def test_after_an_outage_everything_is_delivered_and_nothing_was_given_up() -> None:
    back_at = 1000.0

    def answer(_event: Event, _kind: Kind) -> Finding:
        return DOWN if asyncio.get_running_loop().time() < back_at else CREATED

    settings = EngineSettings(policy=replace(POLICY, give_up_after_seconds=300))
    async with Simulation(ScriptedDestination(answer), settings) as engine:
        for number in range(50):
            engine.add(f"{number}")
        await asyncio.sleep(back_at + 61 + 5)
        assert engine.counts == {OutcomeKind.ACCEPTED: 50}
        assert engine.committed == 50


async def test_events_that_fail_for_three_keys_suspend_and_one_accepted_probe_resumes() -> None:
    healthy = asyncio.Event()
    async with Simulation(ScriptedDestination(lambda *_: CREATED if healthy.is_set() else BROKEN)) as engine:
        for number in range(30):
            engine.add(f"{number}")
        await asyncio.sleep(60)
        assert engine.suspension.state is not None
        during = len(engine.destination.requests)
        assert during < 60
        healthy.set()
        await asyncio.sleep(120)
        assert engine.suspension.state is None
        assert engine.counts == {OutcomeKind.ACCEPTED: 30}


async def test_one_event_that_is_always_refused_ends_alone_while_the_others_are_delivered() -> None:
    def answer(event: Event, _kind: Kind) -> Finding:
        return FORBIDDEN if event.id == "bad" else CREATED

    async with Simulation(ScriptedDestination(answer)) as engine:
        for event_id in ("bad", "good-1"):
            engine.add(event_id)
        await asyncio.sleep(30)  # what was on the wire at the refusal proves nothing
        assert engine.suspension.state is not None
        for event_id in ("good-2", "good-3"):
            engine.add(event_id)
        await asyncio.sleep(120)
        assert [each["id"] for each in engine.outcomes] == ["good-1", "good-2", "good-3"]
        await asyncio.sleep(3700)
        reasons = {each["id"]: each["reason"] for each in engine.outcomes}
        assert reasons.pop("bad") == "refused_alone"
        assert set(reasons.values()) == {"created"}
        assert len(reasons) == 3
        assert engine.suspension.state is None


async def test_one_event_that_is_always_refused_on_an_idle_workspace_ends_and_the_workspace_goes_on() -> None:
    policy = replace(POLICY, give_up_after_seconds=600)
    engine = Simulation(ScriptedDestination(lambda *_: FORBIDDEN), EngineSettings(policy=policy))
    async with engine:
        engine.add("bad")
        await asyncio.sleep(590)
        assert engine.suspension.state is not None
        await asyncio.sleep(80)
        assert [(each["id"], each["reason"]) for each in engine.outcomes] == [("bad", "refused_alone")]
        assert engine.suspension.state is None


async def test_regression_after_an_outage_a_probe_that_finds_nothing_is_followed_by_its_request_and_not_by_all_look_ups() -> (
    None
):
    up_at = 300.0

    def answer(event: Event, kind: Kind) -> Finding:
        if asyncio.get_running_loop().time() < up_at:
            return DOWN
        return CREATED if kind == "create" else ABSENT

    settings = EngineSettings(max_in_flight=50)
    hanging = Simulation(ScriptedDestination(seconds=1000), settings)
    async with hanging:
        for number in range(40):
            hanging.add(str(number))
        await asyncio.sleep(10)
        await hanging.crash()
    assert len(hanging.destination.requests) == 40
    async with Simulation(ScriptedDestination(answer), settings, hanging.topics, "replica-2") as engine:
        await asyncio.sleep(up_at + 65)
        since = [each.kind for each in engine.destination.requests if each.sent_at >= up_at]
        assert since[:2] == ["look_up", "create"]
        assert engine.suspension.state is None


async def test_a_retried_event_does_not_wait_behind_a_backlog() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=10, per_seconds=100, grace_seconds=10))
    async with Simulation(settings=settings) as engine:
        engine.destination.script("a", BROKEN, BROKEN, BROKEN)
        engine.add("a")
        for number in range(500):
            engine.add(str(number))
        await asyncio.sleep(300)
        sent = [each.ids[0] for each in engine.destination.requests]
        assert sent.count("a") == 4
        assert len(sent) > 20


async def test_a_look_up_that_probes_and_finds_nothing_is_followed_by_its_request_at_once() -> None:
    async with Simulation() as engine:
        engine.destination.script("a", TIMED_OUT, DOWN, ABSENT, CREATED)
        engine.add("a")
        await asyncio.sleep(60)
        kinds = [each.kind for each in engine.destination.requests]
        assert kinds == ["create", "look_up", "look_up", "create"]
        look_up, create = engine.destination.requests[2:]
        assert look_up.ended_at is not None
        assert create.sent_at - look_up.ended_at < 0.5
        assert engine.suspension.state is None


# Batches


async def test_batches_fill_while_they_wait_and_each_item_gets_its_own_verdict() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=10, grace_seconds=10))
    async with Simulation(ScriptedDestination(max_items=3), settings) as engine:
        engine.destination.script("b", BAD)
        engine.destination.script("c", BROKEN)
        for event_id in ("first", "a", "b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(60)
        batches = [request.ids for request in engine.destination.requests]
        assert batches[0] == ("first", "a", "b")
        assert batches[1:] == [("c", "d"), ("c",)]
        reasons = {each["id"]: each["reason"] for each in engine.outcomes}
        assert reasons == {
            "first": "created",
            "a": "created",
            "b": "bad_request",
            "c": "created",
            "d": "created",
        }
        assert engine.committed == 5


async def test_regression_a_retry_does_not_wait_for_the_outcomes_of_its_batch() -> None:
    async with Simulation(ScriptedDestination(max_items=3)) as engine:
        engine.topics.fail(OUTCOMES, KafkaUnavailable("away"), seconds=60)
        engine.destination.script("b", BROKEN)
        for event_id in ("a", "b", "c"):
            engine.add(event_id)
        await asyncio.sleep(5)
        assert [each.ids for each in engine.destination.requests] == [("a", "b", "c"), ("b",)]


async def test_a_batch_never_holds_two_events_of_one_key() -> None:
    async with Simulation(ScriptedDestination(max_items=10)) as engine:
        for event_id in ("a-1", "a-2", "b-1", "a-3", "b-2"):
            engine.add(event_id, key=event_id[0])
        await asyncio.sleep(10)
        batches = [each.ids for each in engine.destination.requests]
        assert batches[0] == ("a-1", "b-1")
        for key, count in (("a", 3), ("b", 2)):
            ids = [[event_id for event_id in batch if event_id.startswith(key)] for batch in batches]
            assert [found for found in ids if found] == [[f"{key}-{number + 1}"] for number in range(count)]


async def test_a_look_up_is_a_request_of_its_own() -> None:
    async with Simulation(ScriptedDestination(max_items=10), EngineSettings(chance=0.999)) as engine:
        engine.destination.script("a", TIMED_OUT)
        for event_id in ("a", "b", "c"):
            engine.add(event_id)
        await asyncio.sleep(60)
        assert [(each.kind, each.ids) for each in engine.destination.requests] == [
            ("create", ("a", "b", "c")),
            ("look_up", ("a",)),
        ]


async def test_a_look_up_joins_no_batch_that_has_begun() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=10, grace_seconds=10))
    async with Simulation(ScriptedDestination(max_items=10), settings) as engine:
        engine.destination.script("a", TIMED_OUT)
        engine.add("a")
        await asyncio.sleep(22)
        engine.add("b")
        await asyncio.sleep(1)
        engine.add("c")  # both it and the look-up are due when the next slot comes, it first
        await asyncio.sleep(40)
        assert [(each.kind, each.ids) for each in engine.destination.requests] == [
            ("create", ("a",)),
            ("create", ("b",)),
            ("create", ("c",)),
            ("look_up", ("a",)),
        ]


async def test_a_probe_carries_one_event_even_where_batches_are_taken() -> None:
    async with Simulation(ScriptedDestination(max_items=10)) as engine:
        engine.destination.script("a", REFUSED)
        for event_id in ("a", "b", "c"):
            engine.destination.script(event_id, REFUSED)
            engine.add(event_id)
        await asyncio.sleep(10)
        assert [len(each.ids) for each in engine.destination.requests][:2] == [3, 1]
        assert engine.counts[OutcomeKind.ACCEPTED] == 3


# Drain


async def test_a_drain_settles_what_is_on_the_wire_and_drops_what_waits() -> None:
    settings = EngineSettings(max_in_flight=2)
    async with Simulation(ScriptedDestination(seconds=3), settings) as engine:
        engine.destination.script("b", BROKEN)
        for event_id in ("a", "b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(1)
        assert await engine.dispatcher.drain(10) == 0
        assert [each["id"] for each in engine.outcomes] == ["a"]
        await asyncio.sleep(100)
        assert sent_ids(engine) == ["a", "b"]


async def test_a_drain_takes_no_longer_than_it_is_given() -> None:
    async with Simulation(ScriptedDestination(seconds=30)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        before = engine.clock.monotonic()
        assert await engine.dispatcher.drain(5) == 1
        assert engine.clock.monotonic() - before == pytest.approx(5, abs=0.1)


async def test_after_a_drain_it_can_send_again() -> None:
    async with Simulation() as engine:
        assert await engine.dispatcher.drain(1) == 0
        engine.add("a")
        await asyncio.sleep(5)
        assert sent_ids(engine) == []
        engine.dispatcher.resume()
        await asyncio.sleep(5)
        assert sent_ids(engine) == ["a"]


async def test_regression_what_a_drain_had_no_time_for_is_cut_off_and_its_slot_is_kept() -> None:
    async with Simulation(ScriptedDestination(seconds=30)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        assert await engine.dispatcher.drain(5) == 1
        assert engine.dispatcher.in_flight == 0
        engine.dispatcher.resume()
        engine.destination.seconds = 0.1
        engine.add("b")
        await asyncio.sleep(40)
        assert [(each.ids, each.ended_at is None) for each in engine.destination.requests] == [
            (("a",), True),
            (("b",), False),
        ]
        assert [each["id"] for each in engine.outcomes] == ["b"]


async def test_a_request_that_is_cut_off_counts_as_one_that_may_still_arrive() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=10, grace_seconds=100))
    async with Simulation(ScriptedDestination(seconds=30), settings) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        await engine.dispatcher.drain(5)
        assert engine.quota.used == 1
        await asyncio.sleep(109)
        assert engine.quota.used == 1
        await asyncio.sleep(2)
        assert engine.quota.used == 0


async def test_regression_an_attempt_that_is_cancelled_before_its_first_step_leaves_no_slot_taken() -> None:
    engine = Simulation()
    engine.topics.fail(DEAD_LETTERS, PublishRefused("it never fits"))  # kills the engine at once
    take = engine.quota.slot

    async def slot_then_death(may_leave: Callable[[], bool], priority: Priority = Priority.DELIVERY) -> Slot:
        slot = await take(may_leave, priority)
        fault = Unsendable(Reason.NOT_JSON, "")
        engine.dispatcher.refuse(Record("events", 0, 0, 0, None, b""), fault, OffsetTracker(0))
        await asyncio.sleep(0)  # the death is found out right after the attempt was made a task
        return slot

    engine.quota.slot = slot_then_death  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - what kills an engine is raised where its context is left
        async with engine:
            engine.add("a")
            await asyncio.sleep(10)
    assert engine.destination.requests == []
    assert engine.quota.used == 0


# What it says


async def test_each_attempt_is_one_line_with_its_decision(lines: list[dict[str, object]]) -> None:
    async with Simulation() as engine:
        engine.destination.script("a", BROKEN)
        engine.add("a")
        await asyncio.sleep(10)
    attempts = [line for line in lines if line["event"] == "attempt"]
    assert [(line["attempt"], line["verdict"], line["decision"]) for line in attempts] == [
        (1, "retry", "again in 0.5 s"),
        (2, "accepted", OutcomeKind.ACCEPTED),
    ]
    assert {line["origin"] for line in attempts} == {"events/0/0"}


async def test_each_attempt_is_counted_and_timed() -> None:
    async with Simulation(ScriptedDestination(seconds=2)) as engine:
        engine.destination.script("a", BROKEN)
        engine.add("a")
        await asyncio.sleep(20)
        assert engine.value("attempts_total", verdict="retry", reason="server_error") == 1
        assert engine.value("attempts_total", verdict="accepted", reason="created") == 1
        assert engine.value("attempt_seconds_sum") == pytest.approx(4, abs=0.1)


async def test_suspending_and_resuming_are_one_line_each(lines: list[dict[str, object]]) -> None:
    async with Simulation() as engine:
        engine.destination.script("a", REFUSED, REFUSED, REFUSED)
        engine.add("a")
        await asyncio.sleep(30)
    said = [line["event"] for line in lines if str(line["event"]).startswith("workspace_")]
    assert said == ["workspace_suspended", "workspace_resumed"]


async def test_outcomes_are_published_to_their_topic_with_the_record_they_come_from() -> None:
    async with Simulation() as engine:
        engine.add("a", key="k")
        await asyncio.sleep(5)
    (message,) = engine.topics.messages(OUTCOMES)
    assert message.key == b"a"
    assert engine.outcomes[0]["origin"]["offset"] == 0
    assert engine.outcomes[0]["type"] == "seen.data.accepted.v1"
