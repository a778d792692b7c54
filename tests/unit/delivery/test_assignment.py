"""All partitions of one epoch together: what is committed, what waits, what blocks."""

from __future__ import annotations

from connector.delivery.assignment import Assignment
from connector.types import Partition

FIRST, SECOND = Partition("events", 0), Partition("events", 1)


def test_the_start_positions_are_to_be_committed_at_once() -> None:
    assert Assignment({FIRST: 7, SECOND: 0}).to_commit() == {FIRST: 7, SECOND: 0}


def test_only_what_moved_since_the_last_commit_is_committed() -> None:
    assignment = Assignment({FIRST: 7, SECOND: 0})
    assignment.committed(assignment.to_commit())
    assert assignment.to_commit() == {}
    assignment.trackers[SECOND].start(0, 0)
    assert assignment.to_commit() == {}
    assignment.trackers[SECOND].settle(0)
    assert assignment.to_commit() == {SECOND: 1}


def test_a_partition_whose_span_reaches_the_bound_is_left_out() -> None:
    assignment = Assignment({FIRST: 0, SECOND: 0})
    assignment.trackers[FIRST].start(9, 0)
    assert assignment.narrower_than(2) == [FIRST, SECOND]
    assignment.trackers[FIRST].start(10, 0)
    assert assignment.narrower_than(2) == [SECOND]


def test_the_figures_name_what_blocks_and_the_oldest_record() -> None:
    assignment = Assignment({FIRST: 0, SECOND: 10})
    assert (assignment.blocking, assignment.oldest_timestamp_ms, assignment.buffered) == (None, None, 0)
    for offset, timestamp_ms in ((0, 300), (1, 200)):
        assignment.trackers[FIRST].start(offset, timestamp_ms)
    assignment.trackers[SECOND].start(10, 250)
    assert assignment.blocking == ("events/0/0", 2)
    assert assignment.oldest_timestamp_ms == 250
    assert assignment.buffered == 3


def test_the_lag_counts_from_the_watermark_and_is_never_negative() -> None:
    assignment = Assignment({FIRST: 4, SECOND: 10})
    assert assignment.lag == 0
    assignment.ends_at({FIRST: 10, SECOND: 9})
    assert assignment.lag == 6


def test_the_end_of_an_epoch_ends_each_of_its_trackers() -> None:
    assignment = Assignment({FIRST: 0, SECOND: 0})
    assignment.end()
    assert all(tracker.ended for tracker in assignment.trackers.values())


def test_a_partition_that_is_moved_begins_anew_and_the_others_go_on() -> None:
    assignment = Assignment({FIRST: 0, SECOND: 0})
    before = assignment.trackers[FIRST]
    before.start(0, 0)
    assignment.trackers[SECOND].start(0, 0)
    assignment.move(FIRST, 50)
    assert before.ended
    assert assignment.to_commit() == {FIRST: 50, SECOND: 0}
    assert assignment.buffered == 1
