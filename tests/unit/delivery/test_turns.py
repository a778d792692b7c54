"""Whose turn it is, without a clock: which events leave together, since when they gather, what is set aside."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from connector.delivery.batch import BatchLimits
from connector.delivery.delivery import Delivery
from connector.delivery.offsets import OffsetTracker
from connector.delivery.turns import Turns
from connector.testing.simulation import POLICY
from connector.types import Event, OutcomeKind, Partition, Record

if TYPE_CHECKING:
    from connector.types import Outcome

LATEST = replace(POLICY, latest_only=True)


@dataclass(frozen=True)
class Pace:
    """A quota of which nothing is used."""

    spent: float = 0.0
    interval: float = 1.0


class Aside:
    """Notes what becomes of heads that leave their lanes without a request."""

    def __init__(self) -> None:
        self.unprepared: set[str] = set()
        self.prepared: list[str] = []
        self.ended: list[tuple[str, OutcomeKind]] = []
        self.passed_over: list[str] = []
        self.promises = 0

    def takes(self, delivery: Delivery) -> bool:
        return delivery.event.id in self.unprepared

    def prepare(self, delivery: Delivery) -> None:
        self.prepared.append(delivery.event.id)

    def promise(self) -> None:
        self.promises += 1

    def end(self, delivery: Delivery, outcome: Outcome) -> None:
        self.ended.append((delivery.event.id, outcome.kind))

    def pass_over(self, delivery: Delivery) -> None:
        self.passed_over.append(delivery.event.id)


class Waiting:
    """The turns of one workspace; events below `promised` may leave."""

    def __init__(
        self,
        items: int = 10,
        max_bytes: int | None = None,
        wait_seconds: float = 5.0,
        *,
        latest_only: bool = False,
        most_ahead: int = 10,
        promised: int = 100,
    ) -> None:
        self.aside = Aside()
        self.tracker = OffsetTracker(promised)
        self.submitted = 0
        policy = LATEST if latest_only else POLICY
        self.turns = Turns(BatchLimits(items, max_bytes, wait_seconds), policy, most_ahead, self.aside)

    def add(self, id_: str, key: str = "", *, size: int = 2, in_doubt: bool = False) -> Delivery:
        """Submits an event, with a key of its own unless there is one."""
        order_key = (key or f"key of {self.submitted}").encode()
        record = Record("events", 0, self.submitted, 1_000_000, order_key, b"{}")
        self.submitted += 1
        delivery = Delivery(Event(record, id_, order_key, b" " * size), self.tracker, in_doubt=in_doubt)
        self.turns.lanes.submit(delivery)
        return delivery

    def take(self, now: float = 0.0, wall: float = 1000.0, most: float = math.inf) -> list[str]:
        return [each.event.id for each in self.turns.take(now, wall, most)]


# Together


def test_a_batch_has_the_heads_of_lanes_as_many_as_it_may() -> None:
    waiting = Waiting(items=3)
    for id_ in ("a", "b", "c", "d", "e"):
        waiting.add(id_, "one key" if id_ in "ab" else "")
    assert waiting.take() == ["a", "c", "d"]
    assert waiting.take() == ["e"]
    assert waiting.take() == []


def test_a_probe_is_alone() -> None:
    waiting = Waiting()
    waiting.add("a")
    waiting.add("b")
    assert waiting.take(most=1) == ["a"]


def test_the_bodies_of_a_batch_have_as_many_bytes_as_they_may_and_one_that_has_more_is_alone() -> None:
    waiting = Waiting(max_bytes=10)
    for id_, size in (("a", 4), ("b", 4), ("c", 4), ("d", 6), ("e", 11), ("f", 1)):
        waiting.add(id_, size=size)
    assert [waiting.take() for _ in range(4)] == [["a", "b"], ["c", "d"], ["e"], ["f"]]


def test_an_event_goes_with_no_more_than_it_may() -> None:
    waiting = Waiting()
    for id_, most in (("a", 2), ("b", math.inf), ("c", math.inf), ("d", 1), ("e", math.inf), ("f", 2)):
        waiting.add(id_).most_together = most
    assert [waiting.take() for _ in range(4)] == [["a", "b"], ["c"], ["d"], ["e", "f"]]


def test_two_events_of_one_id_are_never_together_and_events_without_one_are() -> None:
    waiting = Waiting()
    for id_ in ("", "a", "", "b", "a", "c"):
        waiting.add(id_)
    assert waiting.take() == ["", "a", "", "b"]
    assert waiting.take() == ["a", "c"]


def test_a_look_up_is_alone() -> None:
    waiting = Waiting()
    for id_ in ("a", "doubt", "another doubt", "b"):
        waiting.add(id_, in_doubt="doubt" in id_)
    assert [waiting.take() for _ in range(4)] == [["a"], ["doubt"], ["another doubt"], ["b"]]


def test_what_has_become_too_old_is_settled_and_takes_no_room() -> None:
    waiting = Waiting(items=1)
    waiting.turns = Turns(BatchLimits(), replace(POLICY, ttl_seconds=60), 10, waiting.aside)
    waiting.add("old")
    assert waiting.take(wall=1061) == []
    assert waiting.aside.ended == [("old", OutcomeKind.EXPIRED)]
    assert waiting.take(wall=1061) == []


# Gathering


def test_a_batch_gathers_from_its_first_event_on() -> None:
    waiting = Waiting(items=2)
    turns = waiting.turns
    turns.look(1.0)
    assert not turns.gathers
    assert turns.gathered_at(Pace()) == 0.0
    waiting.add("a")
    turns.look(2.0)
    turns.look(3.0)
    assert turns.gathers
    assert turns.gathered_at(Pace()) == 7.0
    assert turns.gathered_at(Pace(spent=1.0, interval=10.0)) == 42.0
    waiting.add("b")
    assert turns.gathered_at(Pace()) == 2.0, "it is full"
    waiting.add("c")
    assert waiting.take(4.0) == ["a", "b"]
    turns.look(5.0)
    assert turns.gathered_at(Pace()) == 10.0


def test_what_had_no_room_gathers_no_more() -> None:
    waiting = Waiting(max_bytes=10)
    waiting.add("a", size=6)
    waiting.add("b", size=6)
    waiting.turns.look(1.0)
    assert waiting.take(2.0) == ["a"]
    waiting.turns.look(3.0)
    assert waiting.turns.gathered_at(Pace()) <= 3.0
    assert waiting.take(3.0) == ["b"]
    waiting.turns.look(4.0)
    assert not waiting.turns.gathers


def test_those_that_gather_are_forgotten_when_nothing_waits_any_more() -> None:
    waiting = Waiting()
    waiting.add("a")
    waiting.turns.look(1.0)
    waiting.turns.lanes.take(1.0)
    waiting.turns.look(2.0)
    assert not waiting.turns.gathers


def test_a_take_that_gives_nothing_changes_nothing_of_the_time_that_was_gathered() -> None:
    waiting = Waiting(most_ahead=1, promised=0)
    waiting.add("a")
    waiting.add("b")
    waiting.turns.look(1.0)
    assert waiting.take(2.0) == []
    waiting.turns.look(3.0)
    assert waiting.turns.gathered_at(Pace()) == 6.0


# Set aside


def test_what_no_commit_has_promised_waits_for_one_and_holds_back_no_other() -> None:
    waiting = Waiting(promised=1, most_ahead=2)
    waiting.tracker.promised = 0
    first, second = waiting.add("a"), waiting.add("b")
    waiting.turns.set_aside(0.0)
    assert waiting.aside.promises == 2
    assert waiting.turns.unpromised == {Partition("events", 0): [0, 1]}
    waiting.add("c")
    assert waiting.turns.next_time() is None, "a commit comes first"
    assert waiting.take() == []
    assert waiting.aside.promises == 2
    waiting.tracker.promised = 3
    waiting.turns.promised()
    assert waiting.turns.unpromised == {}
    assert waiting.turns.next_time() == 0.0
    assert sorted(waiting.take()) == ["a", "b", "c"]
    assert (first.may_leave, second.may_leave) == (True, True)


def test_what_is_promised_goes_past_what_is_not() -> None:
    waiting = Waiting(promised=0)
    waiting.add("later")
    waiting.add("now").tracker = OffsetTracker(100)
    assert waiting.take() == ["now"]
    assert waiting.turns.next_time() is None


@pytest.mark.parametrize("most_ahead", [1, 2])
def test_of_what_no_commit_has_promised_only_so_many_are_set_aside(most_ahead: int) -> None:
    waiting = Waiting(promised=0, most_ahead=most_ahead)
    for id_ in ("a", "b", "c"):
        waiting.add(id_)
    waiting.turns.set_aside(0.0)
    assert waiting.turns.lanes.ready == 3 - most_ahead


def test_what_is_to_be_prepared_is_and_holds_back_no_other() -> None:
    waiting = Waiting()
    waiting.aside.unprepared = {"a", "c"}
    for id_ in ("a", "b", "c"):
        waiting.add(id_)
    waiting.turns.set_aside(0.0)
    assert waiting.aside.prepared == ["a"], "it looks no further than to the first that may leave"
    assert waiting.take() == ["b"]
    assert waiting.aside.prepared == ["a", "c"]


def test_nothing_leaves_unprepared_while_a_commit_must_come_first() -> None:
    waiting = Waiting(promised=0, most_ahead=1)
    waiting.add("a")
    waiting.add("b").tracker = OffsetTracker(100)
    waiting.aside.unprepared = {"b"}
    assert waiting.take() == []


def test_what_may_not_leave_before_a_time_waits_for_it() -> None:
    waiting = Waiting()
    waiting.add("a").not_before = 10.0
    waiting.add("b")
    assert waiting.take(9.0) == ["b"]
    assert waiting.turns.next_time() == 10.0
    assert waiting.take(10.0) == ["a"]


def test_an_event_whose_time_has_come_is_not_made_to_wait() -> None:
    waiting = Waiting()
    waiting.add("a").not_before = 10.0
    waiting.turns.set_aside(10.0)
    assert waiting.turns.next_time() == 0.0


def test_of_one_key_only_the_latest_counts_where_that_is_said() -> None:
    for latest_only, expected in ((True, ["a-3", "b"]), (False, ["a-1", "b"])):
        waiting = Waiting(latest_only=latest_only)
        for id_ in ("a-1", "a-2", "a-3"):
            waiting.add(id_, "a")
        waiting.add("b")
        assert sorted(waiting.take()) == expected
        assert waiting.aside.passed_over == (["a-1", "a-2"] if latest_only else [])
        assert len(waiting.turns.lanes) == (2 if latest_only else 4)


def test_with_an_epoch_all_that_waits_is_dropped() -> None:
    waiting = Waiting(promised=0, most_ahead=1)
    waiting.add("a")
    waiting.add("b")
    waiting.turns.set_aside(0.0)
    waiting.turns.renew()
    assert waiting.turns.unpromised == {}
    assert waiting.turns.next_time() is None
    assert len(waiting.turns.lanes) == 0
