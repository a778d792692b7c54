from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from connector.sandbox.emulator.arrivals import SlidingWindow

# Halves are exact in binary: no rounding between the two ways to count.
gaps = st.lists(st.integers(min_value=0, max_value=30).map(lambda halves: halves / 2), max_size=200)


@given(gaps=gaps, seconds=st.integers(min_value=1, max_value=20).map(lambda halves: halves / 2))
def test_it_counts_what_a_look_at_every_window_counts(gaps: list[float], seconds: float) -> None:
    arrivals = list(accumulate(gaps))
    window = SlidingWindow(seconds)
    counted = [window.arrive(now) for now in arrivals]
    looked = [
        sum(1 for earlier in arrivals[: index + 1] if now - earlier < seconds)
        for index, now in enumerate(arrivals)
    ]
    assert counted == looked
    assert window.worst == max(looked, default=0)


@given(gaps=gaps)
def test_no_window_wherever_it_begins_holds_more_than_the_worst(gaps: list[float]) -> None:
    arrivals = list(accumulate(gaps))
    window = SlidingWindow(10.0)
    for now in arrivals:
        window.arrive(now)
    for quarter in range(int(max(arrivals, default=0)) * 4):
        begins = quarter / 4
        assert sum(begins <= at < begins + 10.0 for at in arrivals) <= window.worst


def test_a_burst_across_the_border_of_two_windows_is_seen() -> None:
    window = SlidingWindow(10.0)
    for arrival in range(100):
        assert window.arrive(9.9) == arrival + 1
    assert window.arrive(10.1) == 101


def test_two_arrivals_a_whole_window_apart_are_in_no_common_one() -> None:
    window = SlidingWindow(10.0)
    window.arrive(0.0)
    assert window.arrive(10.0) == 1
