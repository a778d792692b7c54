"""The quota of one workspace: whoever sends a request waits here for a slot.

`window` proves that the quota is never exceeded; the pacer only spreads a burst, at five times the mean rate, so that
it leaves as a stream. The slot is taken after the pacer: the pacer never admits what the window would not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from aiolimiter import AsyncLimiter

from connector.seen.window import Window

if TYPE_CHECKING:
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


class Permit(Protocol):
    """The right to send one request, as the sender sees it: it says what became of the request."""

    def answered(self) -> None:
        """The response has ended."""
        ...

    def unused(self) -> None:
        """Nothing was written."""
        ...


class Slot:
    """A `Permit` for one request. Left without a word, it counts as unanswered: the safe side."""

    __slots__ = ("_quota", "_returned")

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._returned = False

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
    """Slots for the requests of one workspace, first come, first served."""

    def __init__(self, limits: QuotaLimits, clock: Clock) -> None:
        self.limits = limits
        self.window = Window(limits.requests, limits.per_seconds, limits.grace_seconds)
        self._clock = clock
        self._pacer = AsyncLimiter(max(1.0, limits.requests / _BURST_SHARE), limits.per_seconds / _PACE_SHARE)
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._held_until = 0.0

    async def slot(self) -> Slot:
        """Waits for a slot, as long as it takes; a cancelled wait leaks none. The caller leaves it as a context."""
        async with self._turn:
            await self._pacer.acquire()
            while self.now() < self._held_until or not self.window.take(self.now()):
                await self._wait()
        return Slot(self)

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
        until = self._held_until if now < self._held_until else self.window.next_free()
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - now)):
                await self._changed.wait()
        except TimeoutError:
            return
