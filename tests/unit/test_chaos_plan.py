"""The chaos harness's plans and events: drawn from the seed alone, and never less than what a run must hold."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability.events import PARTITIONS, POISON, WORKSPACES, draw_events
from reliability.plan import LEAST_MINUTES, LONG_OUTAGE_SECONDS, Act, draw

SEEDS = st.integers(0, 10_000)
MINUTES = st.floats(LEAST_MINUTES, 20)


@given(seed=SEEDS, minutes=MINUTES)
def test_the_same_seed_gives_the_same_plan(seed: int, minutes: float) -> None:
    assert draw(seed, minutes) == draw(seed, minutes)


def test_another_seed_gives_another_plan() -> None:
    assert len({draw(seed, 5).actions()[0] for seed in range(20)}) == 20


@given(seed=SEEDS, minutes=MINUTES)
def test_a_whole_run_holds_all_that_it_must(seed: int, minutes: float) -> None:
    plan = draw(seed, minutes)
    assert plan.count(Act.KILL) >= 5
    assert plan.count(Act.BROKER_RESTART) >= 1
    assert plan.count(Act.BROKER_KILL) >= 1
    assert plan.count(Act.OUTAGE) >= 2
    assert plan.count(Act.STOP_SHORT, Act.STOP_LONG) >= 2
    assert plan.count(Act.ADD, Act.REMOVE) >= 2
    assert {action.act for action in plan.actions()} == set(Act)


@given(seed=SEEDS, minutes=MINUTES)
def test_nothing_overlaps_within_a_track_and_all_is_over_before_the_end(seed: int, minutes: float) -> None:
    plan = draw(seed, minutes)
    for track in (plan.processes, plan.broker, plan.seen):
        for earlier, later in pairwise(track):
            assert earlier.at + earlier.seconds <= later.at
        assert track[-1].at + track[-1].seconds < minutes * 60


@given(seed=SEEDS, minutes=MINUTES)
def test_connectors_are_removed_only_after_as_many_were_added(seed: int, minutes: float) -> None:
    added = 0
    for action in draw(seed, minutes).processes:
        added += (action.act is Act.ADD) - (action.act is Act.REMOVE)
        assert added in {0, 1}


@given(seed=SEEDS, minutes=st.floats(5, 20))
def test_an_outage_of_two_minutes_ends_in_calm(seed: int, minutes: float) -> None:
    plan = draw(seed, minutes)
    (outage,) = [each for each in plan.seen if each.seconds == LONG_OUTAGE_SECONDS]
    over = outage.at + outage.seconds
    assert [each for each in (*plan.processes, *plan.broker) if over - 30 <= each.at < over + 10] == []


def test_a_run_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        draw(1, 0)


@settings(max_examples=20)
@given(seed=SEEDS, count=st.integers(100, 1000))
def test_events_are_drawn_from_the_seed_numbered_and_in_order_of_time(seed: int, count: int) -> None:
    events = draw_events(seed, count, 300)
    assert events == draw_events(seed, count, 300)
    assert [event.values["number"] for event in events] == list(range(count))
    assert all(0 <= earlier.at <= later.at < 300 for earlier, later in pairwise(events))


@settings(max_examples=20)
@given(seed=SEEDS)
def test_events_are_of_every_kind(seed: int) -> None:
    events = draw_events(seed, 2000, 300)
    assert {event.workspace for event in events} == set(WORKSPACES)
    assert {event.partition for event in events} == set(range(PARTITIONS))
    assert 0.1 < sum(event.key is None for event in events) / 2000 < 0.6
    for prefix in POISON:
        poison = [event for event in events if str(event.values["id"]).startswith(prefix)]
        assert Counter(event.workspace for event in poison) == dict.fromkeys(WORKSPACES, 1)
        assert all(event.key for event in poison)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_all_events_of_a_customer_are_in_one_partition_and_have_one_kind_of_key(seed: int) -> None:
    places = defaultdict(set)
    for event in draw_events(seed, 2000, 300):
        places[event.values["customer"]].add((event.workspace, event.partition, event.key))
    assert {len(each) for each in places.values()} == {1}


def test_bursts_leave_a_backlog() -> None:
    for seed in range(10):
        seconds = Counter(int(event.at) for event in draw_events(seed, 2000, 300))
        assert max(seconds.values()) > 100
