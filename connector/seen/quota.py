"""The quota of one workspace: whoever sends a request waits here for a slot.

`window` proves that the quota is never exceeded; the pacer only spreads a burst, at five times the mean rate, so that
it leaves as a stream. The slot is taken after the pacer: the pacer never admits what the window would not.

What is spent is written down with each commit, for the next owner. Between two of them at most `ahead` requests leave,
so the next owner knows how many it cannot have read of.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from aiolimiter import AsyncLimiter

from connector.seen.spent import Spent, decode, encode, rounded
from connector.seen.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from connector.clock import Clock

_BURST_SHARE = 10
_PACE_SHARE = 50


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """`requests` in every window of `per_seconds`; `grace_seconds` is how late an unanswered request may still arrive."""

    requests: int
    per_seconds: float
    grace_seconds: float

    @property
    def longest_seconds(self) -> float:
        """How long a slot may be held after its request was given up."""
        return self.per_seconds + self.grace_seconds


class Permit(Protocol):
    """The right to send one request, as the sender sees it: it says what became of the request."""

    def may_leave(self) -> bool:
        """Whether the request may still be written; asked right before."""
        ...

    def answered(self) -> None:
        """The response has ended."""
        ...

    def unused(self) -> None:
        """Nothing was written."""
        ...


class Slot:
    """A `Permit` for one request. Left without a word, it counts as unanswered: the safe side."""

    __slots__ = ("_quota", "_returned", "may_leave")

    def __init__(self, quota: Quota, may_leave: Callable[[], bool]) -> None:
        self._quota = quota
        self._returned = False
        self.may_leave = may_leave

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._returned:
            self._returned = True
            self._quota.window.unanswered(self._quota.now())
            self._quota.changed()

    def answered(self) -> None:
        """The response has ended. Further words about this slot count for nothing."""
        if not self._returned:
            self._returned = True
            self._quota.window.answered(self._quota.now())
            self._quota.changed()

    def unused(self) -> None:
        """Nothing was written. Further words about this slot count for nothing."""
        if not self._returned:
            self._returned = True
            self._quota.window.unused()
            self._quota.changed()


class Quota:
    """Slots for the requests of one workspace, first come, first served.

    At most `ahead` of them are given out beyond the last account that was acknowledged.
    """

    def __init__(
        self, limits: QuotaLimits, clock: Clock, *, owner: str, ahead: int, timeout_seconds: float
    ) -> None:
        """`owner` tells our own accounts from those of others; a request takes at most `timeout_seconds`."""
        self.limits = limits
        self.window = Window(limits.requests, limits.per_seconds, limits.grace_seconds)
        self._clock = clock
        self._owner = owner
        self._ahead = ahead
        self._timeout = timeout_seconds
        self._written = self._acknowledged = 0
        self._pacer = AsyncLimiter(max(1.0, limits.requests / _BURST_SHARE), limits.per_seconds / _PACE_SHARE)
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._held_until = 0.0

    async def slot(self, may_leave: Callable[[], bool]) -> Slot:
        """Waits for a slot, as long as it takes; a cancelled wait leaks none. The caller leaves it as a context.

        `may_leave` is asked once more, right before the request is written.
        """
        async with self._turn:
            await self._pacer.acquire()
            while not self._take():
                await self._wait()
        return Slot(self, may_leave)

    def _take(self) -> bool:
        now = self.now()
        return now >= self._held_until and self.unaccounted < self._ahead and self.window.take(now)

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
        wall, now = self._clock.wall(), self.now()
        free = rounded((time - now + wall for time in self.window.free_at()), self.limits.longest_seconds)
        unknown = self.window.on_wire + (0 if final else self._ahead)
        return encode(Spent(self._owner, wall, free, unknown))

    def acknowledged(self) -> None:
        """The account that was written last is where the next owner finds it."""
        self._acknowledged = self._written
        self.changed()

    def take_over(self, accounts: Collection[bytes]) -> bool:
        """Goes on from what was found; False if it says nothing clear, so that all must be taken for spent.

        No account at all: nothing was ever sent.
        """
        found = [spent for spent in map(decode, accounts) if spent is not None]
        now, wall = self.now(), self._clock.wall()
        longest = self._timeout + self.limits.longest_seconds
        if not found:
            self.window.inherit([now + longest] * (self.limits.requests if accounts else 0))
            return not accounts
        # Of each owner its newest. More than one is found where partitions came or went: then it may be too much.
        for spent in {each.owner: each for each in sorted(found, key=lambda each: each.at)}.values():
            if spent.owner != self._owner:
                unknown = [spent.last_sent_at(wall) + longest] * spent.unknown
                self.window.inherit(time - wall + now for time in (*spent.free_at, *unknown) if time > wall)
        return True

    def hold(self, seconds: float | None) -> None:
        """Gives out no slot for `seconds`, or for a window if None: SEEN said that it is enough."""
        wait = self.limits.per_seconds if seconds is None else seconds
        self._held_until = max(self._held_until, self.now() + wait)
        self.changed()

    @property
    def used(self) -> int:
        """Slots in use: on the wire, or answered less than a window ago."""
        return self.window.used(self.now())

    def now(self) -> float:
        """The quota's time, in monotonic seconds."""
        return self._clock.monotonic()

    def changed(self) -> None:
        """Has whoever waits for a slot look again."""
        self._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        now = self.now()
        until = self._held_until if now < self._held_until else self._next_free()
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - now)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _next_free(self) -> float | None:
        """None if something must happen first: the end of a request, or an acknowledged account."""
        return self.window.next_free() if self.unaccounted < self._ahead else None
