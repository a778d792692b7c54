"""The spool: callbacks that Kafka did not acknowledge, on disk until it does. One for the process.

Rules:
 1. The event loop never waits for the disk: a thread of its own does, one thing after the other.
 2. `append` returns when its callback is on the disk. Callbacks that come while one is written are written together.
 3. Each workspace has an equal share of the bytes, so that none can close the door to another's callbacks.
 4. What is known of the content in memory does not grow with it: counts for a fixed number of lanes. Keys of one lane are
    taken for one key, which costs nothing but a detour over the disk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog

from connector.errors import SpoolUnavailable
from connector.inbound.spoolfile import BATCH_BYTES, SpoolFile, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from connector.clock import Clock
    from connector.inbound.spoolfile import Row
    from connector.types import Message

T = TypeVar("T")

log = structlog.get_logger()

_LANES = 4_096
_USUAL_BYTES = 65_536


class Holding:
    """What the spool holds of one workspace: `callbacks`, their `bytes` on the disk, when the `oldest` was spooled."""

    def __init__(self) -> None:
        self.bytes = 0
        self.oldest: float | None = None
        self._topics: Counter[str] = Counter()
        self._lanes = [0] * _LANES

    @property
    def callbacks(self) -> int:
        """How many there are."""
        return self._topics.total()

    @property
    def topics(self) -> list[str]:
        """The topics that they are for."""
        return [topic for topic, callbacks in self._topics.items() if callbacks]

    def has_topic(self, topic: str) -> bool:
        """Whether there is one for this topic."""
        return self._topics[topic] > 0

    def may_have(self, topic: str, key: bytes) -> bool:
        """False only if there is none of this key."""
        return self._lanes[_lane(topic, key)] > 0

    def add(self, waiting: Waiting) -> None:
        """Counts one more."""
        self._change(waiting, 1)
        if self.oldest is None:
            self.oldest = waiting.spooled_at

    def remove(self, waiting: Waiting) -> None:
        """Counts one less. Whoever knows which is the oldest now says it."""
        self._change(waiting, -1)
        if not self.callbacks:
            self.oldest = None

    def _change(self, waiting: Waiting, sign: int) -> None:
        self.bytes += sign * waiting.cost
        self._topics[waiting.topic] += sign
        if waiting.message.key is not None:
            self._lanes[_lane(waiting.topic, waiting.message.key)] += sign


class Spool:
    """The spool in `directory`, of at most `max_bytes`, for these workspaces."""

    def __init__(self, directory: Path, max_bytes: int, workspaces: Collection[str], clock: Clock) -> None:
        self.max_bytes = max_bytes
        self._directory = directory
        self._file = SpoolFile(directory, max_bytes)
        self._share = max_bytes // max(1, len(workspaces))
        self._clock = clock
        self._holdings = {name: Holding() for name in workspaces}
        self._foreign: dict[str, Holding] = {}
        self._set_aside: list[str] = []
        self._failure: str | None = "not open yet"
        self._arrived: list[tuple[Waiting, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")

    async def open(self) -> None:
        """Opens the database and counts what it holds.

        A damaged one is set aside, and said. Raises SpoolUnavailable where the folder cannot be used.
        """
        damage = await self._in_thread(self._file.open)
        await self._in_thread(self._count)
        self._set_aside = await self._in_thread(self._file.set_aside)
        self._failure = None
        if damage is not None:
            log.error("spool_set_aside", files=self._set_aside, why=damage)
        for name, holding in self._foreign.items():
            log.warning("spool_of_unconfigured_workspace", workspace=name, callbacks=holding.callbacks)
        log.info("spool_opened", directory=str(self._directory), callbacks=self.callbacks, bytes=self.bytes)

    async def close(self) -> None:
        """Writes what has arrived, and closes the database."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        self._failure = "closed"
        try:
            await self._in_thread(self._file.close)
        except SpoolUnavailable as error:
            log.error("spool_failed", why=str(error))
        self._thread.shutdown(wait=False)

    # What is in it

    @property
    def callbacks(self) -> int:
        """How many callbacks wait, those of workspaces that are not configured included."""
        return sum(each.callbacks for each in (*self._holdings.values(), *self._foreign.values()))

    @property
    def bytes(self) -> int:
        """The most bytes that they take."""
        return sum(each.bytes for each in (*self._holdings.values(), *self._foreign.values()))

    @property
    def failure(self) -> str | None:
        """Why the disk took nothing the last time that it was to, None if it did."""
        return self._failure

    @property
    def trouble(self) -> str | None:
        """What somebody must see to, None if nothing."""
        troubles = [] if self._failure is None else [self._failure]
        if self._set_aside:
            troubles.append(f"damaged, and set aside: {', '.join(self._set_aside)}")
        troubles += [
            f"{holding.callbacks} callbacks of {name}, which is not configured"
            for name, holding in self._foreign.items()
        ]
        return "; ".join(troubles) or None

    def holding(self, workspace: str) -> Holding:
        """What it holds of a workspace that is configured."""
        return self._holdings[workspace]

    def has_room(self, workspace: str) -> bool:
        """Whether the workspace's share has room for a callback of a usual size."""
        return self._holdings[workspace].bytes + _USUAL_BYTES <= self._share

    # What goes in and out

    async def append(self, workspace: str, topic: str, message: Message) -> None:
        """Returns when `message` is on the disk. Raises SpoolUnavailable where there is no room, or the disk fails.

        From the call on the holding counts it; cancelled, it may be on the disk or not.
        """
        waiting = Waiting(workspace, topic, message, self._clock.wall())
        holding = self._holdings[workspace]
        if holding.bytes + waiting.cost > self._share:
            raise SpoolUnavailable(f"the spool is full: {workspace} has used its {self._share} bytes")
        holding.add(waiting)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append((waiting, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="spool: write")
        await done

    async def batch(self, workspace: str, topic: str, after: int) -> list[Row]:
        """As `SpoolFile.batch`."""
        return await self._in_thread(self._file.batch, workspace, topic, after)

    async def delete(self, workspace: str, rows: Sequence[Row]) -> None:
        """Forgets rows of one workspace that Kafka has acknowledged. Raises SpoolUnavailable."""
        await self._tried(self._file.delete, [row.number for row in rows])
        holding = self._holdings[workspace]
        for row in rows:
            holding.remove(row.waiting)
        with suppress(SpoolUnavailable):  # a figure for people, no more
            oldest = await self._in_thread(self._file.oldest, workspace, holding.topics)
            # What is counted and not written yet is as old as this moment.
            holding.oldest = self._clock.wall() if oldest is None and holding.callbacks else oldest

    async def _write(self) -> None:
        while self._arrived:
            batch = self._next_batch()
            try:
                await self._tried(self._file.append, [waiting for waiting, _ in batch])
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
                for waiting, done in batch:
                    self._holdings[waiting.workspace].remove(waiting)
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)

    def _next_batch(self) -> list[tuple[Waiting, asyncio.Future[None]]]:
        """What is written next: the first that arrived, and as many more as make `BATCH_BYTES`."""
        size = count = 0
        while count < len(self._arrived) and size < BATCH_BYTES:
            size += self._arrived[count][0].cost
            count += 1
        batch, self._arrived = self._arrived[:count], self._arrived[count:]
        return batch

    async def _tried(self, write: Callable[..., None], *arguments: object) -> None:
        """Writes, and remembers whether the disk took it."""
        try:
            await self._in_thread(write, *arguments)
        except SpoolUnavailable as error:
            self._failure = str(error)
            log.error("spool_failed", why=self._failure)
            raise
        self._failure = None

    def _count(self) -> None:
        """Takes stock. Nothing else is done meanwhile."""
        for waiting in self._file.everything():
            known = self._holdings.get(waiting.workspace)
            holding = self._foreign.setdefault(waiting.workspace, Holding()) if known is None else known
            holding.add(waiting)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _lane(topic: str, key: bytes) -> int:
    return hash((topic, key)) % _LANES
