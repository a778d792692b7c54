"""The quota across owners: what one leaves behind, and what its successor makes of it, against a server that counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.seen.limits import QuotaLimits
from connector.seen.quota import Quota
from connector.seen.spent import Spent, decode, encode
from connector.seen.window import Window
from connector.testing import FakeClock, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENTED = QuotaLimits(requests=100, per_seconds=10, grace_seconds=10)
HOURLY = QuotaLimits(requests=1000, per_seconds=3600, grace_seconds=10)


def always() -> bool:
    return True


def quota(clock: FakeClock, owner: str, limits: QuotaLimits = DOCUMENTED, ahead: int = 32) -> Quota:
    return Quota(limits, clock, owner=owner, ahead=ahead, timeout_seconds=5)


# What is written


TIMES = st.lists(st.floats(0, 10_000), max_size=300)


@given(TIMES, st.integers(0, 100), st.floats(1, 3600), st.none() | st.integers(1, 99), st.floats(0, 9))
def test_what_is_written_is_read_again_and_no_slot_comes_free_too_early(
    times: list[float], unknown: int, longest: float, working: int | None, held: float
) -> None:
    window = Window(len(times), longest, 0)
    window.inherit(times)
    found = decode(encode(Spent("a", 0.25, tuple(window.free_by()), unknown, working, 60.0, held)))
    assert found is not None
    assert (found.owner, found.at, found.unknown, found.working) == ("a", 0.25, unknown, working)
    assert held <= found.held_seconds <= held + 1
    assert len(found.free_at) == len(times)
    for written, free in zip(sorted(times), sorted(found.free_at), strict=True):
        assert 5 <= free - written <= 6 + longest / 20 + 0.001


@pytest.mark.parametrize("limits", [DOCUMENTED, HOURLY, QuotaLimits(100_000, 10, 10), QuotaLimits(5, 1, 60)])
def test_an_account_is_small_however_large_the_quota_is(limits: QuotaLimits) -> None:
    clock = FakeClock(wall=1_800_000_000.5)
    owner = Quota(limits, clock, owner="a" * 32, ahead=limits.requests, timeout_seconds=30)
    for number in range(limits.requests):
        owner.window.take(0)
        (owner.window.answered if number % 2 else owner.window.unanswered)(
            number * limits.per_seconds / limits.requests
        )
    assert len(owner.account(final=False)) < 800


@given(
    st.binary()
    | st.sampled_from([b"[]", b"{}", b"null", b'["a", 1, [[1]], 2]', b'["a", "b", [], 0, 1, 0, 0]'])
)
def test_what_is_foreign_says_nothing(content: bytes) -> None:
    assert decode(content) is None


# What a successor makes of it


def test_where_nothing_was_ever_committed_nothing_was_sent() -> None:
    taker = quota(FakeClock(), "b")
    assert taker.take_over([])
    assert taker.used == 0


@pytest.mark.parametrize("accounts", [[b""], [b"", b"garbage"]])
def test_where_a_commit_says_nothing_all_is_taken_for_spent(accounts: Sequence[bytes]) -> None:
    taker = quota(FakeClock(), "b")
    assert not taker.take_over(accounts)
    assert taker.used == 100


async def test_a_clean_end_leaves_what_was_sent_and_no_more() -> None:
    giver, taker = quota(FakeClock(), "a"), quota(FakeClock(), "b")
    for _ in range(7):
        (await giver.slot(always)).answered()
    assert taker.take_over([giver.account(final=True)])
    assert taker.used == 7


async def test_an_unclean_end_leaves_what_was_on_the_wire_and_what_may_have_left_since_too() -> None:
    giver, taker = quota(FakeClock(), "a"), quota(FakeClock(), "b")
    (await giver.slot(always)).answered()
    await giver.slot(always)
    assert taker.take_over([giver.account(final=False)])
    assert taker.used == 1 + 1 + 32


@pytest.mark.parametrize(("final", "later", "held"), [(False, 2, 13.0), (True, 11, 4.0), (True, 20, 0.0)])
async def test_a_working_quota_and_a_hold_are_handed_over(final: bool, later: float, held: float) -> None:
    giver = quota(FakeClock(wall=1000, monotonic=50), "a", ahead=100)
    clock = FakeClock(wall=1000 + later, monotonic=7)
    for _ in range(60):
        (await giver.slot(always)).answered()
    giver.refused(50, None)
    giver.refused(49, 3)
    taker = quota(clock, "b")
    assert taker.take_over([giver.account(final=final)])
    assert taker.working == giver.working == 55
    assert taker.held_seconds == held


async def test_a_working_quota_that_nobody_used_since_has_risen_for_the_successor_too() -> None:
    giver = quota(FakeClock(wall=1000), "a")
    giver.refused(0, None)
    account = giver.account(final=True)
    taker = quota(FakeClock(wall=1000 + 3600), "b")
    assert taker.take_over([account])
    assert (taker.working, taker.held_seconds) == (100, 0)


@pytest.mark.parametrize("order", [1, -1])
async def test_only_the_newest_account_says_how_much_others_left(order: int) -> None:
    """An old one comes with a topic that is read no more."""
    spent = partial(Spent, free=(), unknown=0, rises_seconds=60.0, held_seconds=0.0)
    old = spent("dead", 1000.0, working=10)
    found = [encode(each) for each in (old, spent("x", 1500.0, working=None), spent("y", 1600.0, working=95))]
    taker = quota(FakeClock(wall=1601), "b")
    assert taker.take_over(found[::order])
    assert taker.working == 95


async def test_the_wait_for_a_rise_does_not_begin_anew_with_each_owner() -> None:
    giver = quota(FakeClock(wall=1000), "a")
    giver.refused(0, None)
    heir = quota(FakeClock(wall=1050, monotonic=7), "b")
    heir.take_over([giver.account(final=True)])
    clock = FakeClock(wall=1059, monotonic=3)
    last = quota(clock, "c")
    last.take_over([heir.account(final=True)])
    assert last.working == 45
    clock._monotonic += 1.01
    assert last.working == 50


async def test_a_hold_of_one_s_own_that_ends_later_stays() -> None:
    giver, taker = quota(FakeClock(wall=1000), "a"), quota(FakeClock(wall=1000), "b")
    giver.hold(1)
    taker.hold(100)
    taker.take_over([giver.account(final=True)])
    assert taker.held_seconds == 100


async def test_what_was_given_up_is_in_the_account() -> None:
    giver, taker = quota(FakeClock(), "a"), quota(FakeClock(), "b")
    with await giver.slot(always):
        pass
    taker.take_over([giver.account(final=True)])
    assert taker.used == 1


async def test_what_came_free_is_not_in_the_account() -> None:
    clock = FakeClock()
    giver = quota(clock, "a")
    (await giver.slot(always)).answered()
    clock._monotonic += 11
    found = decode(giver.account(final=True))
    assert found is not None
    assert found.free == ()


@pytest.mark.parametrize(("age", "used"), [(6 * 86400.0, 100), (60.0, 0)])
def test_an_account_that_cannot_be_read_counts_for_all_beside_one_that_is_old(age: float, used: int) -> None:
    readable = encode(Spent("dead", 1_000_000.0 - age, (), 0, None, 0.0, 0.0))
    taker = quota(FakeClock(wall=1_000_000.0), "b")
    assert taker.take_over([b"of another layout", readable]) is (used == 0)
    assert taker.used == used


async def test_a_quota_that_is_whole_is_handed_over_as_whatever_the_successor_s_is() -> None:
    giver, taker = quota(FakeClock(), "a", QuotaLimits(60, 10, 10)), quota(FakeClock(), "b")
    assert taker.take_over([giver.account(final=True)])
    assert (taker.working, taker.held_seconds) == (100, 0)


async def test_what_it_left_behind_itself_tells_an_owner_nothing_new() -> None:
    owner = quota(FakeClock(), "a")
    (await owner.slot(always)).answered()
    assert owner.take_over([owner.account(final=False)])
    assert owner.used == 1


async def test_of_each_owner_its_newest_account_counts_whatever_its_clock_says() -> None:
    """A replica whose clock is ahead finds its own account the newest, and one of another that was written since."""
    taker, other = quota(FakeClock(wall=1004), "a"), quota(FakeClock(wall=1001), "b")
    old = other.account(final=False)
    (await other.slot(always)).answered()
    assert taker.take_over([taker.account(final=False), old, other.account(final=True), b""])
    assert taker.used == 1


async def test_what_was_on_the_wire_may_take_as_long_as_a_request_may_and_arrive_a_grace_later() -> None:
    giver, clock = quota(FakeClock(wall=1000), "a"), FakeClock(wall=1000)
    await giver.slot(always)
    taker = quota(clock, "b")
    taker.take_over([giver.account(final=True)])
    assert taker.window.free_by() == [(5 + 10 + 10, 1)]


async def test_an_account_that_is_too_old_to_matter_holds_nothing() -> None:
    giver = quota(FakeClock(wall=1000), "a")
    await giver.slot(always)
    taker = quota(FakeClock(wall=1000 + 1800 + 5 + 5 + 20 + 1), "b")
    taker.take_over([giver.account(final=False)])
    assert taker.used == 0


async def test_regression_slots_that_came_back_unused_let_no_more_leave_beyond_an_account_than_it_says() -> (
    None
):
    owner = quota(FakeClock(), "a", ahead=10)
    unused = [await owner.slot(always) for _ in range(10)]
    owner.account(final=False)
    owner.acknowledged()
    for slot in unused:
        slot.unused()
    owner.account(final=False)
    for _ in range(10):
        await owner.slot(always)
    assert owner.unaccounted == 10
    waiting = asyncio.create_task(owner.slot(always))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()


async def test_no_more_leave_than_the_last_acknowledged_account_allows() -> None:
    owner = quota(FakeClock(), "a", ahead=3)
    for _ in range(3):
        (await owner.slot(always)).answered()
    fourth = asyncio.create_task(owner.slot(always))
    await asyncio.sleep(0.05)
    owner.account(final=False)
    await asyncio.sleep(0.05)
    assert not fourth.done(), "it was written, and not acknowledged"
    owner.acknowledged()
    await fourth


@pytest.mark.parametrize(("sent", "wanted"), [(0, False), (4, False), (5, True), (9, True)])
async def test_an_account_is_wanted_when_half_of_what_may_leave_has_left(sent: int, *, wanted: bool) -> None:
    owner = quota(FakeClock(), "a", ahead=10)
    for _ in range(sent):
        (await owner.slot(always)).answered()
    assert owner.wants_account is wanted


async def test_a_slot_that_was_not_used_needs_no_account() -> None:
    owner = quota(FakeClock(), "a", ahead=3)
    for _ in range(10):
        (await owner.slot(always)).unused()
    assert owner.unaccounted == 0


# Against a server that counts strictly


@dataclass(frozen=True, slots=True)
class Reign:
    """One owner: how far its wall clock is off, how long it sends, how often it accounts, how it ends, when the next begins.

    Durations are in windows, `accounts_every` in hundredths of one. An account is acknowledged `heard_after` it was
    written. Every `wasted`th slot comes back unused, when others are answered; none if 0; and every `given_up`th request is
    given up then, and arrives as late as it may.
    """

    skew: float
    lasts: float
    accounts_every: int
    clean: bool
    pause: float
    there: float
    back: float
    heard_after: float
    wasted: int
    given_up: int


REIGNS = st.lists(
    st.builds(
        Reign,
        skew=st.floats(-2.5, 2.5),
        lasts=st.floats(0, 2.5),
        accounts_every=st.integers(1, 100),
        clean=st.booleans(),
        pause=st.sampled_from([0.0, 0.0, 0.1, 1.0]),
        there=st.floats(0, 0.2),
        back=st.floats(0, 0.2),
        heard_after=st.sampled_from([0.0, 0.01, 0.2]),
        wasted=st.integers(0, 3),
        given_up=st.sampled_from([0, 0, 2, 5]),
    ),
    min_size=2,
    max_size=5,
)


class SkewedClock:
    """The loop's clock, its wall time off by so many seconds."""

    def __init__(self, clock: VirtualClock, skew: float) -> None:
        self._clock = clock
        self._skew = skew

    def wall(self) -> float:
        return self._clock.wall() + self._skew

    def monotonic(self) -> float:
        return self._clock.monotonic()


class Dynasty:
    """Owners one after the other, each sending as much as it may, before one server."""

    def __init__(self, limits: QuotaLimits) -> None:
        self.limits = limits
        self.clock = VirtualClock()
        self.arrivals: list[float] = []
        self.account: bytes | None = None
        self._reigns = 0

    async def live(self, reign: Reign) -> None:
        self._reigns += 1
        clock = SkewedClock(self.clock, reign.skew)
        owner = Quota(
            self.limits,
            clock,
            owner=str(self._reigns),
            ahead=max(1, self.limits.requests // 3),
            timeout_seconds=0.4 * self.limits.per_seconds,
        )
        owner.take_over([] if self.account is None else [self.account])
        per = self.limits.per_seconds
        tasks = {
            asyncio.create_task(self._send(owner, reign)),
            asyncio.create_task(self._commit(owner, reign)),
        }
        await asyncio.sleep(reign.lasts * per)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if reign.clean:
            await asyncio.sleep((reign.there + reign.back) * per)  # what is on the wire ends
            self.account = owner.account(final=True)
        await asyncio.sleep(reign.pause * per)

    async def _commit(self, owner: Quota, reign: Reign) -> None:
        while True:
            self.account = owner.account(final=False)
            await asyncio.sleep(reign.heard_after * self.limits.per_seconds)
            owner.acknowledged()
            await asyncio.sleep(reign.accounts_every * self.limits.per_seconds / 100)

    async def _send(self, owner: Quota, reign: Reign) -> None:
        loop, per = asyncio.get_running_loop(), self.limits.per_seconds
        for number in count(1):
            slot = await owner.slot(always)
            if reign.wasted and number % reign.wasted == 0:
                loop.call_later((reign.there + reign.back) * per, slot.unused)
                await asyncio.sleep(0.001 * per)
                continue
            if reign.given_up and number % reign.given_up == 0:
                loop.call_later(reign.there * per, slot.__exit__, None, None, None)
                self.arrivals.append(loop.time() + reign.there * per + 0.999 * self.limits.grace_seconds)
                continue
            self.arrivals.append(loop.time() + reign.there * per)
            loop.call_later((reign.there + reign.back) * per, slot.answered)


@settings(max_examples=60)
@given(REIGNS, st.sampled_from([QuotaLimits(10, 10, 5), QuotaLimits(3, 60, 12), QuotaLimits(40, 2.5, 1)]))
def test_no_window_at_the_server_exceeds_the_quota_whoever_owned_it_when(
    reigns: list[Reign], limits: QuotaLimits
) -> None:
    async def in_the_loop() -> list[float]:
        dynasty = Dynasty(limits)
        for reign in reigns:
            await dynasty.live(reign)
        return sorted(dynasty.arrivals)

    loop = looptime.new_event_loop(noop_cycles=1)
    try:
        arrivals = loop.run_until_complete(in_the_loop())
    finally:
        loop.close()
    for first, arrival in enumerate(arrivals):
        within = [each for each in arrivals[first:] if each - arrival < limits.per_seconds]
        assert len(within) <= limits.requests
