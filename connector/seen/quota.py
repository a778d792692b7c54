"""The quota of one workspace: whoever sends a request waits here for a slot.

`window` proves that the quota is never exceeded; the pacer only spreads a burst, at five times the mean rate, so that
it leaves as a stream. The slot is taken after the pacer: the pacer never admits what the window would not. Who gets it
is decided at that moment (`line`).

What is spent is written down with each commit, for the next owner. Between two of them at most `ahead` requests leave,
so the next owner knows how many it cannot have read of.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from aiolimiter import AsyncLimiter

from connector.seen.line import Line
from connector.seen.slot import Fate, Slot
from connector.seen.spent import Spent, decode, encode
from connector.seen.window import Window
from connector.seen.working import WorkingQuota
from connector.types import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from connector.clock import Clock
    from connector.seen.limits import QuotaLimits
    from connector.types import Remaining

_BURST_SHARE = 10
_PACE_SHARE = 50


class _Place:
    """A place in line."""

    __slots__ = ("is_served", "nudged")

    def __init__(self) -> None:
        self.is_served = False
        self.nudged = asyncio.Event()


class Quota:
    """Slots for the requests of one workspace, by priority, then first come, first served.

    At most `ahead` of them are given out beyond the last account that was acknowledged.
    """

    def __init__(
        self, limits: QuotaLimits, clock: Clock, *, owner: str, ahead: int, timeout_seconds: float
    ) -> None:
        """`owner` tells our own accounts from those of others; a request takes at most `timeout_seconds`."""
        self.limits = limits
        self.window = Window(limits.requests, limits.per_seconds, limits.grace_seconds)
        self._working = WorkingQuota(limits.requests, limits.per_seconds)
        self._clock = clock
        self._owner = owner
        self._ahead = ahead
        self._timeout = timeout_seconds
        self._written = self._acknowledged = self._ever_noted = 0
        self._pacer = AsyncLimiter(max(1.0, limits.requests / _BURST_SHARE), limits.per_seconds / _PACE_SHARE)
        self._line: Line[_Place] = Line()
        self._leads: _Place | None = None
        self._changed = asyncio.Event()
        self._held_until = float("-inf")

    # Slots

    async def slot(self, may_leave: Callable[[], bool], priority: Priority = Priority.DELIVERY) -> Slot:
        """Waits for a slot, as long as it takes; a cancelled wait leaks none. The caller leaves it as a context.

        `may_leave` is asked once more, right before the request is written.
        """
        place = _Place()
        self._line.join(place, priority)
        try:
            await self._until_served(place)
        except BaseException:
            self._line.leave(place)
            if place.is_served:
                self._give_back(0, Fate.UNUSED, None)
            raise
        finally:
            if self._leads is place:
                self._leads = None
            if self._leads is None and self._line:  # also where who was told to lead goes away instead
                self._line.first().nudged.set()
        return Slot(may_leave, partial(self._give_back, self.used - self._ever))

    async def _until_served(self, place: _Place) -> None:
        """One of those in line leads: it takes slots and gives each to whoever's turn it is, until it has its own."""
        while not place.is_served:
            if self._leads is None:
                self._leads = place
                await self._lead(place)
            else:
                await place.nudged.wait()
                place.nudged.clear()

    async def _lead(self, place: _Place) -> None:
        while not place.is_served:
            await self._pacer.acquire()
            while not self._take():
                await self._wait()
            served = self._line.serve()
            served.is_served = True
            served.nudged.set()

    def _give_back(self, known: int, fate: Fate, remaining: Remaining | None) -> None:
        match fate:
            case Fate.ANSWERED:
                self.window.answered(self._now())
            case Fate.UNANSWERED:
                self.window.unanswered(self._now())
            case Fate.UNUSED:
                self.window.unused()
        if remaining is not None:
            self._compare(remaining, known)
        self._changed.set()

    def _take(self) -> bool:
        now = self._now()
        if now < self._held_until or self.unaccounted >= self._ahead:
            return False
        self.window.working = self.working
        return self.window.take(now)

    async def _wait(self) -> None:
        self._changed.clear()
        now = self._now()
        until = self._held_until if now < self._held_until else self._next_chance()
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - now)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _next_chance(self) -> float | None:
        """None if something must happen first: the end of a request, or an acknowledged account."""
        if self.unaccounted >= self._ahead:
            return None
        chances = (self.window.next_free(), self._working.rises_at)
        return min((each for each in chances if each is not None), default=None)

    def _now(self) -> float:
        return self._clock.monotonic()

    # What the next owner must know

    @property
    def unaccounted(self) -> int:
        """Slots given out since the last account that was acknowledged was written."""
        return self.window.taken - self._acknowledged

    @property
    def wants_account(self) -> bool:
        """Whether half of what may leave without another account has left."""
        return 2 * self.unaccounted >= self._ahead

    def account(self, *, final: bool) -> bytes:
        """What the next owner must know, as of now; `final`: nothing leaves any more."""
        self._written = self.window.taken
        # Slots may have come back unused since; they must not let more leave beyond this account than it says.
        self._acknowledged = min(self._acknowledged, self._written)
        wall, now = self._clock.wall(), self._now()
        self.window.used(now)
        free = tuple((time - now + wall, count) for time, count in self.window.free_by())
        unknown = self.window.on_wire + (0 if final else self._ahead)
        working = None if self.is_whole else self.working
        rises = (self._working.rises_at or now) - now
        return encode(Spent(self._owner, wall, free, unknown, working, rises, self.held_seconds))

    def acknowledged(self) -> None:
        """The account that was written last is where the next owner finds it."""
        self._acknowledged = self._written
        self._changed.set()

    def take_over(self, accounts: Collection[bytes]) -> bool:
        """Goes on from what was found; False if it says nothing clear, so that all must be taken for spent.

        No account at all: nothing was ever sent.
        """
        found = [spent for spent in map(decode, accounts) if spent is not None]
        now, wall = self._now(), self._clock.wall()
        longest = self._timeout + self.limits.longest_seconds
        # One that cannot be read may be the newest, where those that can are old.
        if len(found) < len(accounts) and not any(spent.is_recent(wall) for spent in found):
            found = []
        if not found:
            self.window.inherit([now + longest] * (self.limits.requests if accounts else 0))
            return not accounts
        # Of each owner its newest. More than one is found where partitions came or went: then it may be too much.
        found.sort(key=lambda each: each.at)
        for spent in {each.owner: each for each in found}.values():
            if spent.owner != self._owner:
                unknown = [spent.last_sent_at(wall) + longest] * spent.unknown
                self.window.inherit(time - wall + now for time in (*spent.free_at, *unknown) if time > wall)
        last = found[-1]
        if last.owner != self._owner:
            self._held_until = max(self._held_until, now + last.held_for(wall))
            if last.working is not None:
                self._working.resume(last.working, now + last.at + last.rises_seconds - wall, now)
        return True

    # What SEEN says of the quota

    def hold(self, seconds: float) -> None:
        """Gives out no slot for so many seconds."""
        self._held_until = max(self._held_until, self._now() + seconds)
        self._changed.set()

    def refused(self, sent_at: float, seconds: float | None) -> bool:
        """A request that left at `sent_at` was one too many (429): gives out no slot for so many seconds, or for a window
        if None, and fewer afterwards. Since no window of ours has too many, someone else sends. Whether that is news.
        """
        self.hold(self.limits.per_seconds if seconds is None else seconds)
        return self._working.refused(sent_at, self.used - self.outside, self._now())

    def _compare(self, remaining: Remaining, known: int) -> None:
        """Corrects our count by SEEN's, downwards only: what SEEN has counted beyond what can be ours, others have sent.

        `known` is `used` less all slots ever noted, as of before the request left: with those noted since, the most that
        SEEN can have counted when it answered. Where SEEN names another limit, it counts something else than we do.
        """
        if remaining.limit not in (None, self.limits.requests):
            return
        others = self.limits.requests - remaining.requests - (known + self._ever)
        if others > 0:
            longest, reset = self.limits.per_seconds, remaining.reset_seconds
            self.window.note(others, self._now() + (longest if reset is None else min(reset, longest)))
            self._ever_noted += others

    @property
    def _ever(self) -> int:
        return self.window.taken + self._ever_noted

    # Figures

    @property
    def used(self) -> int:
        """Slots in use: on the wire, answered less than a window ago, or held for a predecessor or other users."""
        return self.window.used(self._now())

    @property
    def spent(self) -> float:
        """The share of the requests that a window may have now which is in use; 1 is all of them."""
        return self.used / self.working

    @property
    def interval(self) -> float:
        """The seconds from one request to the next, if those of a window are spread evenly over it."""
        return self.limits.per_seconds / self.working

    @property
    def outside(self) -> int:
        """Slots in use that are held for other users, as far as SEEN's answers tell of them."""
        return self.window.noted(self._now())

    @property
    def held_seconds(self) -> float:
        """How long SEEN has asked to send nothing, from now."""
        return max(0.0, self._held_until - self._now())

    @property
    def working(self) -> int:
        """How many requests a window may have now: fewer than the limit while others send too."""
        self._working.rise(self._now())
        return self._working.requests

    @property
    def is_whole(self) -> bool:
        """Whether that is the limit."""
        return self.working == self.limits.requests

    def waiting(self, priority: Priority) -> int:
        """How many requests of this priority wait for a slot."""
        return self._line.waiting(priority)
