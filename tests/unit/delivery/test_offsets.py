"""What may be committed: the tracker against a model that forgets nothing."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.delivery.commitdata import CommitData
from connector.delivery.delivery import Delivery
from connector.delivery.offsets import OffsetTracker
from connector.types import Event, Record


class TrackerAgainstModel(RuleBasedStateMachine):
    """The model keeps every offset for ever and computes each figure by walking over them."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker(0)
        self.position = 0
        self.started: dict[int, int] = {}
        self.settled: set[int] = set()
        self.highest_watermark = 0

    @initialize(position=st.integers(0, 2**62))
    def begin(self, position: int) -> None:
        self.tracker = OffsetTracker(position)
        self.position = self.highest_watermark = position

    @rule(gap=st.integers(0, 3), timestamp_ms=st.integers(-1, 9))
    def start(self, gap: int, timestamp_ms: int) -> None:
        offset = max(self.started, default=self.position - 1) + 1 + gap
        self.tracker.start(offset, timestamp_ms)
        self.started[offset] = timestamp_ms

    @precondition(lambda self: self.unsettled)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.unsettled))
        self.tracker.settle(offset)
        self.settled.add(offset)

    @precondition(lambda self: self.started)
    @rule(data=st.data())
    def start_again(self, data: st.DataObject) -> None:
        with pytest.raises(ValueError, match="was read after"):
            self.tracker.start(data.draw(st.sampled_from(sorted(self.started))), 0)

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        with pytest.raises(KeyError):
            self.tracker.settle(data.draw(st.sampled_from(sorted(self.settled))))

    @property
    def unsettled(self) -> list[int]:
        return sorted(self.started.keys() - self.settled)

    @invariant()
    def figures_agree_with_the_model(self) -> None:
        following = max(self.started, default=self.position - 1) + 1
        watermark = min(self.unsettled, default=following)
        assert self.tracker.watermark == watermark
        assert self.tracker.unsettled == len(self.unsettled)
        assert self.tracker.span == following - watermark
        oldest = self.started[watermark] if self.unsettled else None
        assert self.tracker.oldest_timestamp_ms == oldest

    @invariant()
    def everything_below_the_watermark_is_settled(self) -> None:
        assert {offset for offset in self.started if offset < self.tracker.watermark} <= self.settled

    @invariant()
    def the_watermark_never_falls(self) -> None:
        assert self.tracker.watermark >= self.highest_watermark
        self.highest_watermark = self.tracker.watermark


test_the_tracker_agrees_with_a_model_that_forgets_nothing = TrackerAgainstModel.TestCase


def test_an_offset_that_is_settled_early_waits_for_those_before_it() -> None:
    tracker = OffsetTracker(5)
    for offset in (5, 6, 7):
        tracker.start(offset, 0)
    tracker.settle(7)
    tracker.settle(6)
    assert tracker.watermark == 5
    tracker.settle(5)
    assert tracker.watermark == 8


def test_a_gap_is_stepped_over_once_what_follows_it_was_read() -> None:
    tracker = OffsetTracker(5)
    tracker.start(5, 0)
    tracker.settle(5)
    assert tracker.watermark == 6
    tracker.start(100, 0)
    assert tracker.watermark == 100
    tracker.settle(100)
    assert tracker.watermark == 101


def test_after_the_epoch_ended_nothing_counts() -> None:
    tracker = OffsetTracker(0)
    tracker.start(0, 0)
    tracker.end()
    tracker.settle(0)
    tracker.settle(12345)
    assert tracker.ended
    assert (tracker.watermark, tracker.unsettled) == (0, 1)


def test_settling_what_was_never_started_is_an_error() -> None:
    with pytest.raises(KeyError):
        OffsetTracker(0).settle(0)


def test_the_bytes_of_what_is_not_settled_are_added_up() -> None:
    tracker = OffsetTracker(0)
    tracker.start(0, 0, 700)
    tracker.start(1, 0, 30)
    assert tracker.unsettled_bytes == 730
    tracker.settle(0)
    assert tracker.unsettled_bytes == 30


# What a predecessor has said


def test_what_was_said_of_offsets_that_are_not_read_yet_is_said_again() -> None:
    tracker = OffsetTracker(3, CommitData(frozenset({5, 8}), frozenset({6}), 3))
    assert tracker.at_the_end() == CommitData(frozenset({5, 8}), frozenset({6}), 3)
    tracker.start(3, 0)
    tracker.start(4, 0)
    assert tracker.pass_over(5)
    assert tracker.beyond(0, ()) == CommitData(frozenset({5, 8}), frozenset({6}), 3)
    tracker.settle(3)
    tracker.settle(4)
    assert tracker.watermark == 6
    assert tracker.at_the_end() == CommitData(frozenset({8}), frozenset({6}), 6)


def test_what_may_have_left_before_stays_in_doubt_while_it_is_not_looked_up() -> None:
    tracker = OffsetTracker(0, CommitData(frozenset({1}), frozenset(), 4))
    assert tracker.at_the_end().in_doubt == {0, 2, 3}
    tracker.start(0, 0)
    Delivery(Event(Record("events", 0, 0, 0, None, b"{}"), "id", b"id", b"{}"), tracker, in_doubt=True)
    assert tracker.at_the_end().in_doubt == {0, 2, 3}
    tracker.settle(0)
    assert tracker.at_the_end().in_doubt == {2, 3}


def test_beyond_the_end_of_the_partition_nothing_is_in_doubt() -> None:
    tracker = OffsetTracker(0, CommitData(frozenset({1}), frozenset({3, 9}), 6))
    tracker.ends_at(5)
    assert [tracker.is_in_doubt(offset) for offset in range(10)] == [True] * 5 + [False] * 5
    assert tracker.at_the_end().in_doubt == {0, 2, 3, 4}
    tracker.ends_at(8)
    assert not tracker.is_in_doubt(5), "what came later is still not in doubt"
    assert tracker.pass_over(1)
