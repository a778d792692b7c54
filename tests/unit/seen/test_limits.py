"""What follows from the limits of a quota."""

from __future__ import annotations

import pytest

from connector.seen.limits import QuotaLimits


@pytest.mark.parametrize(
    ("requests", "per_seconds", "ahead"),
    [(100, 10, 20), (1000, 3600, 4), (1, 3600, 1), (2, 1, 1), (5, 10, 2), (20, 2, 10), (10_000, 1, 5000)],
)
def test_what_leaves_without_an_account_is_two_seconds_worth_and_at_most_half(
    requests: int, per_seconds: float, ahead: int
) -> None:
    assert QuotaLimits(requests, per_seconds, 10).ahead == ahead
