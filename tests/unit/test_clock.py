"""The clock that everything runs by."""

from __future__ import annotations

import time

import uvloop

from connector.clock import SystemClock


def test_regression_time_goes_on_within_a_turn_of_the_loop() -> None:
    """uvloop's own does not: a slot of the quota that was counted from it came free up to a millisecond too early."""

    async def turn() -> float:
        clock = SystemClock()
        before = clock.monotonic()
        time.sleep(0.003)  # noqa: ASYNC251 - the loop must not turn meanwhile
        return clock.monotonic() - before

    assert uvloop.run(turn()) >= 0.003
