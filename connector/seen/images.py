"""Looking at the images of a workspace: each link once at a time, few at once, remembered for a while.

Rules:
 1. A link that several events wait for is looked at once.
 2. What was found is remembered, a good image for `cache_seconds`, a bad one for a minute at most: it may be put right. What
    says nothing of the image is not remembered.
 3. Where nothing was found out, it is tried again, at intervals that double, until `give_up_after_seconds` have passed
    since the first try. Where its host has failed for so long, that is what was found (`imagehosts`).
 4. At most `max_at_once` looks at once, a quarter of them at one host, and half of them at hosts that fail: those that are
    slow leave room for the others.
 5. A look that nobody waits for any more is ended.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from connector.seen.imagehosts import LONGEST_WAIT_SECONDS, Hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.metrics import WorkspaceMetrics
    from connector.seen.imageanswer import ImageFinding

_FIRST_WAIT_SECONDS = 1.0
_BAD_FOR_SECONDS = 60.0
_SHARE_OF_A_HOST = 4
_SHARE_OF_FAILING = 2


class Client(Protocol):
    """What looks at an image."""

    async def look(self, link: str) -> ImageFinding:
        """What is at `link`. Never raises for what a host does."""
        ...


@dataclass(frozen=True, slots=True)
class LookLimits:
    """How long a link is tried and what was found is remembered, how much of that, and how many looks at once."""

    give_up_after_seconds: float
    cache_seconds: float
    max_cached: int
    max_at_once: int


@dataclass(slots=True)
class _Search:
    """A link that is being looked at, and how many wait for it."""

    task: asyncio.Task[ImageFinding]
    waiting: int = 0


class Images:
    """The images of one workspace."""

    def __init__(
        self,
        client: Client,
        limits: LookLimits,
        clock: Clock,
        metrics: WorkspaceMetrics,
        chance: Callable[[], float],
    ) -> None:
        """`chance` gives uniform numbers in [0, 1), for the jitter."""
        self._client = client
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._chance = chance
        self._searches: dict[bytes, _Search] = {}
        self._known: OrderedDict[bytes, tuple[ImageFinding, float]] = OrderedDict()
        self._free = asyncio.Semaphore(limits.max_at_once)
        self._free_for_failing = asyncio.Semaphore(max(1, limits.max_at_once // _SHARE_OF_FAILING))
        self._hosts = Hosts(max(1, limits.max_at_once // _SHARE_OF_A_HOST))

    async def find(self, link: str) -> ImageFinding:
        """What is at `link`, as it was found at most `cache_seconds` ago. Ends within the limit, whatever its host does."""
        key = hashlib.sha256(link.encode("utf-8", "surrogatepass")).digest()  # links may be long, and private
        if (known := self._remembered(key)) is not None:
            return known
        search = self._searches.get(key)
        if search is None:
            task = asyncio.create_task(self._search(key, link), name="image")
            search = self._searches[key] = _Search(task)
        search.waiting += 1
        try:
            await asyncio.wait([search.task])
        finally:
            search.waiting -= 1
            if not search.waiting:
                del self._searches[key]
                search.task.cancel()
        return search.task.result()

    async def _search(self, key: bytes, link: str) -> ImageFinding:
        found = await self._until_found(key, link)
        self._metrics.image_looked_at(found.result)
        self._remember(key, found)
        return found

    async def _until_found(self, key: bytes, link: str) -> ImageFinding:
        limit, tries = self._limits.give_up_after_seconds, 0
        began_at: float | None = None
        while True:
            async with self._hosts.turn(urlsplit(link).hostname or "") as host:
                if not host.may_look(key, limit, self._clock.monotonic()):
                    return host.given_up
                async with self._free_for_failing if host.is_failing else nullcontext(), self._free:
                    began_at = self._clock.monotonic() if began_at is None else began_at
                    found = await self._client.look(link)
                now = self._clock.monotonic()
                host.found(key, found, now)
            if not found.is_passing:
                return found
            tries += 1
            wait = max(self._wait(tries), found.retry_after_seconds or 0.0)
            if now - began_at + wait >= limit:
                detail = (
                    f"it could not be looked at (tries: {tries}, in {now - began_at:.0f} s): {found.detail}"
                )
                return replace(found, detail=detail)
            await asyncio.sleep(wait)

    def _wait(self, tries: int) -> float:
        ceiling = min(LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(tries - 1, 16))
        return ceiling * (1 + self._chance()) / 2

    def _remembered(self, key: bytes) -> ImageFinding | None:
        found, until = self._known.get(key, (None, 0.0))
        return found if self._clock.monotonic() < until else None

    def _remember(self, key: bytes, found: ImageFinding) -> None:
        if found.is_passing:
            return
        seconds = self._limits.cache_seconds
        if not found.is_good:
            seconds = min(seconds, _BAD_FOR_SECONDS)
        self._known[key] = (found, self._clock.monotonic() + seconds)
        self._known.move_to_end(key)
        if len(self._known) > self._limits.max_cached:
            self._known.popitem(last=False)
