"""The watch over one workspace's videos: follows its topics into the ledger, and has overdue videos looked up.

Rules:
 1. Only the owner of the workspace keeps a ledger. One that is owner again within a minute, as after a rebalance, goes on
    with the ledger that it has.
 2. A ledger is current once it has heeded all that was in the topics when the workspace became ours. Nothing is looked up
    before: what a predecessor has published must not be published again.
 3. Deliveries wait for none of it. Where the topics cannot be read, that is said, and the ledger is begun anew.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from connector.delivery.backoff import Backoff
from connector.errors import ConsumerStalled, KafkaUnavailable, TopicsMissing
from connector.videos.facts import fact_of
from connector.videos.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.clock import Clock
    from connector.metrics import WorkspaceMetrics
    from connector.types import Record
    from connector.videos.ledger import LedgerLimits

log = structlog.get_logger()

_POLL_SECONDS = 1.0
_REST_SECONDS = 0.2
_IDLE_SECONDS = 1.0
_LINGER_SECONDS = 60.0
_AIM_SECONDS = 30.0
_RETRY_SECONDS = 5.0
_RESTARTS = Backoff(1.0, 60.0)


class Reconciling(Protocol):
    """What becomes of videos that are overdue."""

    async def run(self, ledger: Ledger, is_current: Callable[[], bool]) -> None:
        """Sees to what is due in `ledger`, until cancelled; only while `is_current` says that it can be relied on."""
        ...


class Topics(Protocol):
    """The outcomes and the videos topic, from a time on. All but `stop` raise KafkaUnavailable or ConsumerStalled."""

    async def start(self, since: float) -> None:
        """Begins with what was written since (Unix seconds). Raises TopicsMissing, too."""
        ...

    async def poll(self, seconds: float) -> list[Record]:
        """The next records, within `seconds`."""
        ...

    async def aim(self) -> None:
        """Notes where the topics end."""
        ...

    async def arrived(self) -> bool:
        """Whether all has been given that was there at the last `aim`."""
        ...

    async def stop(self) -> None:
        """Disconnects."""
        ...


async def ledger_now(topics: Topics, workspace: str, limits: LedgerLimits, now: float) -> Ledger:
    """The ledger of `workspace` as of `now` (Unix seconds), for whoever only looks. Raises what `topics` raises."""
    ledger = Ledger(limits)
    try:
        await topics.start(now - limits.horizon_seconds)
        while not await topics.arrived():
            _heed(await topics.poll(_POLL_SECONDS), workspace, ledger)
    finally:
        await topics.stop()
    ledger.advance(now)
    return ledger


class Watch:
    """The watch over one workspace's videos."""

    def __init__(
        self,
        workspace: str,
        topics: Callable[[], Topics],
        limits: LedgerLimits,
        reconciler: Reconciling,
        ownership: Callable[[], object | None],
        clock: Clock,
        metrics: WorkspaceMetrics,
    ) -> None:
        """`ownership` is an object that is another one each time the workspace becomes ours, None while it is not."""
        self._workspace = workspace
        self._topics = topics
        self._limits = limits
        self._reconciler = reconciler
        self._ownership = ownership
        self._clock = clock
        self._metrics = metrics
        self._ledger: Ledger | None = None
        self._is_rebuilt = False
        self._aimed_for: object | None = None
        self._aimed_at = 0.0
        self._current_for: object | None = None
        self._counted = (0, 0, 0)
        self._trouble: str | None = None

    # What others see

    @property
    def is_current(self) -> bool:
        """Whether the ledger holds all that was published before the workspace became ours."""
        return self._current_for is not None and self._current_for is self._ownership()

    @property
    def trouble(self) -> str | None:
        """Why there is no ledger that can be relied on, where the workspace is ours."""
        return None if self._ownership() is None else self._trouble

    @property
    def state(self) -> str | None:
        """`current`, `rebuilding`, or why there is no ledger; None where another replica has it."""
        if self._ownership() is None:
            return None
        return self.trouble or ("current" if self.is_current else "rebuilding")

    def figures(self) -> dict[str, float]:
        """The gauges of the ledger, 0 while it is not current."""
        ledger = self._ledger if self.is_current else None
        return {
            "pending_videos": ledger.pending if ledger else 0,
            "overdue_videos": ledger.overdue if ledger else 0,
        }

    # Life

    async def run(self) -> None:
        """Watches until cancelled."""
        failures = 0
        while True:
            if self._ownership() is None:
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            try:
                await self._keep(self._topics(), Ledger(self._limits))
                failures, self._trouble = 0, None
            except (KafkaUnavailable, ConsumerStalled, TopicsMissing) as error:
                self._note_trouble(error)
                failures += 1
                await asyncio.sleep(_RESTARTS.ceiling(failures))

    async def _keep(self, topics: Topics, ledger: Ledger) -> None:
        """Keeps `ledger` for as long as the workspace is ours."""
        self._ledger, self._aimed_for, self._is_rebuilt = ledger, None, False
        name = f"{self._workspace}: reconcile"
        reconciling = asyncio.create_task(self._reconciler.run(ledger, lambda: self.is_current), name=name)
        try:
            await topics.start(self._clock.wall() - self._limits.horizon_seconds)
            await self._follow(topics, ledger, reconciling)
        finally:
            self._ledger = self._current_for = None
            reconciling.cancel()
            await asyncio.wait([reconciling])
            await topics.stop()

    async def _follow(self, topics: Topics, ledger: Ledger, reconciling: asyncio.Task[None]) -> None:
        started_at = ours_at = self._clock.monotonic()
        records = 0
        while True:
            now = self._clock.monotonic()
            ours_at = ours_at if self._ownership() is None else now
            if now - ours_at >= _LINGER_SECONDS:
                return
            if reconciling.done():
                reconciling.result()  # it ends by a bug only, which is the workspace's end
            try:
                records += await self._read(topics, ledger)
            except KafkaUnavailable as error:
                self._note_trouble(error)
                self._aimed_for = self._current_for = None
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if self.is_current and not self._is_rebuilt:
                self._note_rebuilt(ledger, records, self._clock.monotonic() - started_at)
            # A poll that found records at once may not have let the others run. Whoever is current can wait for more: one
            # fetch for many records costs a fraction of one for each.
            await asyncio.sleep(_REST_SECONDS if self.is_current else 0)

    async def _read(self, topics: Topics, ledger: Ledger) -> int:
        """Reads on; returns how many records there were."""
        now, ownership = self._clock.monotonic(), self._ownership()
        if ownership is not self._aimed_for or now - self._aimed_at >= _AIM_SECONDS:
            await topics.aim()
            self._aimed_at, self._aimed_for = now, ownership
        records = await topics.poll(_POLL_SECONDS)
        _heed(records, self._workspace, ledger)
        if await topics.arrived():
            self._current_for, self._trouble = self._aimed_for, None
        if self._is_rebuilt:
            ledger.advance(self._clock.wall())
            self._count(ledger)
        return len(records)

    def _count(self, ledger: Ledger) -> None:
        counts = (ledger.untracked, ledger.unmatched, ledger.mismatched)
        if self._ownership() is None:  # whoever is the owner counts it
            self._counted = counts
            return
        metrics = self._metrics
        series = (metrics.videos_untracked, metrics.videos_unmatched, metrics.videos_mismatched)
        for counter, count, before in zip(series, counts, self._counted, strict=True):
            counter.inc(count - before)
        self._counted = counts

    def _note_rebuilt(self, ledger: Ledger, records: int, seconds: float) -> None:
        self._is_rebuilt = True
        ledger.advance(self._clock.wall())
        # What a ledger counts while it is rebuilt was counted by whoever had it before.
        self._counted = (ledger.untracked, ledger.unmatched, ledger.mismatched)
        log.info(
            "ledger_rebuilt",
            workspace=self._workspace,
            records=records,
            pending=ledger.pending,
            overdue=ledger.overdue,
            untracked=ledger.untracked,
            seconds=round(seconds, 3),
        )

    def _note_trouble(self, error: Exception) -> None:
        self._trouble = str(error)
        log.warning("ledger_interrupted", workspace=self._workspace, why=str(error))


def _heed(records: Sequence[Record], workspace: str, ledger: Ledger) -> None:
    for record in records:
        if (fact := fact_of(record, workspace)) is not None:
            ledger.heed(fact)
