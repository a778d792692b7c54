"""Reading and committing, on virtual time, with a broker in memory that can do what a broker does."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import jmespath
import pytest

from connector.delivery.pump import Bounds
from connector.errors import KafkaUnavailable
from connector.seen.quota import QuotaLimits
from connector.testing import (
    DEAD_LETTERS,
    OUTCOMES,
    READER,
    SOURCE,
    EngineSettings,
    ScriptedDestination,
    Simulation,
)
from connector.types import OutcomeKind, Partition, Reason, Retry

pytestmark = pytest.mark.looptime(noop_cycles=1)

AWAY = KafkaUnavailable("the broker is away")
BROKEN = Retry(reason=Reason.SERVER_ERROR, status=500)
OTHER = Partition("events", 1)


# Commits


async def test_the_start_position_is_committed_even_when_nothing_arrives() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(2)
        assert engine.committed == 0


async def test_only_what_lies_below_the_watermark_is_committed() -> None:
    async with Simulation() as engine:
        engine.destination.script("b", *[BROKEN] * 8)
        for event_id in ("a", "b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(10)
        assert engine.counts[OutcomeKind.ACCEPTED] == 3
        assert engine.committed == 1
        await asyncio.sleep(300)
        assert engine.committed == 4


async def test_while_outcomes_are_refused_the_offset_stays_and_follows_when_they_are_taken() -> None:
    async with Simulation() as engine:
        engine.add("a")
        await asyncio.sleep(2)
        assert engine.committed == 1
        engine.topics.fail(OUTCOMES, AWAY, seconds=600)
        engine.add("b")
        await asyncio.sleep(590)
        assert [request.ids for request in engine.destination.requests] == [("a",), ("b",)]
        assert engine.committed == 1
        await asyncio.sleep(30)
        assert engine.committed == 2
        assert len(engine.destination.requests) == 2


async def test_a_commit_that_fails_is_made_again() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(2)
        engine.topics.commit_error = AWAY
        engine.add("a")
        await asyncio.sleep(10)
        assert engine.committed == 0
        engine.topics.commit_error = None
        await asyncio.sleep(2)
        assert engine.committed == 1
        failures = engine.metrics.registry.get_sample_value(
            "seen_connector_commit_failures_total", {"workspace": "acme"}
        )
        assert failures is not None
        assert failures >= 9


async def test_one_commit_is_under_way_at_a_time_and_the_last_one_is_made_at_the_end() -> None:
    async with Simulation() as engine:
        engine.topics.commit_seconds = 0.7
        engine.add("a")
    assert engine.committed in (0, 1)
    assert engine.committed == (1 if engine.destination.requests else 0)


# Bounds


async def test_no_more_records_are_read_than_may_be_buffered() -> None:
    settings = EngineSettings(
        bounds=Bounds(max_buffered=25, max_uncommitted=10_000),
        limits=QuotaLimits(requests=10, per_seconds=10, grace_seconds=10),
    )
    async with Simulation(settings=settings) as engine:
        for number in range(100):
            engine.add(f"{number}")
        for _ in range(150):
            await asyncio.sleep(1)
            assert engine.pump.assignment.buffered <= 25
        assert engine.committed == 100


async def test_a_partition_is_read_no_further_than_the_span_that_may_be_uncommitted() -> None:
    settings = EngineSettings(bounds=Bounds(max_buffered=1000, max_uncommitted=200))
    async with Simulation(settings=settings) as engine:
        engine.destination.script("0", *[BROKEN] * 6)
        for number in range(1000):
            engine.add(f"{number}")
        await asyncio.sleep(25)
        assert engine.committed == 0
        blocking = engine.pump.assignment.blocking
        assert blocking is not None
        assert blocking[0] == "events/0/0"
        assert 200 <= blocking[1] < 300  # one poll may reach beyond it
        await asyncio.sleep(200)
        assert engine.committed == 1000


async def test_polls_go_on_where_there_is_no_room_so_that_the_group_keeps_us() -> None:
    settings = EngineSettings(bounds=Bounds(max_buffered=1, max_uncommitted=10))
    async with Simulation(ScriptedDestination(seconds=100), settings) as engine:
        engine.add("a")
        await asyncio.sleep(5)
        before = engine.topics.polls
        await asyncio.sleep(30)
        assert engine.topics.polls - before >= 25


# What becomes of records


async def test_records_that_can_be_no_events_are_dead_lettered_and_the_stream_goes_on() -> None:
    async with Simulation() as engine:
        engine.topics.add(SOURCE, b"no json", key=b"k")
        engine.topics.add(SOURCE, None, key=b"k")
        engine.topics.add(SOURCE, None)
        engine.add("a", key="k")
        await asyncio.sleep(5)
        assert [each["reason"] for each in engine.outcomes] == [
            "not_json",
            "tombstone",
            "empty_record",
            "created",
        ]
        assert [each.value for each in engine.topics.messages(DEAD_LETTERS)] == [b"no json", None, b""]
        assert engine.committed == 4


async def test_a_bad_record_waits_neither_for_a_slot_nor_for_a_suspended_workspace() -> None:
    async with Simulation() as engine:
        engine.suspension.suspend(Reason.UNAUTHENTICATED, "401", engine.clock.monotonic() + 1e6)
        engine.topics.add(SOURCE, b"no json")
        await asyncio.sleep(3)
        assert engine.counts == {OutcomeKind.REJECTED: 1}
        assert engine.destination.requests == []


async def test_records_that_are_left_out_are_counted_and_committed() -> None:
    settings = EngineSettings(reader=replace(READER, where=jmespath.compile("send")))
    async with Simulation(settings=settings) as engine:
        engine.add("a", send=False)
        engine.add("b", send=True)
        await asyncio.sleep(5)
        assert engine.counts == {OutcomeKind.SKIPPED: 1, OutcomeKind.ACCEPTED: 1}
        assert engine.committed == 2


async def test_gaps_between_offsets_are_stepped_over() -> None:
    async with Simulation() as engine:
        engine.topics.add(SOURCE, b'{"id": "a"}', offset=3)
        engine.topics.add(SOURCE, b'{"id": "b"}', offset=1000)
        await asyncio.sleep(5)
        assert engine.committed == 1001


# A broker that is away


async def test_polls_that_fail_are_made_again_and_said() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(1)
        assert engine.pump.connected
        engine.topics.poll_error = AWAY
        await asyncio.sleep(20)
        assert not engine.pump.connected
        engine.topics.poll_error = None
        engine.add("a")
        await asyncio.sleep(10)
        assert engine.pump.connected
        assert engine.committed == 1


async def test_the_lag_is_what_the_broker_holds_beyond_the_watermark() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=3600, grace_seconds=1))
    async with Simulation(settings=settings) as engine:
        for number in range(10):
            engine.add(f"{number}")
        await asyncio.sleep(20)
        assert engine.pump.assignment.lag == 9


# Rebalances


async def test_a_revocation_settles_what_is_on_the_wire_commits_and_drops_the_rest() -> None:
    async with Simulation(ScriptedDestination(seconds=3), EngineSettings(max_in_flight=2)) as engine:
        for event_id in ("a", "b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(1)
        await engine.topics.revoke(engine.pump)
        assert engine.committed == 2
        assert engine.pump.assignment.trackers == {}
        await asyncio.sleep(100)
        assert len(engine.destination.requests) == 2


async def test_a_new_assignment_goes_on_from_the_commit() -> None:
    async with Simulation(ScriptedDestination(seconds=3), EngineSettings(max_in_flight=2)) as engine:
        for event_id in ("a", "b", "c", "d"):
            engine.add(event_id)
        await asyncio.sleep(1)
        await engine.topics.revoke(engine.pump)
        engine.topics.assign(engine.pump, SOURCE, OTHER)
        await asyncio.sleep(20)
        assert [each.ids[0] for each in engine.destination.requests] == ["a", "b", "c", "d"]
        assert engine.topics.committed == {SOURCE: 4, OTHER: 0}


async def test_what_could_not_be_settled_before_a_revocation_comes_again_and_breaks_nothing() -> None:
    async with Simulation() as engine:
        engine.topics.fail(OUTCOMES, AWAY, seconds=42)
        engine.topics.commit_seconds = 10
        engine.add("a")
        await asyncio.sleep(1)
        await engine.topics.revoke(engine.pump)  # gives up after 40 s; "a" is settled while it commits
        assert engine.committed == 0
        engine.topics.commit_seconds = 0
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(60)
        assert [each.ids[0] for each in engine.destination.requests] == ["a", "a"]
        ids = [dict(message.headers)["ce_id"] for message in engine.topics.messages(OUTCOMES)]
        assert ids == [b"events/0/0", b"events/0/0"]
        assert engine.committed == 1


async def test_regression_what_is_read_while_a_revocation_commits_is_not_sent_by_the_next_epoch_too() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(3)
        engine.add("a")
        await asyncio.sleep(3)
        engine.topics.fail(OUTCOMES, AWAY, seconds=1)
        engine.add("b")
        await asyncio.sleep(0.2)
        engine.topics.commit_seconds = 10
        revoking = asyncio.create_task(engine.topics.revoke(engine.pump))
        await asyncio.sleep(5)
        engine.add("c")  # a broker hands out records until the revocation has been answered
        await revoking
        engine.topics.commit_seconds = 0
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(30)
        assert [each.ids[0] for each in engine.destination.requests] == ["a", "b", "c"]
        assert engine.committed == 3


async def test_a_commit_after_the_group_moved_on_counts_for_nothing() -> None:
    async with Simulation() as engine:
        engine.add("a")
        await asyncio.sleep(0.5)
        engine.topics.is_fenced = True
        await asyncio.sleep(5)
        assert engine.committed is None
        engine.topics.is_fenced = False
        await asyncio.sleep(2)
        assert engine.committed == 1


# Stopping


async def test_a_stop_settles_what_is_on_the_wire_commits_and_drops_what_waits() -> None:
    async with Simulation(ScriptedDestination(seconds=5), EngineSettings(max_in_flight=1)) as engine:
        engine.add("a")
        engine.add("b")
        await asyncio.sleep(1)
    assert engine.committed == 1
    assert [each.ids for each in engine.destination.requests] == [("a",)]


async def test_a_stop_takes_no_longer_than_its_deadline_and_a_last_commit() -> None:
    async with Simulation(ScriptedDestination(seconds=1000)) as engine:
        engine.add("a")
        await asyncio.sleep(2)
        engine.topics.commit_seconds = 1000
        stopped_at = engine.clock.monotonic()
    assert engine.clock.monotonic() - stopped_at < 17 + 3
    assert engine.committed == 0


async def test_regression_a_stop_does_not_wait_for_a_dead_letter_that_no_broker_takes() -> None:
    async with Simulation() as engine:
        engine.topics.fail(DEAD_LETTERS, AWAY)
        engine.topics.add(SOURCE, b"no json")
        await asyncio.sleep(2)
        stopped_at = engine.clock.monotonic()
    assert engine.clock.monotonic() - stopped_at < 17 + 3
    assert engine.committed == 0
