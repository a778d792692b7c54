"""How long to wait before a try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.delivery.backoff import Backoff


def test_ceilings_double_up_to_the_longest() -> None:
    backoff = Backoff(initial_seconds=1, max_seconds=60)
    assert [backoff.ceiling(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("failures", [65, 1_000, 10**9])
def test_failures_beyond_counting_are_no_overflow(failures: int) -> None:
    assert Backoff(1, 60).ceiling(failures) == 60


@given(
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.001, 1_000),
    st.floats(1, 100),
)
def test_a_delay_is_the_chance_of_the_ceiling_and_never_beyond_it(
    failures: int, chance: float, initial: float, times: float
) -> None:
    backoff = Backoff(initial, initial * times)
    assert backoff.delay(failures, chance) == backoff.ceiling(failures) * chance
    assert 0 <= backoff.delay(failures, chance) <= initial * times


@given(st.integers(1, 200))
def test_ceilings_never_fall(failures: int) -> None:
    backoff = Backoff(0.5, 1e30)
    assert backoff.ceiling(failures) <= backoff.ceiling(failures + 1)
