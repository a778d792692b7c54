"""All partitions of one epoch together: what is committed, what waits, what blocks."""

from __future__ import annotations

from connector.delivery.assignment import Assignment
from connector.types import Commit, Partition

FIRST, SECOND = Partition("events", 0), Partition("events", 1)


def assignment_at(first: int, second: int) -> Assignment:
    return Assignment({FIRST: Commit(first), SECOND: Commit(second)})


def look(assignment: Assignment, ahead: int = 0, *waiting: int) -> dict[Partition, Commit]:
    """What would be committed now."""
    assignment.look(ahead, {FIRST: waiting})
    return assignment.to_commit(b"")


def changed(assignment: Assignment, ahead: int = 0) -> bool:
    """Whether there is something to commit now."""
    look(assignment, ahead)
    return assignment.has_changed


def watermarks(assignment: Assignment) -> dict[Partition, int]:
    """The watermarks of what would be committed now; nothing may leave beyond them."""
    return {each: commit.offset for each, commit in look(assignment).items()}


def commit(assignment: Assignment) -> None:
    look(assignment)
    assignment.committed()


def test_the_start_positions_are_to_be_committed_at_once() -> None:
    assignment = assignment_at(7, 0)
    assert changed(assignment)
    assert watermarks(assignment) == {FIRST: 7, SECOND: 0}


def test_there_is_something_to_commit_when_something_has_moved_since_the_last_commit_and_then_of_all_partitions() -> (
    None
):
    assignment = assignment_at(7, 0)
    commit(assignment)
    assert not changed(assignment)
    assignment.trackers[SECOND].start(0, 0)
    assert not changed(assignment)
    assignment.trackers[SECOND].settle(0)
    assert changed(assignment)
    assert watermarks(assignment) == {FIRST: 7, SECOND: 1}


def test_what_was_said_counts_as_committed_only_when_it_was_acknowledged() -> None:
    assignment = assignment_at(7, 0)
    look(assignment)
    assert changed(assignment)
    assignment.committed()
    assert not changed(assignment)


def test_what_was_settled_beyond_the_watermark_is_committed_too_and_passed_over_by_the_next() -> None:
    assignment = assignment_at(0, 0)
    for offset in range(4):
        assignment.trackers[FIRST].start(offset, 0)
    commit(assignment)
    assignment.trackers[FIRST].settle(2)
    successor = Assignment(look(assignment)).trackers[FIRST]
    assert [successor.pass_over(offset) for offset in range(4)] == [False, False, True, False]


def test_an_event_may_leave_when_a_commit_that_promises_it_was_acknowledged() -> None:
    assignment = assignment_at(0, 0)
    for offset in range(40):
        assignment.trackers[FIRST].start(offset, 0)
    look(assignment, 4)
    assert assignment.trackers[FIRST].promised == 0
    assignment.committed()
    assert assignment.trackers[FIRST].promised == 4
    look(assignment, 4, 4, 20)
    assignment.committed()
    assert assignment.trackers[FIRST].promised == 25
    assert not changed(assignment, ahead=4), "nothing has changed since"


def test_the_account_of_the_quota_travels_with_every_partition_and_is_found_by_the_next() -> None:
    assignment = assignment_at(0, 0)
    assignment.look(0, {})
    assert Assignment(assignment.to_commit(b"spent")).accounts == [b"spent", b"spent"]


def test_a_commit_without_an_account_is_told_from_no_commit() -> None:
    assert Assignment({FIRST: Commit(3, ""), SECOND: Commit(0)}).accounts == [b""]
    assert Assignment({FIRST: Commit(3, "of another client")}).accounts == [b""]


def test_the_account_of_a_partition_that_is_not_read_any_more_is_found_too() -> None:
    assignment = assignment_at(0, 0)
    assignment.look(0, {})
    before = assignment.to_commit(b"spent")
    renamed = Assignment(
        {Partition("renamed", 0): Commit(0)}, [before[FIRST], Commit(3, "foreign"), Commit(4, None)]
    )
    assert renamed.accounts == [b"spent", b""]


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
    unclean = Assignment(look(assignment, 4)).trackers[FIRST]
    assert [unclean.is_in_doubt(offset) for offset in range(1, 10)] == [True] * 6 + [False] * 3
    assignment.look_at_the_end()
    clean = Assignment(assignment.to_commit(b"")).trackers[FIRST]
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
    assert watermarks(assignment) == {FIRST: 50, SECOND: 0}
    assert assignment.buffered == 1
