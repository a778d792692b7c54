"""What the contest of `benchmarks/quota.py` makes of a log of arrivals, and what it calls a broken promise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sandbox.emulator import Quota
from connector.sandbox.emulator.arrivals import SlidingWindow
from contest.contestants import CONTESTANTS, Contestant, Promise
from contest.course import Course, Request
from contest.figures import Delays, Figures, counts, figures, peaks, steady_rate
from contest.table import broken, table

QUOTA = Quota(100, 10.0)
BEGAN = 1_000.0
TIMES = st.lists(st.integers(0, 400).map(lambda tenths: tenths / 8), max_size=80).map(sorted)


def request(number: int, after: float, *, status: int = 201, took: float = 0.01) -> Request:
    at = BEGAN + after
    return Request(f"backlog-{number}", at + 5e8, at, status, at + took)


def in_bursts(count: int, *, period: float = 10.01, pace: float = 0.02) -> tuple[Request, ...]:
    """A sender that uses the whole quota: each hundredth slot is taken again as soon as it may be."""
    return tuple(
        request(number, number // 100 * period + number % 100 * pace, took=period - 10)
        for number in range(count)
    )


def course(requests: tuple[Request, ...], *, seconds: float = 300.0) -> Course:
    return Course(key="one", requests=requests, singles={}, bursts={}, began=BEGAN, seconds=seconds)


@given(times=TIMES)
def test_a_window_counts_as_the_server_does(times: list[float]) -> None:
    server = SlidingWindow(10.0)
    assert counts(times, 10.0) == [server.arrive(time) for time in times]


def test_two_arrivals_exactly_a_window_apart_are_in_no_common_one() -> None:
    assert counts([0.0, 10.0, 19.5], 10.0) == [1, 1, 2]


@given(times=TIMES, columns=st.lists(st.integers(0, 70).map(float), min_size=2, max_size=9, unique=True))
def test_a_peak_is_the_fullest_window_that_ends_in_its_column(
    times: list[float], columns: list[float]
) -> None:
    columns.sort()

    def at(end: float) -> int:
        return sum(end - 10 < time <= end for time in times)

    expected = [
        max(at(moment) for moment in [begin, *(time for time in times if begin < time <= end)])
        for begin, end in pairwise(columns)
    ]
    assert peaks(times, 10.0, columns) == expected


@given(count=st.integers(200, 1_000))
def test_the_rate_does_not_depend_on_where_in_a_window_the_run_ends(count: int) -> None:
    times = [each.monotonic for each in in_bursts(count)]
    assert steady_rate(times, 100) == pytest.approx(100 / 10.01)


def test_one_full_quota_says_nothing_of_the_rate() -> None:
    assert steady_rate([each.monotonic for each in in_bursts(199)], 100) is None
    assert figures(course(in_bursts(199)), QUOTA).share is None


def test_who_takes_each_slot_again_at_once_uses_all_of_the_physical_limit() -> None:
    found = figures(course(in_bursts(2_950)), QUOTA)
    assert found.share == pytest.approx(1.0)
    assert (found.refused, found.worst_window) == (0, 100)
    assert found.backlog_seconds == pytest.approx(9 * 10.01 + 99 * 0.02)


def test_a_pause_costs_what_it_takes() -> None:
    requests = in_bursts(2_000)
    paused = tuple(
        each if number < 1_000 else replace(each, monotonic=each.monotonic + 20, answered=None)
        for number, each in enumerate(requests)
    )
    found = figures(course(paused), QUOTA)
    assert found.share == pytest.approx(19 * 10.01 / (19 * 10.01 + 20))


def test_a_refused_request_is_in_the_window_and_not_in_the_rate() -> None:
    accepted = in_bursts(300)
    refused = tuple(request(900 + each, 5.0, status=429) for each in range(7))
    both = tuple(sorted(accepted + refused, key=lambda each: each.monotonic))
    found = figures(course(both), QUOTA)
    assert (found.refused, found.worst_window) == (7, 107)
    assert found.per_second == figures(course(accepted), QUOTA).per_second


def test_what_arrives_before_or_after_the_backlog_is_no_part_of_its_rate() -> None:
    backlog = in_bursts(2_950)
    early = tuple(request(number, number - 400.0) for number in range(99))
    late = tuple(request(number, 300.0 + number) for number in range(99))
    found = figures(course(early + backlog + late), QUOTA)
    assert found.share == pytest.approx(1.0)
    assert found.backlog_seconds == pytest.approx(9 * 10.01 + 99 * 0.02)


def test_a_delay_ends_with_the_first_request_that_is_accepted() -> None:
    tries = [("a", 0.5, 429), ("a", 10.5, 201), ("a", 12.0, 201), ("b", 20.0, 429), ("c", 21.0, 201)]
    requests = tuple(replace(request(0, after, status=status), id=name) for name, after, status in tries)
    found = figures(replace(course(requests), bursts=dict.fromkeys("abc", BEGAN + 5e8)), QUOTA)
    assert found.bursts is not None
    assert found.bursts.seconds == pytest.approx((10.5, 21.0))
    assert found.missing == 1
    assert found.singles is None


def test_a_quantile_is_one_of_the_delays() -> None:
    delays = Delays(tuple(float(each) for each in range(150, 0, -1)))
    assert (delays.quantile(0.5), delays.quantile(0.99), delays.quantile(1.0)) == (75.0, 149.0, 150.0)
    assert Delays((3.0,)).quantile(0.99) == 3.0


GOOD = Figures(
    per_second=9.97,
    share=0.997,
    refused=0,
    worst_window=100,
    backlog_seconds=92.0,
    singles=Delays((0.005, 0.006, 0.2)),
    bursts=Delays((0.3, 0.9)),
    missing=0,
)
OURS = Contestant(key="one", name="ours", promise=Promise(least_share=0.99))
THEIRS = Contestant(key="fixed", name="theirs", module="rivals.fixed_window")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (replace(GOOD, refused=1), "1 requests were answered 429"),
        (replace(GOOD, worst_window=101), "101 requests in a window of 100"),
        (replace(GOOD, missing=2), "2 events of the quiet part did not arrive"),
        (replace(GOOD, share=0.9899), "98.99% of the physical limit, 99% are promised"),
        (replace(GOOD, share=None), "too few requests of the physical limit, 99% are promised"),
        (replace(GOOD, singles=Delays((0.051, 0.052, 0.001))), "within 51 ms (median), 50 ms"),
        (replace(GOOD, singles=None), "within none arrived (median), 50 ms"),
    ],
)
def test_a_promise_that_is_broken_is_said_of_the_connector_and_of_nobody_else(
    bad: Figures, said: str
) -> None:
    (breach,) = broken([(OURS, bad)], QUOTA, 300.0)
    assert said in breach
    assert broken([(THEIRS, bad)], QUOTA, 300.0) == []


def test_a_promise_that_is_kept_is_not_mentioned() -> None:
    assert broken([(OURS, GOOD)], QUOTA, 300.0) == []


def test_a_share_is_promised_of_five_minutes() -> None:
    assert broken([(OURS, replace(GOOD, share=0.5))], QUOTA, 299.0) == []


def test_every_row_of_the_connector_promises_something() -> None:
    assert [each.key for each in CONTESTANTS if (each.promise is None) == (each.module is None)] == []


def test_the_table_has_a_line_for_each_and_a_dash_for_what_cannot_be_said() -> None:
    nothing = Figures(None, None, 1_234, 164, None, None, None, 65)
    lines = table([(OURS, GOOD), (THEIRS, nothing)]).splitlines()
    assert lines[2:] == [
        "| ours | 9.97 | 99.7 % | 0 | 100 | 92.0 s | 6 / 200 ms | 0.60 / 0.90 s |",
        "| theirs | - | - | 1,234 | 164 | - | - | - |",
    ]
