"""The hosts of images: how many looks each may have at once, and which of them does not answer.

Rules:
 1. Those that wait for a host that is slow take no room from others.
 2. A host fails from its first look that found nothing out until one that does. What fails for as long as a link is tried
    is given up: from then on one look in some seconds shows whether it is back, and links fail without one. So a host that
    is away holds up those who wait for it once, and not each of them anew.
 3. One link that never works says nothing of the others: until three have failed, the host is given up for these alone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from connector.seen.imageanswer import ImageFinding
from connector.types import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_WAIT_SECONDS = 30.0
"""Between two tries of a link."""

_PROBE_SECONDS = 10.0
_SILENCE_SECONDS = 3 * LONGEST_WAIT_SECONDS
_ENOUGH_LINKS = 3
_MOST_IDLE = 1000


class Host:
    """One host. Times are the caller's monotonic seconds, links are named by a hash."""

    def __init__(self, looks_at_once: int) -> None:
        self.free = asyncio.Semaphore(looks_at_once)
        self.users = 0
        self._failure: ImageFinding | None = None
        self._failed: set[bytes] = set()
        self._failing_since = 0.0
        self._failed_at = 0.0
        self._next_look = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether the last look found nothing out."""
        return self._failure is not None

    def found(self, link: bytes, finding: ImageFinding, now: float) -> None:
        """Notes what a look at `link` has found."""
        if finding.is_passing:
            # One that failed long ago says nothing of the time since.
            if self._failure is None or now - self._failed_at > _SILENCE_SECONDS:
                self._failing_since = now
                self._failed.clear()
            if len(self._failed) < _ENOUGH_LINKS:
                self._failed.add(link)
            self._failure, self._failed_at = finding, now
            self._next_look = now + _PROBE_SECONDS
        elif finding.result is not ImageResult.NOT_ALLOWED:  # then nobody was asked
            self._failure = None

    def may_look(self, link: bytes, give_up_after_seconds: float, now: float) -> bool:
        """Whether a look at `link` may be had now: where the host is given up for it, one in some seconds."""
        has_failed = self._failure is not None and now - self._failing_since >= give_up_after_seconds
        is_meant = link in self._failed or len(self._failed) >= _ENOUGH_LINKS
        if has_failed and is_meant and now < self._next_look:
            return False
        self._next_look = now + _PROBE_SECONDS  # until it is known what this one finds
        return True

    @property
    def given_up(self) -> ImageFinding:
        """What is found of a link without a look. Raises RuntimeError where the host does not fail."""
        if self._failure is None:
            raise RuntimeError("the host does not fail")
        seconds = self._failed_at - self._failing_since
        detail = f"its host has not answered for {seconds:.0f} s: {self._failure.detail}"
        return ImageFinding(self._failure.result, detail)


class Hosts:
    """The hosts that are looked at, and a thousand of those that were."""

    def __init__(self, looks_at_once: int) -> None:
        """`looks_at_once` is for each host."""
        self._looks_at_once = looks_at_once
        self._used: dict[str, Host] = {}
        self._idle: OrderedDict[str, Host] = OrderedDict()

    def __len__(self) -> int:
        """How many are known."""
        return len(self._used) + len(self._idle)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[Host]:
        """Waits for room for one look at the host `name`."""
        if (host := self._used.get(name)) is None:
            host = self._idle.pop(name) if name in self._idle else Host(self._looks_at_once)
            self._used[name] = host
        host.users += 1
        try:
            async with host.free:
                yield host
        finally:
            host.users -= 1
            if not host.users:
                self._rest(name)

    def _rest(self, name: str) -> None:
        self._idle[name] = self._used.pop(name)
        if len(self._idle) > _MOST_IDLE:
            self._idle.popitem(last=False)
