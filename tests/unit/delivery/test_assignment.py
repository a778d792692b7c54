"""All partitions of one epoch together: what is committed, what waits, what blocks."""

from __future__ import annotations

from connector.delivery.assignment import Assignment
from connector.types import Commit, Partition

FIRST, SECOND = Partition("events", 0), Partition("events", 1)


def assignment_at(first: int, second: int) -> Assignment:
    return Assignment({FIRST: Commit(first), SECOND: Commit(second)})


def to_commit(assignment: Assignment) -> dict[Partition, int]:
    """The watermarks of what is to be committed; nothing may leave beyond them."""
    return {each: commit.offset for each, commit in assignment.to_commit(0, {}).items()}


def commit(assignment: Assignment) -> None:
    assignment.committed(assignment.to_commit(0, {}))


def test_the_start_positions_are_to_be_committed_at_once() -> None:
    assert to_commit(assignment_at(7, 0)) == {FIRST: 7, SECOND: 0}


def test_only_what_moved_since_the_last_commit_is_committed() -> None:
    assignment = assignment_at(7, 0)
    commit(assignment)
    assert to_commit(assignment) == {}
    assignment.trackers[SECOND].start(0, 0)
    assert to_commit(assignment) == {}
    assignment.trackers[SECOND].settle(0)
    assert to_commit(assignment) == {SECOND: 1}


def test_what_was_settled_beyond_the_watermark_is_committed_too_and_passed_over_by_the_next() -> None:
    assignment = assignment_at(0, 0)
    for offset in range(4):
        assignment.trackers[FIRST].start(offset, 0)
    commit(assignment)
    assignment.trackers[FIRST].settle(2)
    commits = assignment.to_commit(0, {})
    assert [*commits] == [FIRST]
    successor = Assignment(commits).trackers[FIRST]
    assert [successor.pass_over(offset) for offset in range(4)] == [False, False, True, False]


def test_an_event_may_leave_when_a_commit_that_promises_it_was_acknowledged() -> None:
    assignment = assignment_at(0, 0)
    for offset in range(40):
        assignment.trackers[FIRST].start(offset, 0)
    commits = assignment.to_commit(4, {})
    assert assignment.trackers[FIRST].promised == 0
    assignment.committed(commits)
    assert assignment.trackers[FIRST].promised == 4
    assignment.committed(assignment.to_commit(4, {FIRST: [4, 20]}))
    assert assignment.trackers[FIRST].promised == 25
    successor = Assignment(assignment.to_commit(4, {})).trackers
    assert successor == {}, "nothing has changed since"


def test_what_may_have_left_is_in_doubt_for_a_successor_unless_the_epoch_ended_in_order() -> None:
    assignment = assignment_at(0, 0)
    tracker = assignment.trackers[FIRST]
    for offset in range(10):
        tracker.start(offset, 0)
    commit(assignment)
    for offset in range(3):
        tracker.sent(offset)
    tracker.settle(0)
    tracker.answered(1)
    unclean = Assignment(assignment.to_commit(4, {})).trackers[FIRST]
    assert [unclean.is_in_doubt(offset) for offset in range(1, 10)] == [True] * 6 + [False] * 3
    clean = Assignment(assignment.to_commit_at_the_end()).trackers[FIRST]
    assert [clean.is_in_doubt(offset) for offset in range(1, 10)] == [False, True] + [False] * 7


def test_a_partition_whose_span_reaches_the_bound_is_left_out() -> None:
    assignment = assignment_at(0, 0)
    assignment.trackers[FIRST].start(9, 0)
    assert assignment.narrower_than(2) == [FIRST, SECOND]
    assignment.trackers[FIRST].start(10, 0)
    assert assignment.narrower_than(2) == [SECOND]


def test_the_figures_name_what_blocks_and_the_oldest_record() -> None:
    assignment = assignment_at(0, 10)
    assert (assignment.blocking, assignment.oldest_timestamp_ms, assignment.buffered) == (None, None, 0)
    for offset, timestamp_ms in ((0, 300), (1, 200)):
        assignment.trackers[FIRST].start(offset, timestamp_ms)
    assignment.trackers[SECOND].start(10, 250)
    assert assignment.blocking == ("events/0/0", 2)
    assert assignment.oldest_timestamp_ms == 250
    assert assignment.buffered == 3


def test_the_lag_counts_from_the_watermark_and_is_never_negative() -> None:
    assignment = assignment_at(4, 10)
    assert assignment.lag == 0
    assignment.ends_at({FIRST: 10, SECOND: 9})
    assert assignment.lag == 6


def test_the_end_of_an_epoch_ends_each_of_its_trackers() -> None:
    assignment = assignment_at(0, 0)
    assignment.end()
    assert all(tracker.ended for tracker in assignment.trackers.values())


def test_a_partition_that_is_moved_begins_anew_and_the_others_go_on() -> None:
    assignment = assignment_at(0, 0)
    before = assignment.trackers[FIRST]
    before.start(0, 0)
    assignment.trackers[SECOND].start(0, 0)
    assignment.move(FIRST, 50)
    assert before.ended
    assert to_commit(assignment) == {FIRST: 50, SECOND: 0}
    assert assignment.buffered == 1
