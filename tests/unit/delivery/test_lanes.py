"""Order: lanes against a model, under arbitrary sequences of submissions, takings, returns and ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connector.delivery.lanes import Lanes


@dataclass(frozen=True, slots=True)
class Item:
    order_key: bytes
    number: int


class LanesAgainstModel(RuleBasedStateMachine):
    """The model: for each key the items in the order of their submission, who is taken, who waits until when."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: Lanes[Item] = Lanes()
        self.now = 0
        self.submitted = 0
        self.model: dict[bytes, list[Item]] = {}
        self.taken: list[Item] = []
        self.until: dict[Item, int] = {}

    @rule(key=st.sampled_from([b"", b"a", b"b", b"c"]))
    def submit(self, key: bytes) -> None:
        self.submitted += 1
        item = Item(key, self.submitted)
        self.lanes.submit(item)
        self.model.setdefault(key, []).append(item)

    @rule()
    def take(self) -> None:
        peeked = self.lanes.peek(self.now)
        item = self.lanes.take(self.now)
        assert item is peeked
        if item is None:
            assert not self.ready
        else:
            assert item in self.ready
            self.taken.append(item)
            self.until.pop(item, None)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), wait=st.integers(-1, 5))
    def put_back(self, data: st.DataObject, wait: int) -> None:
        item = data.draw(st.sampled_from(self.taken))
        self.lanes.put_back(item, self.now + wait)
        self.taken.remove(item)
        self.until[item] = self.now + wait

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), wait=st.integers(-1, 5))
    def put_last(self, data: st.DataObject, wait: int) -> None:
        item = data.draw(st.sampled_from(self.taken))
        self.lanes.put_last(item, self.now + wait)
        self.taken.remove(item)
        self.until[item] = self.now + wait

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def put_first(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.taken))
        self.lanes.put_first(item)
        self.taken.remove(item)
        assert self.lanes.peek(self.now) is item

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.taken))
        self.lanes.finish(item)
        self.taken.remove(item)
        assert self.model[item.order_key].pop(0) is item
        if not self.model[item.order_key]:
            del self.model[item.order_key]

    @rule(seconds=st.integers(0, 3))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @property
    def ready(self) -> list[Item]:
        """The heads that may be taken: neither taken nor waiting."""
        heads = [lane[0] for lane in self.model.values()]
        return [
            head for head in heads if head not in self.taken and self.until.get(head, self.now) <= self.now
        ]

    @invariant()
    def at_most_the_head_of_each_lane_is_taken(self) -> None:
        assert all(self.model[item.order_key][0] is item for item in self.taken)

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.lanes) == sum(map(len, self.model.values()))
        assert self.lanes.keys == len(self.model)

    @invariant()
    def it_knows_when_something_can_be_taken(self) -> None:
        if (at := self.lanes.next_time()) is None:
            assert not self.ready
            assert not self.until
        else:
            assert (at <= self.now) == bool(self.ready)
            assert bool(self.ready) or at == min(self.until.values())


test_lanes_agree_with_a_model = LanesAgainstModel.TestCase


def take_all(lanes: Lanes[Item], now: float = 0.0) -> list[int]:
    taken = []
    while (item := lanes.take(now)) is not None:
        taken.append(item.number)
    return taken


def test_one_item_of_each_key_can_be_taken_first_come_first_served() -> None:
    lanes: Lanes[Item] = Lanes()
    for number, key in enumerate([b"b", b"a", b"b", b"c", b"a"]):
        lanes.submit(Item(key, number))
    assert take_all(lanes) == [0, 1, 3]


def test_the_next_of_a_key_follows_when_the_one_before_it_is_finished() -> None:
    lanes: Lanes[Item] = Lanes()
    first, second = Item(b"a", 1), Item(b"a", 2)
    lanes.submit(first)
    lanes.submit(second)
    assert lanes.take(0) is first
    assert lanes.take(0) is None
    lanes.finish(first)
    assert lanes.take(0) is second


def test_what_is_put_back_stays_the_head_of_its_lane_while_others_go_on() -> None:
    lanes: Lanes[Item] = Lanes()
    retried, behind, other = Item(b"a", 1), Item(b"a", 2), Item(b"b", 3)
    for item in (retried, behind, other):
        lanes.submit(item)
    assert lanes.take(0) is retried
    lanes.put_back(retried, until=10)
    assert lanes.take(0) is other
    assert lanes.take(9.9) is None
    assert lanes.next_time() == 10
    assert lanes.take(10) is retried


def test_heads_that_are_put_last_take_turns() -> None:
    lanes: Lanes[Item] = Lanes()
    for number in range(3):
        lanes.submit(Item(bytes([number]), number))
    turns = []
    for now in range(6):
        item = lanes.take(now)
        assert item is not None
        turns.append(item.number)
        lanes.put_last(item, until=now)
    assert turns == [0, 1, 2, 0, 1, 2]


def test_a_head_that_is_put_last_goes_behind_what_comes_in_until_its_time() -> None:
    lanes: Lanes[Item] = Lanes()
    lanes.submit(Item(b"a", 1))
    head = lanes.take(0)
    assert head is not None
    lanes.put_last(head, until=10)
    lanes.submit(Item(b"b", 2))
    assert take_all(lanes, now=10) == [2, 1]


def test_heads_whose_time_has_come_go_before_the_backlog_and_leave_it_every_second_turn() -> None:
    lanes: Lanes[Item] = Lanes()
    for number in range(8):
        lanes.submit(Item(bytes([number]), number))
    for _ in range(3):
        item = lanes.take(0)
        assert item is not None
        lanes.put_back(item, until=10)
    assert take_all(lanes, now=10) == [3, 0, 4, 1, 5, 2, 6, 7]


def test_a_head_that_is_put_first_is_the_next() -> None:
    lanes: Lanes[Item] = Lanes()
    for number in range(4):
        lanes.submit(Item(bytes([number]), number))
    waiting, first = lanes.take(0), lanes.take(0)
    assert waiting is not None
    assert first is not None
    lanes.put_back(waiting, until=0)
    lanes.put_first(first)
    assert take_all(lanes) == [1, 2, 0, 3]


def test_only_a_head_can_be_finished() -> None:
    lanes: Lanes[Item] = Lanes()
    lanes.submit(Item(b"a", 1))
    behind = Item(b"a", 2)
    lanes.submit(behind)
    with pytest.raises(ValueError, match="only the head"):
        lanes.finish(behind)


def test_a_lane_tells_whether_a_later_item_waits_behind_its_head() -> None:
    lanes: Lanes[Item] = Lanes()
    head, behind = Item(b"k", 1), Item(b"k", 2)
    lanes.submit(head)
    lanes.submit(Item(b"other", 3))
    assert not lanes.has_later(head)
    lanes.submit(behind)
    assert lanes.has_later(head)
    assert lanes.take(0) is head
    lanes.finish(head)
    assert not lanes.has_later(behind)
