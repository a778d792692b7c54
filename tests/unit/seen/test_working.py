"""The working quota: it falls at a refusal, stays where others leave room, and becomes whole again when they stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.seen.working import WorkingQuota


def fallen(*, used: int = 50, requests: int = 100, now: float = 100.0) -> WorkingQuota:
    quota = WorkingQuota(requests, 10)
    assert quota.refused(sent_at=now - 1, used=used, now=now)
    return quota


def at(quota: WorkingQuota, now: float) -> int:
    quota.rise(now)
    return quota.requests


def test_nothing_lowers_it_but_a_refusal() -> None:
    quota = WorkingQuota(100, 10)
    assert (at(quota, 1e9), quota.is_whole, quota.rises_at) == (100, True, None)


@pytest.mark.parametrize(("used", "left"), [(100, 95), (80, 75), (50, 45), (7, 45), (0, 45), (300, 95)])
def test_it_falls_a_step_below_what_was_in_use_and_by_half_and_a_step_at_most(used: int, left: int) -> None:
    assert fallen(used=used).requests == left


@pytest.mark.parametrize("requests", [1, 2, 19, 100, 100_000])
def test_it_never_falls_below_a_step(requests: int) -> None:
    quota = WorkingQuota(requests, 10)
    for number in range(100):
        quota.refused(sent_at=number, used=0, now=number)
        assert quota.requests >= max(1, requests // 20)


def test_requests_that_left_before_it_fell_lower_it_once() -> None:
    quota = fallen(used=50, now=100)
    assert not quota.refused(sent_at=99.9, used=40, now=101)
    assert quota.requests == 45
    assert quota.refused(sent_at=110, used=40, now=111)
    assert quota.requests == 35


def test_it_waits_six_windows_before_it_rises() -> None:
    quota = fallen(used=50, now=100)
    assert [at(quota, now) for now in (110, 120, 159.9, 160)] == [45, 45, 45, 50]


def test_what_is_not_refused_rises_faster_and_faster_and_is_whole_soon() -> None:
    quota = fallen(used=50, now=100)
    assert [at(quota, now) for now in (160, 170, 180, 190)] == [50, 60, 80, 100]
    assert (quota.is_whole, quota.rises_at) == (True, None)


@pytest.mark.parametrize(("later", "wait"), [(30, 120), (59, 120), (61, 60)])
def test_whole_for_as_long_as_it_waited_it_forgets_that_a_rise_failed(later: float, wait: float) -> None:
    quota = fallen(used=95, now=100)
    assert [at(quota, now) for now in (160, 170)] == [95, 100]
    quota.refused(sent_at=180 + later, used=95, now=180 + later)
    assert quota.rises_at == 180 + later + wait


def test_each_rise_that_fails_makes_the_next_one_wait_twice_as_long_up_to_thirty_windows() -> None:
    quota, now = fallen(used=50, now=0), 0.0
    waits = []
    for _ in range(5):
        while quota.requests < 50:
            now += 1
            quota.rise(now)
        quota.refused(sent_at=now, used=50, now=now)
        before = now
        rises_at = quota.rises_at
        assert rises_at is not None
        waits.append(rises_at - before)
    assert waits == [120, 240, 300, 300, 300]


def test_a_successor_goes_on_where_its_predecessor_was() -> None:
    quota = WorkingQuota(100, 10)
    quota.resume(45, rises_at=1033, now=1000)
    assert [at(quota, now) for now in (1000, 1032, 1033)] == [45, 45, 50]


def test_a_successor_with_a_smaller_quota_uses_what_it_has() -> None:
    quota = WorkingQuota(30, 10)
    quota.resume(45, rises_at=1033, now=1000)
    assert (quota.requests, quota.is_whole) == (30, True)


@given(
    requests=st.integers(1, 10_000),
    others=st.floats(0, 0.9),
    round_trip=st.floats(0, 2),
)
def test_while_others_take_a_part_few_refusals_come_and_most_of_the_rest_is_used(
    requests: int, others: float, round_trip: float
) -> None:
    """A model of windows: in each as many are sent as may be; those that the others leave no room for are refused."""
    quota, room = WorkingQuota(requests, 10), requests - int(others * requests)
    refusals, used, now = 0, 0, 0.0
    for window in range(200):
        now += 10 + round_trip
        quota.rise(now)
        sent = quota.requests
        if sent > room:
            quota.refused(sent_at=now, used=room, now=now + round_trip)
            now += 10
            refusals += window >= 6
        used += min(sent, room)
    assert refusals <= 16
    assert used >= 0.75 * 200 * (room - 2 * max(1, requests // 20))
