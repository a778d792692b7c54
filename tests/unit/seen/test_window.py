"""The quota's arithmetic: against a server that counts strictly, and against a model that forgets nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.seen.window import Window

# Times are whole seconds: sums of small whole floats are exact, so "exactly when" can be asked for.


@dataclass(slots=True)
class Request:
    """When it was sent, when it may have arrived at the latest, and when its slot comes free; None while on the wire."""

    sent_at: float
    arrives_by: float | None = None
    free_at: float | None = None


class WindowAgainstModel(RuleBasedStateMachine):
    """The model keeps every request for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.requests: list[Request] = []
        self.begin(1, 10, 10)

    @initialize(requests=st.integers(1, 4), per=st.integers(1, 12), grace=st.integers(0, 12))
    def begin(self, requests: int, per: int, grace: int) -> None:
        self.most, self.per, self.grace = requests, per, grace
        self.window = Window(requests, per, grace)

    @rule(seconds=st.integers(0, 15))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        free = self.held() < self.most
        assert self.window.take(self.now) is free
        if free:
            self.requests.append(Request(self.now))

    @rule()
    def pass_time_until_a_slot_comes_free(self) -> None:
        following = self.window.next_free()
        if following is not None:
            self.now = max(self.now, following)

    @precondition(lambda self: self.on_wire)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.on_wire))
        self.window.answered(self.now)
        request.arrives_by, request.free_at = self.now, self.now + self.per

    @precondition(lambda self: self.on_wire)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.on_wire))
        self.window.unanswered(self.now)
        request.arrives_by = self.now + self.grace
        request.free_at = request.arrives_by + self.per

    @precondition(lambda self: self.on_wire)
    @rule(data=st.data())
    def send_nothing(self, data: st.DataObject) -> None:
        self.requests.remove(data.draw(st.sampled_from(self.on_wire)))
        self.window.unused()

    @property
    def on_wire(self) -> list[Request]:
        return [each for each in self.requests if each.free_at is None]

    def held(self) -> int:
        return sum(each.free_at is None or each.free_at > self.now for each in self.requests)

    @invariant()
    def a_slot_is_held_exactly_as_long_as_it_must_be(self) -> None:
        assert self.window.used(self.now) == self.held()
        ends = [each.free_at for each in self.requests if each.free_at is not None]
        assert self.window.next_free() == min((end for end in ends if end > self.now), default=None)

    @invariant()
    def no_window_at_the_server_can_hold_more_than_the_quota(self) -> None:
        """Each request arrives at the worst moment it could: windows that begin at a latest arrival are the fullest."""
        for start in [each.arrives_by for each in self.requests if each.arrives_by is not None]:
            could_be_in_it = [
                each
                for each in self.requests
                if each.sent_at < start + self.per and (each.arrives_by is None or each.arrives_by >= start)
            ]
            assert len(could_be_in_it) <= self.most


TestWindowAgainstModel = WindowAgainstModel.TestCase


@pytest.mark.parametrize(("requests", "per"), [(1, 1), (1, 10), (100, 10), (1000, 3600)])
def test_with_a_backlog_and_instant_answers_each_window_takes_the_whole_quota(
    requests: int, per: float
) -> None:
    assert _taken(Window(requests, per, 10), until=4 * per, seconds=0) == {
        start * per: requests for start in range(5)
    }


@given(requests=st.integers(1, 30), per=st.integers(1, 100), seconds=st.integers(0, 300))
def test_with_a_backlog_the_quota_is_used_once_in_a_window_and_a_round_trip(
    requests: int, per: int, seconds: int
) -> None:
    cycle = per + seconds
    assert _taken(Window(requests, per, 10), until=3 * cycle, seconds=seconds) == {
        start * cycle: requests for start in range(4)
    }


def test_no_slot_comes_free_while_all_are_on_the_wire() -> None:
    window = Window(2, 10, 10)
    assert [window.take(0), window.take(0), window.take(0)] == [True, True, False]
    assert window.next_free() is None
    assert not window.take(1e9)


def test_an_unanswered_request_that_ended_first_may_come_free_last() -> None:
    window = Window(2, 10, 5)
    assert window.take(0)
    assert window.take(0)
    window.unanswered(1)
    window.answered(2)
    assert window.next_free() == 12
    assert [window.used(now) for now in (11.5, 12, 15.5, 16)] == [2, 1, 1, 0]


def _taken(window: Window, *, until: float, seconds: float) -> dict[float, int]:
    """How many slots a backlog takes, by time: each request is answered `seconds` after it was sent."""
    taken: dict[float, int] = {}
    ends: list[float] = []
    now = 0.0
    while now <= until:
        while ends and ends[0] <= now:
            window.answered(ends.pop(0))
        while window.take(now):
            taken[now] = taken.get(now, 0) + 1
            if seconds == 0:
                window.answered(now)
            else:
                ends.append(now + seconds)
        now = min(ends[0] if ends else inf, window.next_free() or inf)
    return taken


def test_what_a_predecessor_has_sent_holds_slots_until_its_times_in_whatever_order_they_come() -> None:
    window = Window(3, 10, 10)
    window.inherit([30, 10])
    window.inherit([20])
    assert not window.take(9)
    assert (window.used(9), window.next_free()) == (3, 10)
    assert window.take(10)
    assert (window.used(20), window.next_free()) == (2, 30)
    assert window.free_by() == [(30, 1)]


def test_what_came_free_is_forgotten_so_few_times_are_told_however_long_it_lasts() -> None:
    window = Window(100, 10, 10)
    for now in range(1000):
        if window.take(now):
            window.answered(now)
    assert len(window.free_by()) <= 11
    assert len(window._answered.buckets) <= 11


def test_more_may_be_inherited_than_there_are_slots() -> None:
    window = Window(1, 10, 10)
    window.inherit([10, 20])
    assert not window.take(15)
    assert window.take(20)
