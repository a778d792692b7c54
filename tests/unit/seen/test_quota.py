"""The quota on virtual time: its order, its holds, its pace, and that a strict server never counts too many."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, TypeVar

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.seen.limits import QuotaLimits
from connector.seen.quota import Quota
from connector.testing import VirtualClock
from connector.types import Priority, Remaining

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from connector.seen.slot import Slot

pytestmark = pytest.mark.looptime(noop_cycles=1)

DOCUMENTED = QuotaLimits(requests=100, per_seconds=10, grace_seconds=10)
LEGACY = QuotaLimits(requests=1000, per_seconds=3600, grace_seconds=10)
SMALL = QuotaLimits(requests=2, per_seconds=10, grace_seconds=5)
T = TypeVar("T")
INSTANT = 0.01
"""Nothing was waited for; what is seen are the clock's own nanoseconds."""


def new(limits: QuotaLimits) -> Quota:
    return Quota(limits, VirtualClock(), owner="us", ahead=10**9, timeout_seconds=0)


def always() -> bool:
    return True


def time() -> float:
    return asyncio.get_running_loop().time()


async def send(quota: Quota, seconds: float = 0.0) -> float:
    """Makes one request that is answered after `seconds`; when its slot came."""
    with await quota.slot(always) as slot:
        came = time()
        await asyncio.sleep(seconds)
        slot.answered()
    return came


async def takes(quota: Quota) -> float:
    """How long a slot is waited for. It is given back unused."""
    asked = time()
    with await quota.slot(always) as slot:
        slot.unused()
    return time() - asked


# Order and cancellation


async def test_slots_are_given_first_come_first_served() -> None:
    quota, came = new(SMALL), list[int]()

    async def one(number: int) -> None:
        with await quota.slot(always) as slot:
            came.append(number)
            await asyncio.sleep(number % 3)
            slot.answered()

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(one(number))
            await asyncio.sleep(0.3)
    assert came == list(range(12))


@pytest.mark.parametrize("held", [False, True], ids=["for the window", "for the end of a hold"])
async def test_whoever_waits_no_longer_takes_no_slot(held: bool) -> None:
    quota = new(SMALL)
    await send(quota)
    await send(quota)
    if held:
        quota.hold(10)
    waiting = [asyncio.create_task(quota.slot(always)) for _ in range(5)]
    await asyncio.sleep(5)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(5.5)
    assert quota.used == 0
    started = time()
    assert [await send(quota) - started < 1, await send(quota) - started < 1] == [True, True]


async def test_the_next_in_turn_gets_the_slot_that_the_first_no_longer_waits_for() -> None:
    quota = new(SMALL)
    first_sent = await send(quota)
    await send(quota)
    first, second = asyncio.create_task(quota.slot(always)), asyncio.create_task(send(quota))
    await asyncio.sleep(5)
    first.cancel()
    assert await second - first_sent == pytest.approx(10, abs=INSTANT)


@pytest.mark.parametrize("cycles", range(8))
async def test_a_wait_that_is_cancelled_while_its_slot_comes_leaks_none(cycles: int) -> None:
    quota = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5))
    before = await quota.slot(always)
    waiting = asyncio.create_task(quota.slot(always))
    await asyncio.sleep(1)
    before.unused()
    for _ in range(cycles):
        await asyncio.sleep(0)
    waiting.cancel()
    (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    if not isinstance(ended, BaseException):
        ended.unused()
    assert quota.used == 0


@pytest.mark.parametrize("cycles", range(8))
async def test_whoever_goes_away_when_it_is_to_lead_leaves_nobody_behind(cycles: int) -> None:
    """One of those in line waits for the window on behalf of all; the next must take that over."""
    quota = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5))
    held = await quota.slot(always)
    first, second, third = (asyncio.create_task(quota.slot(always)) for _ in range(3))
    await asyncio.sleep(1)
    held.unused()
    for _ in range(cycles):
        await asyncio.sleep(0)
    second.cancel()
    (await first).unused()
    async with asyncio.timeout(60):
        await third


@pytest.mark.parametrize("cycles", range(8))
async def test_a_slot_that_another_took_for_whoever_goes_away_is_not_lost(cycles: int) -> None:
    quota = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5))
    held = await quota.slot(always)
    leads = asyncio.create_task(quota.slot(always, Priority.VIDEO))
    await asyncio.sleep(1)
    urgent = asyncio.create_task(quota.slot(always))
    await asyncio.sleep(1)
    held.unused()
    for _ in range(cycles):
        await asyncio.sleep(0)
    urgent.cancel()
    (ended,) = await asyncio.gather(urgent, return_exceptions=True)
    if not isinstance(ended, BaseException):
        ended.unused()
    async with asyncio.timeout(60):
        (await leads).unused()
    assert quota.used == 0


# Priorities


async def test_of_those_that_wait_the_more_urgent_gets_the_slot_whoever_came_first() -> None:
    quota, came = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5)), list[Priority]()
    held = await quota.slot(always)

    async def one(priority: Priority) -> None:
        with await quota.slot(always, priority) as slot:
            came.append(priority)
            slot.unused()

    async with asyncio.TaskGroup() as group:
        for priority in (Priority.VIDEO, Priority.REPLAY, Priority.DELIVERY):
            group.create_task(one(priority))
            await asyncio.sleep(1)
        assert [quota.waiting(each) for each in Priority] == [1, 1, 1]
        held.unused()
    assert came == [Priority.DELIVERY, Priority.REPLAY, Priority.VIDEO]
    assert [quota.waiting(each) for each in Priority] == [0, 0, 0]


async def test_behind_a_backlog_of_deliveries_the_others_get_two_percent_of_the_quota_each() -> None:
    quota, came = new(DOCUMENTED), Counter[Priority]()

    async def send_for_ever(priority: Priority) -> None:
        while True:
            with await quota.slot(always, priority) as slot:
                came[priority] += 1
                slot.answered()

    senders = [asyncio.create_task(send_for_ever(each)) for each in (*Priority, *Priority)]
    await asyncio.sleep(995)
    for sender in senders:
        sender.cancel()
    await asyncio.wait(senders)
    assert came.total() == 100 * 100
    assert 200 <= came[Priority.REPLAY] <= 210
    assert 200 <= came[Priority.VIDEO] <= 210


# What became of the request


async def test_an_answered_request_holds_its_slot_for_a_window_after_the_answer() -> None:
    quota = new(SMALL)
    with await quota.slot(always) as slot:
        await asyncio.sleep(60)
        assert quota.used == 1
        slot.answered()
    await asyncio.sleep(9.9)
    assert quota.used == 1
    await asyncio.sleep(0.2)
    assert quota.used == 0


async def test_an_unused_slot_is_free_at_once_and_wakes_whoever_waits() -> None:
    quota = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5))
    slot = await quota.slot(always)
    waiting = asyncio.create_task(quota.slot(always))
    await asyncio.sleep(3)
    assert not waiting.done()
    given_back = time()
    slot.unused()
    await waiting
    assert time() - given_back < INSTANT


@pytest.mark.parametrize("error", [None, RuntimeError, asyncio.CancelledError])
async def test_a_slot_that_is_left_without_a_word_is_held_for_the_grace_too(
    error: type[BaseException] | None,
) -> None:
    quota = new(SMALL)
    try:
        with await quota.slot(always):
            if error is not None:
                raise error
    except (RuntimeError, asyncio.CancelledError):
        pass
    await asyncio.sleep(14.9)
    assert quota.used == 1
    await asyncio.sleep(0.2)
    assert quota.used == 0


async def test_only_the_first_word_about_a_slot_counts() -> None:
    quota = new(SMALL)
    with await quota.slot(always) as one, await quota.slot(always) as other:
        one.answered()
        one.unused()
        one.answered()
        assert quota.used == 2
        other.unused()
        other.answered()
        assert quota.used == 1
    assert quota.used == 1


# Holds


async def test_a_hold_holds_all_for_as_long_as_it_says() -> None:
    quota = new(DOCUMENTED)
    quota.hold(42)
    waits = await asyncio.gather(*(takes(quota) for _ in range(3)))
    assert waits == pytest.approx([42, 42, 42], abs=0.1)


@pytest.mark.parametrize(("asked", "held"), [(None, 10), (3.0, 3)])
async def test_a_refusal_holds_all_for_a_window_or_as_long_as_it_says(
    asked: float | None, held: float
) -> None:
    quota = new(DOCUMENTED)
    quota.refused(time(), asked)
    assert await takes(quota) == pytest.approx(held, abs=INSTANT)


@pytest.mark.parametrize(("first", "second"), [(30, 5), (5, 30)])
async def test_of_two_holds_the_one_that_ends_later_stands(first: float, second: float) -> None:
    quota = new(DOCUMENTED)
    quota.hold(first)
    waiting = asyncio.create_task(takes(quota))
    await asyncio.sleep(1)
    quota.hold(second - 1)
    assert await waiting == pytest.approx(30, abs=INSTANT)


async def test_a_hold_also_holds_who_waits_for_the_window_already() -> None:
    quota = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5))
    await send(quota)
    waiting = asyncio.create_task(takes(quota))
    await asyncio.sleep(9)
    quota.hold(21)
    assert await waiting == pytest.approx(30, abs=0.1)


async def test_the_end_of_a_hold_gives_no_slot_that_the_window_does_not_have() -> None:
    quota = new(QuotaLimits(requests=1, per_seconds=10, grace_seconds=5))
    await send(quota)
    quota.hold(3)
    assert await takes(quota) == pytest.approx(10, abs=INSTANT)


# Others who use the same quota


async def test_a_refusal_lowers_the_working_quota_until_windows_later() -> None:
    quota = new(DOCUMENTED)
    for _ in range(50):
        await send(quota)
    assert quota.refused(time(), None)
    assert quota.working == 45
    assert not quota.refused(time() - 1, None), "it left before"
    started = time()
    for _ in range(46):
        await send(quota)
    assert 20 <= time() - started < 21, "45 after the hold, the next a window later"
    await asyncio.sleep(100)
    await send(quota)
    assert quota.working == 100


async def test_the_working_quota_rises_while_nothing_is_sent() -> None:
    quota = new(DOCUMENTED)
    quota.refused(time(), None)
    assert quota.working == 45
    await asyncio.sleep(200)
    assert quota.working == 100


async def test_whoever_waits_goes_on_when_the_working_quota_rises() -> None:
    quota = new(QuotaLimits(requests=20, per_seconds=10, grace_seconds=10))
    for _ in range(20):
        await send(quota)
    await asyncio.sleep(10)
    slots = [await quota.slot(always) for _ in range(18)]
    quota.refused(time(), 0)
    assert quota.working == 17
    refused_at = time()
    waiting = [asyncio.create_task(quota.slot(always)) for _ in range(2)]
    await asyncio.sleep(59)
    assert not any(each.done() for each in waiting), "18 are on the wire"
    await asyncio.wait(waiting)
    assert 70 <= time() - refused_at < 71
    assert len(slots) == 18


@pytest.mark.parametrize(("reset", "free_after"), [(None, 10), (4.0, 4), (25.0, 10), (3600.0, 10)])
async def test_what_seen_counts_beyond_ours_is_held_for_those_who_sent_it(
    reset: float | None, free_after: float
) -> None:
    quota = new(DOCUMENTED)
    for _ in range(10):
        await send(quota)
    slot = await quota.slot(always)
    slot.answered(Remaining(100 - 11 - 30, reset))
    assert (quota.used, quota.outside) == (11 + 30, 30)
    await asyncio.sleep(free_after - 0.1)
    assert quota.outside == 30
    await asyncio.sleep(0.2)
    assert quota.outside == 0
    await asyncio.sleep(10)
    assert quota.used == 0


async def test_two_answers_that_tell_of_the_same_others_hold_them_once() -> None:
    quota = new(DOCUMENTED)
    one, two = await quota.slot(always), await quota.slot(always)
    one.answered(Remaining(100 - 2 - 30))
    two.answered(Remaining(100 - 2 - 30))
    assert quota.outside == 30
    three = await quota.slot(always)
    three.answered(Remaining(100 - 3 - 40))
    assert quota.outside == 40


async def test_slots_that_are_held_for_others_count_for_the_quota_and_not_for_the_working_quota() -> None:
    quota = new(QuotaLimits(requests=40, per_seconds=10, grace_seconds=5))
    for _ in range(20):
        await send(quota)
    slot = await quota.slot(always)
    slot.answered(Remaining(0))
    assert (quota.used, quota.outside) == (40, 19)
    quota.refused(time(), 0)
    assert quota.working == 21 - 2, "what was ours, less a step"
    await asyncio.sleep(11)
    assert (quota.used, quota.outside) == (0, 0)


@pytest.mark.parametrize(("limit", "outside"), [(None, 39), (100, 39), (60, 0), (5000, 0)])
async def test_a_count_against_another_limit_corrects_nothing(limit: int | None, outside: int) -> None:
    quota = new(DOCUMENTED)
    (await quota.slot(always)).answered(Remaining(60, None, limit))
    assert quota.outside == outside


@pytest.mark.parametrize("remaining", [100, 90, 89, 10_000])
async def test_a_count_that_can_be_all_ours_corrects_nothing(remaining: int) -> None:
    quota = new(DOCUMENTED)
    for _ in range(10):
        await send(quota)
    (await quota.slot(always)).answered(Remaining(remaining))
    assert quota.used == 11


DELAYS = st.lists(st.tuples(st.floats(0, 12), st.floats(0, 12)), min_size=1, max_size=60)


@settings(max_examples=100)
@given(delays=DELAYS, requests=st.integers(1, 12))
def test_what_a_server_says_that_nobody_else_uses_holds_nothing_however_late_it_comes(
    delays: list[tuple[float, float]], requests: int
) -> None:
    async def simulate() -> None:
        quota, arrivals = new(QuotaLimits(requests, 10, 5)), list[float]()

        async def one(slot: Slot, there: float, back: float) -> None:
            with slot:
                await asyncio.sleep(there)
                arrivals.append(time())
                left = requests - sum(time() - 10 < each for each in arrivals)
                await asyncio.sleep(back)
                slot.answered(Remaining(left))
                assert quota.outside == 0

        async with asyncio.TaskGroup() as group:
            for there, back in delays:
                group.create_task(one(await quota.slot(always), there, back))

    on_virtual_time(simulate())


@dataclass(slots=True)
class Sharing:
    """A server whose quota someone else uses too, `others` times a second, from 0 to 300 s. It counts every arrival."""

    says_what_remains: str
    others: float
    arrivals: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    async def run(self) -> None:
        quota, other = new(DOCUMENTED), asyncio.create_task(self._use_a_part())
        async with asyncio.TaskGroup() as group:
            while time() < 900:
                group.create_task(self._send(quota, await quota.slot(always)))
        other.cancel()

    async def _send(self, quota: Quota, slot: Slot) -> None:
        sent_at = time()
        with slot:
            await asyncio.sleep(0.05)
            self._arrive()
            self.ours.append(time())
            is_over = len(self.arrivals) > 100
            if is_over:
                self.refused.append(time())
            left = max(0, 100 - len(self.arrivals))
            says = self.says_what_remains == "always" or (is_over and self.says_what_remains == "refused")
            await asyncio.sleep(0.05)
            slot.answered(Remaining(left) if says else None)
            if is_over:
                quota.refused(sent_at, None)

    async def _use_a_part(self) -> None:
        while time() < 300:
            self._arrive()
            await asyncio.sleep(1 / self.others)

    def _arrive(self) -> None:
        self.arrivals = [each for each in self.arrivals if time() - each < 10] + [time()]

    def count(self, start: float, end: float) -> tuple[int, int]:
        """Our requests from `start` to `end`, and those refused."""
        return (
            sum(start <= each < end for each in self.ours),
            sum(start <= each < end for each in self.refused),
        )


@pytest.mark.parametrize("says_what_remains", ["never", "always", "refused"])
@pytest.mark.parametrize("others", [1.0, 5.0, 7.0])
async def test_beside_another_user_few_requests_are_refused_and_all_is_used_when_it_stops(
    others: float, says_what_remains: str
) -> None:
    sharing = Sharing(says_what_remains, others)
    await sharing.run()
    sent, refused = sharing.count(60, 300)
    assert refused < 0.01 * sent
    assert sent >= 0.7 * 240 * (10 - others)
    sent, refused = sharing.count(660, 900)
    assert refused == 0
    assert sent >= 0.95 * 240 * 100 / 10.1, "whole windows, cut at both ends"


# Pace


@pytest.mark.parametrize("limits", [DOCUMENTED, LEGACY, SMALL])
async def test_an_idle_quota_gives_one_slot_at_once(limits: QuotaLimits) -> None:
    quota = new(limits)
    assert await takes(quota) < INSTANT
    await asyncio.sleep(limits.per_seconds / 3)
    assert await takes(quota) < INSTANT


@pytest.mark.parametrize("limits", [DOCUMENTED, LEGACY])
async def test_a_burst_leaves_as_a_stream_at_five_times_the_mean_rate(limits: QuotaLimits) -> None:
    quota, started = new(limits), time()
    came = [await send(quota) - started for _ in range(limits.requests)]
    volley, pause = limits.requests / 10, limits.per_seconds / 50
    for first in came:
        assert sum(first <= each < first + pause for each in came) <= 2 * volley
    assert came[limits.requests // 2 - 1] < limits.per_seconds / 10
    assert came[-1] < limits.per_seconds / 5
    assert await send(quota) - started >= limits.per_seconds


@pytest.mark.parametrize(
    ("limits", "round_trip", "rounds"),
    [
        (DOCUMENTED, 0.2, 10),
        (QuotaLimits(requests=1, per_seconds=10, grace_seconds=10), 0.1, 20),
        (QuotaLimits(requests=7, per_seconds=3, grace_seconds=10), 1.0, 20),
        (QuotaLimits(requests=15, per_seconds=10, grace_seconds=10), 25.0, 10),
        (LEGACY, 0.5, 3),
        (QuotaLimits(requests=1, per_seconds=3600, grace_seconds=10), 1.0, 5),
        (QuotaLimits(requests=10_000, per_seconds=1, grace_seconds=10), 0.05, 2),
    ],
    ids=[
        *("100 per 10 s", "1 per 10 s", "7 per 3 s", "a round trip of more than a window", "1,000 an hour"),
        *("1 an hour", "10,000 a second"),
    ],
)
async def test_with_a_backlog_99_percent_of_what_is_allowed_is_used(
    limits: QuotaLimits, round_trip: float, rounds: int
) -> None:
    quota = new(limits)
    came = []
    async with asyncio.TaskGroup() as group:
        for _ in range(limits.requests * rounds):
            slot = await quota.slot(always)
            came.append(time())
            group.create_task(_answer_later(slot, round_trip))
    seconds = came[-1] - came[limits.requests - 1]
    allowed = limits.requests / (limits.per_seconds + round_trip)
    assert limits.requests * (rounds - 1) / seconds >= 0.99 * allowed
    assert fullest_window(came, limits.per_seconds) <= limits.requests


HOURS = 24


@settings(max_examples=2)
@given(seed=st.integers(0, 2**32))
def test_a_thousand_an_hour_are_used_for_a_day_and_no_hour_has_more(seed: int) -> None:
    """Each request and each answer take as long as they like; one in a hundred is never answered."""
    chances, round_trip = Random(seed), 2.0

    async def simulate() -> list[float]:
        quota, arrivals = new(LEGACY), list[float]()

        def end(slot: Slot) -> None:
            if chances.random() < 0.99:
                slot.answered()
            else:
                slot.__exit__(None, None, None)

        loop = asyncio.get_running_loop()
        while time() < HOURS * 3600:
            slot = await quota.slot(always)
            there, back = chances.uniform(0, round_trip / 2), chances.uniform(0, round_trip / 2)
            loop.call_later(there, lambda: arrivals.append(time()))
            loop.call_later(there + back, end, slot)
        return sorted(arrivals)

    arrivals = on_virtual_time(simulate())
    assert fullest_window(arrivals, 3600) <= 1000
    hours = HOURS * 3600 / (3600 + round_trip)
    assert len(arrivals) >= 0.99 * 1000 * hours


async def _answer_later(slot: Slot, seconds: float) -> None:
    with slot:
        await asyncio.sleep(seconds)
        slot.answered()


# Against a server that counts strictly


def fullest_window(arrivals: list[float], per_seconds: float) -> int:
    """The most arrivals in any half-open window; `arrivals` in rising order."""
    fullest = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= per_seconds:
            first += 1
        fullest = max(fullest, last - first + 1)
    return fullest


@dataclass(frozen=True, slots=True)
class Sent:
    """A request: when it is wanted, how long it takes there and back, in windows; and what becomes of it.

    - `given up`: its sender leaves it after `back`; it arrives `there` later, if that is within the grace.
    - `unwanted`: whoever waits for its slot goes away after `back`.
    """

    gap: float
    there: float
    back: float
    fate: str
    priority: Priority


FATES = st.sampled_from(["answered", "answered", "answered", "given up", "unused", "unwanted", "hold"])
SECONDS = st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 1.5))
SENT = st.builds(
    Sent, st.one_of(st.just(0.0), st.floats(0, 0.3)), SECONDS, SECONDS, FATES, st.sampled_from(Priority)
)


class StrictServer:
    """A quota and the server behind it, on a loop of its own."""

    def __init__(self, limits: QuotaLimits) -> None:
        self.limits = limits
        self.quota = new(limits)
        self.arrivals: list[float] = []

    async def run(self, requests: list[Sent]) -> None:
        async with asyncio.TaskGroup() as group:
            for each in requests:
                await asyncio.sleep(each.gap * self.limits.per_seconds)
                group.create_task(self._one(each, group))

    async def _one(self, sent: Sent, group: asyncio.TaskGroup) -> None:
        per = self.limits.per_seconds
        if sent.fate == "unwanted":
            asking = asyncio.create_task(self.quota.slot(always, sent.priority))
            await asyncio.wait([asking], timeout=sent.back * per)
            if asking.cancel():
                return
            slot = asking.result()
        else:
            slot = await self.quota.slot(always, sent.priority)
        with slot:
            match sent.fate:
                case "unused":
                    await asyncio.sleep(sent.back * per)
                    slot.unused()
                case "given up":
                    await asyncio.sleep(sent.back * per)
                    late = min(sent.there * per, 0.999 * self.limits.grace_seconds)
                    group.create_task(self._arrive(late))
                case _:
                    await self._arrive(sent.there * per)
                    left = self.limits.requests - sum(time() - each < per for each in self.arrivals)
                    await asyncio.sleep(sent.back * per)
                    if sent.fate == "hold":
                        self.quota.hold(sent.back * per)
                    slot.answered(Remaining(left))
                    assert self.quota.outside == 0, "nobody else sends"

    async def _arrive(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.arrivals.append(time())


@settings(max_examples=100)
@given(
    requests=st.integers(1, 12),
    per_seconds=st.sampled_from([0.5, 10.0, 3600.0]),
    sent=st.lists(SENT, min_size=1, max_size=50),
)
def test_a_strict_server_never_counts_more_than_the_quota_and_no_slot_is_lost(
    requests: int, per_seconds: float, sent: list[Sent]
) -> None:
    async def simulate() -> None:
        limits = QuotaLimits(requests, per_seconds, grace_seconds=per_seconds / 2)
        server = StrictServer(limits)
        async with asyncio.timeout(1000 * per_seconds):
            await server.run(sent)
        assert fullest_window(sorted(server.arrivals), per_seconds) <= requests
        await asyncio.sleep(2 * per_seconds)
        assert server.quota.used == 0
        async with asyncio.timeout(per_seconds / 2):
            for _ in range(requests):
                await server.quota.slot(always)
        assert server.quota.used == requests

    on_virtual_time(simulate())


@settings(max_examples=100)
@given(gaps=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.2)), min_size=2, max_size=40))
def test_slots_come_in_the_order_in_which_they_are_asked_for(gaps: list[float]) -> None:
    async def simulate() -> None:
        quota, came = new(QuotaLimits(3, 1, 1)), [0.0] * len(gaps)

        async def one(number: int) -> None:
            came[number] = await send(quota, 0.1)

        async with asyncio.TaskGroup() as group:
            for number, gap in enumerate(gaps):
                await asyncio.sleep(gap)
                group.create_task(one(number))
        assert all(before < after for before, after in pairwise(came))

    on_virtual_time(simulate())


def on_virtual_time(work: Coroutine[None, None, T]) -> T:
    """Runs it on a loop of its own, so that each example begins at zero."""
    loop = looptime.new_event_loop(start=0, noop_cycles=1)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)
