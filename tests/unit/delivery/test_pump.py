"""Reading and committing, on virtual time, with a broker in memory that can do what a broker does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jmespath
import pytest

from connector.delivery.backoff import Backoff
from connector.delivery.pump import Bounds
from connector.errors import KafkaUnavailable
from connector.seen.limits import QuotaLimits
from connector.testing import (
    DEAD_LETTERS,
    OUTCOMES,
    POLICY,
    READER,
    SOURCE,
    EngineSettings,
    MemoryTopics,
    ScriptedDestination,
    Simulation,
)
from connector.types import OutcomeKind, Partition, Reason, Retry, Suspend

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, MutableMapping, Sequence

    from connector.delivery.request import Permit
    from connector.types import Commit, Event, Verdict

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
        assert engine.value("commit_failures_total") >= 9


class CountedCommits(MemoryTopics):
    """Knows how many commits were under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = self.at_once = 0

    async def commit(self, commits: Mapping[Partition, Commit]) -> bool:
        self.under_way += 1
        self.at_once = max(self.at_once, self.under_way)
        try:
            return await super().commit(commits)
        finally:
            self.under_way -= 1


async def test_one_commit_is_under_way_at_a_time_even_at_a_revocation() -> None:
    topics = CountedCommits()
    async with Simulation(topics=topics) as engine:
        engine.add("a")
        await asyncio.sleep(0.5)
        topics.commit_seconds = 5
        await asyncio.sleep(3)  # the commit of the first is under way
        assert topics.under_way == 1
        await topics.revoke(engine.pump)
        assert engine.committed == 1
    assert topics.at_once == 1


async def test_what_was_settled_since_the_last_commit_is_committed_at_the_end() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(3.3)
        engine.add("a")
        await asyncio.sleep(0.3)
        assert engine.committed == 0
    assert engine.committed == 1


# Bounds


async def test_no_more_records_are_read_than_may_be_buffered() -> None:
    settings = EngineSettings(
        bounds=Bounds(max_buffered=25, max_buffered_bytes=2**25, max_uncommitted=10_000),
        limits=QuotaLimits(requests=10, per_seconds=10, grace_seconds=10),
    )
    async with Simulation(settings=settings) as engine:
        for number in range(100):
            engine.add(f"{number}")
        for _ in range(150):
            await asyncio.sleep(1)
            assert engine.pump.assignment.buffered <= 25
        assert engine.committed == 100


async def test_reading_goes_on_as_soon_as_something_is_settled() -> None:
    settings = EngineSettings(bounds=Bounds(max_buffered=1, max_buffered_bytes=2**25, max_uncommitted=10))
    async with Simulation(ScriptedDestination(seconds=0.5), settings) as engine:
        engine.topics.fail(DEAD_LETTERS, AWAY, seconds=0.3)  # so the dead letter takes half a second
        engine.topics.add(SOURCE, b"no json")
        for event_id in ("a", "b"):
            engine.add(event_id)
        await asyncio.sleep(5)
        sent_at = [request.sent_at for request in engine.destination.requests]
        assert sent_at == pytest.approx([0.5, 1.0], abs=0.1)


async def test_a_partition_is_read_no_further_than_the_span_that_may_be_uncommitted() -> None:
    settings = EngineSettings(bounds=Bounds(max_buffered=1000, max_buffered_bytes=2**25, max_uncommitted=200))
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
    settings = EngineSettings(bounds=Bounds(max_buffered=1, max_buffered_bytes=2**25, max_uncommitted=10))
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


async def test_where_records_are_gone_it_goes_on_behind_them_and_counts_them() -> None:
    async with Simulation(ScriptedDestination(seconds=3)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        engine.pump.moved(SOURCE, 5, lost=4)
        await asyncio.sleep(4)  # "a" has ended meanwhile, and counts for nothing
        assert engine.committed == 5
        engine.topics.add(SOURCE, b'{"id": "b"}', offset=5)
        await asyncio.sleep(5)
        assert engine.committed == 6
        assert engine.pump.lost == 4
        assert engine.value("taken_by_retention_total") == 4


async def test_regression_what_was_read_before_its_partition_moved_is_delivered_however_much_it_is() -> None:
    async with Simulation() as engine:
        for number in range(300):
            engine.add(str(number))
        await asyncio.sleep(1)
        engine.pump.moved(SOURCE, 5_000, lost=4_700)
        engine.topics.add(SOURCE, b'{"id": "7", "n": 2}', offset=5_000)
        await asyncio.sleep(100)
        assert {each["id"] for each in engine.outcomes} == {str(number) for number in range(300)}
        assert len(engine.outcomes) == 301
        assert engine.committed == 5_001


async def test_each_record_that_is_read_is_counted() -> None:
    async with Simulation() as engine:
        engine.add("a")
        engine.topics.add(SOURCE, b"no json")
        await asyncio.sleep(5)
        assert engine.value("records_read_total") == 2


async def test_regression_large_records_fill_the_buffer_by_their_bytes() -> None:
    bounds = Bounds(max_buffered=1000, max_buffered_bytes=50_000, max_uncommitted=10_000)
    async with Simulation(settings=EngineSettings(bounds=bounds)) as engine:
        engine.suspension.suspend(Reason.UNAUTHENTICATED, "", 0.0)
        for number in range(300):
            engine.add(str(number), text="x" * 1_000)
        await asyncio.sleep(0.5)
        assert 50_000 <= engine.pump.assignment.buffered_bytes < 50_000 + 100 * 1_100
        await asyncio.sleep(600)
        assert engine.committed == 300


# A broker that is away


async def test_polls_that_fail_are_made_again_and_said() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(1)
        assert engine.pump.trouble is None
        engine.topics.poll_error = AWAY
        await asyncio.sleep(20)
        assert engine.pump.trouble is not None
        engine.topics.poll_error = None
        engine.add("a")
        await asyncio.sleep(10)
        assert engine.pump.trouble is None
        assert engine.committed == 1


class SilentTopics(MemoryTopics):
    """A broker that is away: polls only find no records, questions are not answered."""

    async def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        raise AWAY


async def test_polls_that_find_nothing_do_not_say_that_the_broker_is_there() -> None:
    async with Simulation(topics=SilentTopics()) as engine:
        await asyncio.sleep(6)
        for _ in range(20):
            await asyncio.sleep(1)
            assert engine.pump.trouble is not None


async def test_regression_polls_that_fail_before_anything_is_assigned_are_not_said_to_be_well() -> None:
    async with Simulation() as engine:
        await engine.topics.revoke(engine.pump)
        engine.topics.poll_error = AWAY
        await asyncio.sleep(3)
        for _ in range(20):
            await asyncio.sleep(1)
            assert engine.pump.trouble is not None
        engine.topics.poll_error = None
        await asyncio.sleep(5)
        assert engine.pump.trouble is None


async def test_regression_polls_that_fail_are_said_although_the_broker_answers() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(1)
        engine.topics.unreadable = KafkaUnavailable("reading: TopicAuthorizationFailedError")
        await asyncio.sleep(3)
        for _ in range(20):
            await asyncio.sleep(1)
            assert engine.pump.trouble == "reading: TopicAuthorizationFailedError"
        engine.topics.unreadable = None
        await asyncio.sleep(5)
        assert engine.pump.trouble is None


async def test_the_lag_is_what_the_broker_holds_beyond_the_watermark() -> None:
    settings = EngineSettings(limits=QuotaLimits(requests=1, per_seconds=3600, grace_seconds=1))
    async with Simulation(settings=settings) as engine:
        for number in range(10):
            engine.add(f"{number}")
        await asyncio.sleep(20)
        assert engine.pump.assignment.lag == 9


# Restarts


async def test_after_a_stop_what_was_settled_beyond_the_watermark_is_not_sent_again() -> None:
    async with Simulation() as engine:
        engine.destination.script("stuck", *[BROKEN] * 100)
        for event_id in ("stuck", *"abcdef"):
            engine.add(event_id)
        await asyncio.sleep(10)
        assert engine.counts[OutcomeKind.ACCEPTED] == 6
    assert engine.committed == 0
    async with Simulation(topics=engine.topics) as successor:
        await asyncio.sleep(10)
        assert [(each.kind, each.ids) for each in successor.destination.requests] == [("create", ("stuck",))]
        assert successor.committed == 7


async def test_after_a_crash_what_may_have_left_is_looked_up_and_nothing_else() -> None:
    async with Simulation(ScriptedDestination(seconds=2), EngineSettings(max_in_flight=4)) as engine:
        for number in range(20):
            engine.add(f"{number:02}")
        await asyncio.sleep(1)
        await engine.crash()
        left = {each.ids[0] for each in engine.destination.requests}
        assert len(left) == 4
    async with Simulation(topics=engine.topics, settings=engine.settings) as successor:
        await asyncio.sleep(100)
        looked_up = {each.ids[0] for each in successor.destination.requests if each.kind == "look_up"}
        created = {each.ids[0] for each in successor.destination.requests if each.kind == "create"}
        assert left <= looked_up
        assert len(looked_up) <= 12
        assert created == {f"{number:02}" for number in range(20)} - looked_up
        assert successor.committed == 20


async def test_without_look_ups_a_crash_repeats_what_was_on_the_wire() -> None:
    settings = EngineSettings(max_in_flight=4, policy=replace(POLICY, look_up_in_doubt=False))
    async with Simulation(ScriptedDestination(seconds=2), settings) as engine:
        for number in range(20):
            engine.add(f"{number:02}")
        await asyncio.sleep(1)
        await engine.crash()
    async with Simulation(topics=engine.topics, settings=settings) as successor:
        await asyncio.sleep(100)
        assert {each.kind for each in successor.destination.requests} == {"create"}
        assert len(successor.destination.requests) == 20


async def test_nothing_leaves_that_no_commit_has_promised() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(1)
        engine.topics.commit_error = AWAY
        for number in range(200):
            engine.add(f"{number:03}")
        await asyncio.sleep(60)
        assert len(engine.destination.requests) == engine.settings.max_in_flight
        engine.topics.commit_error = None
        await asyncio.sleep(60)
        assert engine.committed == 200


async def test_regression_behind_one_that_came_too_late_nothing_leaves_either_that_no_commit_has_promised() -> (
    None
):
    settings = EngineSettings(max_in_flight=1, policy=replace(POLICY, ttl_seconds=10))
    async with Simulation(settings=settings) as engine:
        await asyncio.sleep(1)
        engine.topics.commit_error = AWAY
        engine.add("late", age_seconds=100)
        engine.add("in time")
        await asyncio.sleep(3)
        assert engine.destination.requests == []
        engine.topics.commit_error = None
        await asyncio.sleep(3)
        assert [each.ids for each in engine.destination.requests] == [("in time",)]


async def test_a_burst_has_its_commits_as_soon_as_it_waits_for_them() -> None:
    settings = EngineSettings(limits=QuotaLimits(1000, 1, 1), max_in_flight=2)
    async with Simulation(ScriptedDestination(seconds=0.01), settings) as engine:
        for number in range(100):
            engine.add(f"{number:03}")
        await asyncio.sleep(3)
        assert engine.counts[OutcomeKind.ACCEPTED] == 100


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


async def test_a_standby_polls_at_once_in_a_rebalance_since_a_poll_finds_the_assignment() -> None:
    async with Simulation() as engine:
        await engine.topics.revoke(engine.pump)
        await asyncio.sleep(2.5)  # in the middle of a wait for room
        before = engine.topics.polls
        await engine.pump.revoked()
        await asyncio.sleep(0.1)
        assert engine.topics.polls == before + 1


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
        engine.add("a")
        await asyncio.sleep(1)
        engine.topics.commit_seconds = 10
        await engine.topics.revoke(engine.pump)  # gives up after 40 s
        assert engine.committed == 0
        engine.topics.commit_seconds = 0
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(60)
        assert [each.kind for each in engine.destination.requests] == ["create", "look_up"]
        ids = [dict(message.headers)["ce_id"] for message in engine.topics.messages(OUTCOMES)]
        assert ids == [b"events/0/0"]
        assert engine.committed == 1


async def test_regression_a_request_that_outlasts_a_revocation_does_not_meet_its_successor() -> None:
    async with Simulation(ScriptedDestination(seconds=100)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        await engine.topics.revoke(engine.pump)  # gives up after 40 s
        assert engine.committed == 0
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(200)
        assert [each.ended_at is None for each in engine.destination.requests] == [True, False]
        assert engine.committed == 1


class Reluctant(ScriptedDestination):
    """Takes its time to give up a request that is cut off."""

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        try:
            return await super().send(batch, permit)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
            raise


async def test_regression_what_is_read_while_a_request_is_cut_off_is_sent_once() -> None:
    async with Simulation(Reluctant(seconds=100)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        revoking = asyncio.create_task(engine.topics.revoke(engine.pump))
        await asyncio.sleep(42)
        engine.topics.fail(DEAD_LETTERS, AWAY)
        engine.add("b")
        engine.topics.add(SOURCE, b"no json")
        await revoking
        engine.topics.heal(DEAD_LETTERS)
        engine.destination.seconds = 1
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(60)
        requests = [(each.kind, each.ids[0]) for each in engine.destination.requests]
        assert requests == [("create", "a"), ("create", "b"), ("look_up", "a")]
        assert len(engine.topics.messages(DEAD_LETTERS)) == 1
        assert engine.committed == 3


async def test_regression_what_no_broker_takes_does_not_pile_up_over_rebalances() -> None:
    async with Simulation() as engine:
        engine.topics.fail(DEAD_LETTERS, AWAY)
        for _ in range(20):
            engine.topics.add(SOURCE, b"no json")
        idle = len(asyncio.all_tasks())
        for _ in range(5):
            await asyncio.sleep(5)
            await engine.topics.revoke(engine.pump)
            engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(5)
        assert len(asyncio.all_tasks()) <= idle + 20
        engine.topics.heal(DEAD_LETTERS)
        await asyncio.sleep(20)
        assert len(engine.topics.messages(DEAD_LETTERS)) == 20
        assert engine.committed == 20


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


async def test_a_commit_that_is_refused_ends_the_epoch_and_nothing_leaves_until_the_next() -> None:
    async with Simulation(ScriptedDestination(seconds=3)) as engine:
        await asyncio.sleep(0.5)
        engine.topics.is_fenced = True
        engine.add("a")
        await asyncio.sleep(2)
        engine.add("b")
        await asyncio.sleep(20)
        assert engine.pump.assignment.trackers == {}
        assert [each.ids for each in engine.destination.requests] == [("a",)]
        assert engine.destination.requests[0].ended_at is None, "what was on the wire is cut off"
        assert engine.outcomes == []
        engine.topics.is_fenced = False
        engine.topics.assign(engine.pump, SOURCE)
        await asyncio.sleep(60)
        assert [each["id"] for each in engine.outcomes] == ["a", "b"]
        assert engine.committed == 2


async def test_regression_an_assignment_right_after_a_refused_commit_loses_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Simulation(ScriptedDestination(seconds=3)) as engine:

        def assign_anew() -> None:
            engine.topics.assign(engine.pump, SOURCE)
            engine.add("b")

        async def refuse_once(_: object) -> bool:
            monkeypatch.undo()
            asyncio.get_running_loop().call_soon(assign_anew)
            return False

        await asyncio.sleep(0.5)
        monkeypatch.setattr(engine.topics, "commit", refuse_once)
        engine.add("a")
        await asyncio.sleep(100)
        assert {each["id"] for each in engine.outcomes} == {"a", "b"}
        assert engine.committed == 2


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_workspace_that_was_given_away_is_not_suspended_any_more(*, is_told: bool) -> None:
    refused = Suspend(reason=Reason.UNAUTHENTICATED, status=401)
    async with Simulation(ScriptedDestination(lambda *_: refused)) as engine:
        engine.add("a")
        await asyncio.sleep(10)
        assert engine.suspension.state is not None
        if is_told:
            await engine.topics.revoke(engine.pump)
        else:
            engine.topics.is_fenced = True
        await asyncio.sleep(10)
        assert engine.suspension.state is None


async def test_regression_a_request_that_has_not_begun_when_its_epoch_is_lost_counts_for_nothing_afterwards() -> (
    None
):
    """Its task was cancelled before its first step: for ever on the wire, and where it was a probe, the last one."""
    refused = Suspend(reason=Reason.UNAUTHENTICATED, status=401)
    async with Simulation(ScriptedDestination(lambda *_: refused)) as engine:
        engine.add("a")
        await asyncio.sleep(5)
        send, lost = engine.dispatcher._send, list[asyncio.Task[None]]()

        def send_and_lose(*arguments: Any, **more: Any) -> None:
            send(*arguments, **more)
            if not lost:
                lost.append(asyncio.create_task(engine.pump._lose()))

        engine.dispatcher._send = send_and_lose  # type: ignore[method-assign]
        await asyncio.sleep(30)
        assert lost
        assert (engine.dispatcher.in_flight, engine.dispatcher._probing) == (0, False)


async def test_a_standby_finds_out_too_that_kafka_is_out_of_reach() -> None:
    async with Simulation() as engine:
        await engine.topics.revoke(engine.pump)
        await asyncio.sleep(10)
        assert engine.pump.trouble is None
        engine.topics.poll_error = KafkaUnavailable("away")
        await asyncio.sleep(10)
        assert engine.pump.trouble is not None
        engine.topics.poll_error = None
        await asyncio.sleep(10)
        assert engine.pump.trouble is None


async def test_an_owner_says_how_much_its_predecessor_may_have_sent(lines: list[dict[str, object]]) -> None:
    hanging = Simulation(ScriptedDestination(seconds=1000), EngineSettings(max_in_flight=4))
    async with hanging:
        for number in range(9):
            hanging.add(str(number))
        await asyncio.sleep(5)
        await hanging.crash()
    async with Simulation(topics=hanging.topics, owner="replica-2"):
        await asyncio.sleep(1)
    assert [line["in_doubt"] for line in lines if line["event"] == "partitions_assigned"] == [0, 8]


async def test_regression_what_is_written_after_a_crash_is_not_in_doubt_and_leaves_at_once() -> None:
    quiet = Simulation(settings=EngineSettings(max_in_flight=4))
    async with quiet:
        quiet.add("before")
        await asyncio.sleep(5)
        await quiet.crash()
    async with Simulation(topics=quiet.topics, owner="replica-2") as engine:
        await asyncio.sleep(1)
        for name in ("one", "two"):
            engine.add(name)
        await asyncio.sleep(1)
        assert [(each.kind, each.ids) for each in engine.destination.requests] == [
            ("create", ("one",)),
            ("create", ("two",)),
        ]


# The lease


async def test_a_workspace_that_hears_nothing_from_kafka_commits_all_the_same_so_that_it_may_send() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(300)
        engine.add("a")
        await asyncio.sleep(1)
        assert engine.destination.sent("a")[0].sent_at < 300.1
        assert 60 <= engine.topics.commits <= 62


async def test_nothing_leaves_when_the_last_acknowledged_commit_is_as_old_as_a_session_less_its_margin() -> (
    None
):
    policy = replace(POLICY, backoff=Backoff(4, 4))
    settings = EngineSettings(session_timeout_seconds=30, policy=policy)
    async with Simulation(ScriptedDestination(lambda *_: BROKEN), settings) as engine:
        engine.add("a")
        await asyncio.sleep(100)
        engine.topics.commit_error = KafkaUnavailable("away")
        await asyncio.sleep(100)
        last = engine.destination.requests[-1].sent_at
        assert 120 < last < 126
        engine.topics.commit_error = None
        await asyncio.sleep(10)
        assert engine.destination.requests[-1].sent_at > 200


async def test_the_lease_counts_from_when_the_commit_was_sent() -> None:
    settings = EngineSettings(session_timeout_seconds=30)
    topics = MemoryTopics()
    topics.commit_seconds = 26
    async with Simulation(settings=settings, topics=topics) as engine:
        engine.add("a")
        await asyncio.sleep(100)
        assert engine.destination.requests == []
        topics.commit_seconds = 1
        await asyncio.sleep(60)
        assert len(engine.destination.requests) == 1


@pytest.mark.parametrize("request_seconds", [0.1, 90], ids=["nothing on the wire", "while it drains"])
async def test_partitions_that_are_taken_when_the_lease_has_ended_are_left_without_a_commit(
    request_seconds: float,
) -> None:
    async with Simulation(ScriptedDestination(seconds=request_seconds)) as engine:
        engine.add("a")
        await asyncio.sleep(5)
        engine.topics.commit_error = KafkaUnavailable("away")
        await asyncio.sleep(40)
        engine.topics.commit_error = None
        commits = engine.topics.commits
        await engine.topics.revoke(engine.pump)
        assert engine.topics.commits == commits


# Stopping


async def test_a_stop_settles_what_is_on_the_wire_commits_and_drops_what_waits() -> None:
    async with Simulation(ScriptedDestination(seconds=5), EngineSettings(max_in_flight=1)) as engine:
        engine.add("a")
        engine.add("b")
        await asyncio.sleep(1)
    assert engine.committed == 1
    assert [each.ids for each in engine.destination.requests] == [("a",)]


async def test_a_stop_takes_no_longer_than_its_deadline_and_a_last_commit() -> None:
    async with Simulation() as engine:
        await asyncio.sleep(2)
        engine.add("a")
        engine.topics.commit_seconds = 1000
        await asyncio.sleep(2)
        engine.destination.seconds = 1000
        engine.add("b")
        await asyncio.sleep(2)
        assert engine.counts[OutcomeKind.ACCEPTED] == 1
        stopped_at = engine.clock.monotonic()
    assert engine.clock.monotonic() - stopped_at < 17 + 3
    assert engine.committed == 0


async def test_a_stop_reads_nothing_more() -> None:
    async with Simulation(ScriptedDestination(seconds=10)) as engine:
        engine.add("a")
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        loop.call_later(2, engine.add, "b")
        loop.call_later(2, engine.topics.add, SOURCE, b"no json")
    assert engine.clock.monotonic() >= 10
    assert engine.value("records_read_total") == 1
    assert engine.committed == 1


async def test_regression_a_stop_does_not_wait_for_a_dead_letter_that_no_broker_takes() -> None:
    async with Simulation() as engine:
        engine.topics.fail(DEAD_LETTERS, AWAY)
        engine.topics.add(SOURCE, b"no json")
        await asyncio.sleep(2)
        stopped_at = engine.clock.monotonic()
    assert engine.clock.monotonic() - stopped_at < 17 + 3
    assert engine.committed == 0


# What is left out


async def test_an_image_that_is_dropped_for_its_form_is_logged_and_counted_without_its_link(
    lines: list[MutableMapping[str, object]],
) -> None:
    settings = EngineSettings(reader=replace(READER, images=("photo", "logo"), on_bad_image="drop"))
    async with Simulation(settings=settings) as engine:
        engine.add("a", photo="https://ada:secret@a.example/ada.png", logo=7)
        engine.add("b", photo="https://a.example/good.png")
        await asyncio.sleep(2)
        assert [request.ids for request in engine.destination.requests] == [("a",), ("b",)]
        assert engine.value("image_checks_total", found="not_allowed") == 2
    refused = [each for each in lines if each["event"] == "image_refused"]
    about_all = {
        "event": "image_refused",
        "log_level": "info",
        "workspace": "acme",
        "id": "a",
        "origin": "events/0/0",
        "found": "not_allowed",
        "decision": "sent without it",
    }
    assert refused == [
        about_all | {"property": "photo", "host": "a.example", "detail": "it must not contain credentials"},
        about_all | {"property": "logo", "host": None, "detail": "it must be a string, it is a number"},
    ]


async def test_an_image_that_rejects_its_record_for_its_form_is_said_with_the_record(
    lines: list[MutableMapping[str, object]],
) -> None:
    settings = EngineSettings(reader=replace(READER, images=("photo",)))
    async with Simulation(settings=settings) as engine:
        engine.add("a", photo="https://a.example/ada.PNG")
        await asyncio.sleep(2)
        assert engine.value("image_checks_total", found="not_allowed") == 0
    assert [each["reason"] for each in lines if each["event"] == "record_refused"] == [Reason.BAD_IMAGE]
    assert not [each for each in lines if each["event"] == "image_refused"]
