"""What a slot of the quota costs the process: small quotas against large ones, in one run.

A quota of 10,000 a second must cost a request no more than one of 100 in 10 s: nothing may go over all slots that are
held, neither for a slot nor for the account that goes with a commit. Time is made up, so nothing is waited for.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from connector.seen.limits import QuotaLimits
from connector.seen.quota import Quota

REQUESTS = 20_000
ROUNDS = 7
QUOTAS = (QuotaLimits(100, 10, 10), QuotaLimits(10_000, 1, 10), QuotaLimits(100_000, 10, 10))


class MadeUpClock:
    """Goes on by as much as a request may take at the quota's rate."""

    def __init__(self, limits: QuotaLimits) -> None:
        self.now = 0.0
        self._step = limits.per_seconds / limits.requests

    def wall(self) -> float:
        """Unix seconds, of some day."""
        return 1_800_000_000.0 + self.now

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.now

    def go_on(self) -> None:
        """Lets the time of one request pass."""
        self.now += self._step


async def microseconds(limits: QuotaLimits) -> tuple[float, float]:
    """What a slot and what an account cost with all slots in use, but one: the one that came free."""
    clock = MadeUpClock(limits)
    quota = Quota(limits, clock, owner="us", ahead=10**9, timeout_seconds=30)
    window = quota.window
    for _ in range(limits.requests):
        clock.go_on()
        window.take(clock.now)
        window.answered(clock.now)
    began = time.perf_counter()
    for _ in range(REQUESTS):
        clock.go_on()
        window.take(clock.now)
        window.answered(clock.now)
    taken = time.perf_counter()
    for _ in range(REQUESTS // 100):
        quota.account(final=False)
    ended = time.perf_counter()
    return (taken - began) / REQUESTS * 1e6, (ended - taken) / (REQUESTS // 100) * 1e6


def main() -> None:
    """Takes turns, so that whatever else the machine does falls on all alike, and prints medians."""
    found: dict[QuotaLimits, list[tuple[float, float]]] = {limits: [] for limits in QUOTAS}
    for _ in range(ROUNDS):
        for limits in QUOTAS:
            found[limits].append(asyncio.run(microseconds(limits)))
    slots = [statistics.median(slot for slot, _ in found[limits]) for limits in QUOTAS]
    accounts = [statistics.median(account for _, account in found[limits]) for limits in QUOTAS]
    print(f"{'quota':>20}{'µs a slot':>12}{'ratio':>8}{'µs an account':>16}{'ratio':>8}")
    for limits, slot, account in zip(QUOTAS, slots, accounts, strict=True):
        name = f"{limits.requests:,} per {limits.per_seconds:g} s"
        print(f"{name:>20}{slot:>12.2f}{slot / slots[0]:>8.2f}{account:>16.1f}{account / accounts[0]:>8.2f}")


if __name__ == "__main__":
    main()
