"""The lease: how long after an acknowledged commit a request may leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery.lease import Lease

SESSIONS = st.integers(6, 1800)


@given(SESSIONS, st.integers(0, 10**6), st.integers(0, 2000))
def test_a_request_may_leave_until_five_seconds_before_a_session_has_passed_since_the_commit_was_sent(
    session: int, sent_at: int, later: int
) -> None:
    lease = Lease(session)
    lease.renewed(sent_at)
    assert lease.holds(sent_at + later) is (later < session - 5)


def test_an_assignment_begins_without_the_right() -> None:
    lease = Lease(30)
    assert not lease.holds(0)
    assert lease.is_due(0)


def test_who_lets_go_has_no_right_until_another_commit_is_acknowledged() -> None:
    lease = Lease(30)
    lease.renewed(10)
    lease.end()
    assert not lease.holds(10)
    lease.renewed(11)
    assert lease.holds(12)


def test_a_commit_that_was_sent_earlier_shortens_nothing() -> None:
    lease = Lease(30)
    lease.renewed(10)
    lease.renewed(5)
    assert lease.holds(34)


@given(SESSIONS)
def test_it_is_renewed_at_least_every_five_seconds_and_twice_before_it_ends(session: int) -> None:
    lease = Lease(session)
    lease.renewed(0)
    renewals = min(5.0, (session - 5) / 3)
    assert not lease.is_due(renewals - 0.01)
    assert lease.is_due(renewals)


@pytest.mark.parametrize("session", [0, 5])
def test_a_session_that_leaves_no_time_after_the_margin_is_refused(session: int) -> None:
    with pytest.raises(ValueError, match="leaves no time to send"):
        Lease(session)
