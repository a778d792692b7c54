"""The spool: callbacks that Kafka did not acknowledge, on disk until it does. One for the process.

Rules:
 1. The event loop never waits for the disk: a thread of its own does, one thing after the other.
 2. `append` returns when its callback is on the disk. Callbacks that come while one is written are written together.
 3. Each workspace has an equal share of the bytes, so that none can close the door to another's callbacks. What is held of
    workspaces that are not configured any more is taken off before.
 4. What is known of the content in memory does not grow with it: counts for a fixed number of lanes. Keys of one lane are
    taken for one key, which costs nothing but a detour over the disk.
 5. What Kafka has is forgotten at once, also where the disk cannot delete it, as when it is full. It is deleted when the disk
    can, and until then remembered by its number; only a restart before that brings it again.
 6. A disk that failed is tried until it works: nothing else may come to be written that would show that it does.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog

from connector.errors import SpoolUnavailable
from connector.inbound.holding import Holding
from connector.inbound.spoolfile import BATCH_BYTES, BATCH_ROWS, SpoolFile, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from connector.clock import Clock
    from connector.inbound.spoolfile import Row
    from connector.types import Message

T = TypeVar("T")

log = structlog.get_logger()

_USUAL_BYTES = 65_536
_TRY_AGAIN_SECONDS = 5.0  # a disk that failed


class Spool:
    """The spool in `directory`, of at most `max_bytes`, for these workspaces."""

    def __init__(self, directory: Path, max_bytes: int, workspaces: Collection[str], clock: Clock) -> None:
        self.max_bytes = max_bytes
        self._directory = directory
        self._file = SpoolFile(directory, max_bytes)
        self._share = 0
        self._clock = clock
        self._holdings = {name: Holding() for name in workspaces}
        self._foreign: dict[str, Holding] = {}
        self._set_aside: list[str] = []
        self._failure: str | None = "not open yet"
        self._arrived: list[tuple[Waiting, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._published: dict[int, tuple[Holding, int]] = {}  # by number: not deleted yet; and the bytes
        self._mender: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool")

    async def open(self) -> None:
        """Opens the database and counts what it holds.

        A damaged one is set aside, and said. Raises SpoolUnavailable where the folder cannot be used.
        """
        damage = await self._in_thread(self._file.open)
        await self._in_thread(self._count)
        foreign = sum(each.bytes for each in self._foreign.values())
        self._share = max(0, self.max_bytes - foreign) // max(1, len(self._holdings))
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
        if self._mender is not None:
            self._mender.cancel()
            await asyncio.wait([self._mender])
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

    async def append(self, workspace: str, topic: str, message: Message, part: float = 1.0) -> None:
        """Returns when `message` is on the disk. Raises SpoolUnavailable where there is no room, or the disk fails.

        With it, no more than `part` of the workspace's share is used. From the call on the holding counts it; cancelled, it may be on the disk or not.
        """
        waiting = Waiting(workspace, topic, message, self._clock.wall())
        holding = self._holdings[workspace]
        room = int(self._share * part)
        if holding.bytes + waiting.cost > room:
            raise SpoolUnavailable(f"the spool is full: {workspace} has used its {room} bytes")
        holding.add(waiting)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append((waiting, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="spool: write")
        try:
            await done
        finally:
            del done  # it holds the exception, which holds this frame: the message would stay until garbage is looked for

    async def batch(self, workspace: str, topic: str, after: int) -> list[Row]:
        """As `SpoolFile.batch`, without what was forgotten."""
        while rows := await self._in_thread(self._file.batch, workspace, topic, after):
            if waiting := [row for row in rows if row.number not in self._published]:
                return waiting
            after = rows[-1].number
        return []

    async def forget(self, workspace: str, rows: Sequence[Row]) -> None:
        """Forgets rows of one workspace that Kafka has acknowledged, and deletes them: now, or as soon as the disk can."""
        holding = self._holdings[workspace]
        numbers = [row.number for row in rows]
        self._published |= {row.number: (holding, row.waiting.cost) for row in rows}
        with suppress(SpoolUnavailable):
            await self._delete(numbers)
        for row in rows:
            holding.remove(row.waiting)
        with suppress(SpoolUnavailable):  # a figure for people, no more
            oldest = await self._in_thread(self._file.oldest, workspace, holding.topics)
            # What is counted and not written yet is as old as this moment.
            holding.oldest = self._clock.wall() if oldest is None and holding.callbacks else oldest

    async def _delete(self, numbers: Sequence[int]) -> None:
        await self._tried(self._file.delete, numbers)
        for number in numbers:
            if (counted := self._published.pop(number, None)) is not None:  # None: deleted twice at once
                holding, cost = counted
                holding.bytes -= cost

    async def _write(self) -> None:
        while self._arrived:
            batch = self._next_batch()
            error = await self._written([waiting for waiting, _ in batch])
            for waiting, done in batch:
                if error is not None:
                    holding = self._holdings[waiting.workspace]
                    holding.remove(waiting)
                    holding.bytes -= waiting.cost
                if done.done():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def _written(self, batch: list[Waiting]) -> Exception | None:
        """Why `batch` is not on the disk, None if it is. The error's traceback must not know who waits: that is a cycle."""
        try:
            await self._tried(self._file.append, batch)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            return error
        return None

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
            if self._mender is None or self._mender.done():
                self._mender = asyncio.create_task(self._mend(), name="spool: mend")
            raise
        self._failure = None

    async def _mend(self) -> None:
        """Tries the disk until it works and all that Kafka has is deleted."""
        while self._failure is not None or self._published:
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
            with suppress(SpoolUnavailable):
                await self._tried(self._file.probe)
                while numbers := list(self._published)[:BATCH_ROWS]:
                    await self._delete(numbers)

    def _count(self) -> None:
        """Takes stock. Nothing else is done meanwhile."""
        for waiting in self._file.everything():
            known = self._holdings.get(waiting.workspace)
            holding = self._foreign.setdefault(waiting.workspace, Holding()) if known is None else known
            holding.add(waiting)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
