"""An outage, or one event's own fault? Each of the five rules, and that the time suspended adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery.backoff import Backoff
from connector.delivery.suspension import Suspended, Suspension
from connector.types import Reason


@pytest.fixture
def suspension() -> Suspension:
    return Suspension(Backoff(1, 60))


# 1. A refusal suspends at once


def test_a_refusal_suspends_at_once_and_says_why_and_since_when(suspension: Suspension) -> None:
    assert suspension.state is None
    suspension.suspend(Reason.UNAUTHENTICATED, "SEEN answered 401", now=5)
    assert suspension.state == Suspended(Reason.UNAUTHENTICATED, "SEEN answered 401", 5)


def test_a_second_refusal_changes_the_reason_and_neither_time_nor_probe(suspension: Suspension) -> None:
    suspension.suspend(Reason.UNAUTHENTICATED, "first", now=5)
    next_probe = suspension.next_probe
    suspension.suspend(Reason.OUTAGE, "second", now=5.5)
    assert suspension.state == Suspended(Reason.OUTAGE, "second", 5)
    assert suspension.next_probe == next_probe


# 2. Failures of three different keys


def test_failures_of_three_different_keys_are_an_outage(suspension: Suspension) -> None:
    for key in (b"a", b"b"):
        suspension.failed(key, "500", now=1)
    assert suspension.state is None
    suspension.failed(b"c", "SEEN answered 500", now=2)
    assert suspension.state is not None
    assert suspension.state.reason is Reason.OUTAGE
    assert "SEEN answered 500" in suspension.state.detail


def test_failures_of_two_keys_are_never_an_outage(suspension: Suspension) -> None:
    for turn in range(100):
        suspension.failed(b"ab"[turn % 2 : turn % 2 + 1], "500", now=turn)
    assert suspension.state is None


def test_something_accepted_between_breaks_the_row(suspension: Suspension) -> None:
    suspension.failed(b"a", "500", now=1)
    suspension.failed(b"b", "500", now=2)
    suspension.accepted(sent_at=2, now=3)
    suspension.failed(b"c", "500", now=4)
    suspension.failed(b"d", "500", now=5)
    assert suspension.state is None
    suspension.failed(b"e", "500", now=6)
    assert suspension.state is not None


# 3. Probes, each later than the last


def test_probes_come_at_growing_intervals_up_to_the_longest(suspension: Suspension) -> None:
    suspension.suspend(Reason.OUTAGE, "down", now=0)
    now, intervals = 0.0, []
    for _ in range(8):
        intervals.append(suspension.next_probe - now)
        now = suspension.next_probe
        suspension.probe_failed(now)
    assert intervals == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_new_suspension_begins_with_the_shortest_interval(suspension: Suspension) -> None:
    suspension.suspend(Reason.OUTAGE, "down", now=0)
    for now in (1, 3, 7):
        suspension.probe_failed(now)
    suspension.accepted(sent_at=15, now=16)
    suspension.suspend(Reason.OUTAGE, "down again", now=20)
    assert suspension.next_probe == 21


def test_after_a_probe_that_was_answered_as_documented_the_next_need_not_wait(suspension: Suspension) -> None:
    suspension.suspend(Reason.OUTAGE, "down", now=0)
    suspension.probe_failed(now=1)
    suspension.probe_answered(now=1.5)
    assert suspension.next_probe == 1.5


# 4. What ends it


def test_an_event_sent_since_and_accepted_ends_it(suspension: Suspension) -> None:
    suspension.suspend(Reason.FORBIDDEN, "403", now=10)
    suspension.accepted(sent_at=11, now=12)
    assert suspension.state is None


def test_an_event_sent_before_says_nothing_of_its_end(suspension: Suspension) -> None:
    suspension.suspend(Reason.FORBIDDEN, "403", now=10)
    suspension.accepted(sent_at=9.9, now=12)
    assert suspension.state is not None


# 5. Judged alone


def test_only_what_was_sent_after_the_refusal_proves_that_the_workspace_is_well(
    suspension: Suspension,
) -> None:
    assert not suspension.accepted_since(10)
    suspension.accepted(sent_at=10, now=15)
    assert not suspension.accepted_since(10)
    suspension.accepted(sent_at=10.1, now=11)
    assert suspension.accepted_since(10)
    suspension.accepted(sent_at=3, now=20)  # an older one that comes in late takes nothing back
    assert suspension.accepted_since(10)


# The time suspended


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=20))
def test_the_time_suspended_is_the_sum_of_all_suspensions(turns: list[tuple[int, int]]) -> None:
    suspension, now, total = Suspension(Backoff(1, 60)), 0, 0
    for well, suspended in turns:
        now += well
        assert suspension.suspended_seconds(now) == total
        suspension.suspend(Reason.OUTAGE, "", now)
        total += suspended
        now += suspended
        assert suspension.suspended_seconds(now) == total
        suspension.accepted(sent_at=now, now=now)
        assert suspension.state is None
    assert suspension.suspended_seconds(now + 500) == total
