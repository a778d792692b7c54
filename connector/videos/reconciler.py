"""Asking SEEN for videos that are overdue: what it shows is published, what it does not show is asked for again.

Rules:
 1. A look-up leaves only for the workspace's owner, while its lease holds, its ledger is current and SEEN is not suspended:
    asked before the slot is waited for, when it is there, and right before the request is written.
 2. An answer counts only for an id that is still pending, and an owner that still is one, with a ledger that is current.
 3. What SEEN shows is published with the event ids that the callbacks give; what was published ends in the ledger at once.
 4. "No video" is asked again later. The first such answer to a look-up after `give_up_after_seconds` is reported.
 5. No answer says nothing of the video: the id is asked for again, and all look-ups rest, each time longer. A look-up
    suspends nothing: where there is nothing to deliver, no probe would end that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from connector.delivery.request import VERDICTS, Held, heed
from connector.errors import KafkaUnavailable, PublishRefused
from connector.published import (
    VideoOverdue,
    VideoReady,
    video_event_id,
    video_ready_message,
)
from connector.seen.verdict import VideosFound, sight_videos
from connector.types import Absent, Priority, Reason, Retry, Suspend
from connector.videos.facts import WasReady
from connector.videos.overdue import OverdueReports

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.delivery.backoff import Backoff
    from connector.delivery.lease import Lease
    from connector.delivery.request import Permit
    from connector.delivery.suspension import Suspension
    from connector.metrics import WorkspaceMetrics
    from connector.seen.verdict import Exchange, Video, VideoSighting
    from connector.videos.ledger import Ledger
    from connector.videos.overdue import Publisher

log = structlog.get_logger()

LOOK_UPS_AT_ONCE = 4
"""Look-ups on the wire at once, for a slow SEEN."""

_IDLE_SECONDS = 1.0


class Items(Protocol):
    """SEEN, as far as a look-up goes."""

    async def get(self, item_id: str, permit: Permit) -> Exchange:
        """GETs one item. Never raises for what a server does."""
        ...

    async def renew_credentials(self) -> None:
        """Reads the secret anew."""
        ...


class Slots(Held, Protocol):
    """The quota, as look-ups use it."""

    async def slot(self, may_leave: Callable[[], bool], priority: Priority) -> Permit:
        """Waits for the right to send one request of this priority, which lasts as long as `may_leave` says so."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """What look-ups go over: SEEN, the quota, the right to send; and how long they rest after failures."""

    items: Items
    quota: Slots
    lease: Lease
    suspension: Suspension
    rests: Backoff


class Reconciler:
    """The look-ups of one workspace."""

    def __init__(
        self,
        workspace: str,
        way: Way,
        publisher: Publisher,
        videos_topic: str,
        clock: Clock,
        metrics: WorkspaceMetrics,
        chance: Callable[[], float],
    ) -> None:
        """`chance` gives uniform numbers in [0, 1), for the jitter."""
        self._workspace = workspace
        self._way = way
        self._publisher = publisher
        self._topic = videos_topic
        self._clock = clock
        self._metrics = metrics
        self._chance = chance
        self._reports = OverdueReports(workspace, publisher, videos_topic, metrics)
        self._failures = 0
        self._rests_until = float("-inf")
        self._was_refused = False

    async def run(self, ledger: Ledger, is_current: Callable[[], bool]) -> None:
        """Looks up what is due in `ledger`, until cancelled; only while `is_current` says that it can be relied on."""
        async with asyncio.TaskGroup() as group:
            for number in range(LOOK_UPS_AT_ONCE):
                name = f"{self._workspace}: look-ups {number}"
                group.create_task(self._look_up_forever(ledger, is_current), name=name)

    async def _look_up_forever(self, ledger: Ledger, is_current: Callable[[], bool]) -> None:
        while True:
            rests = self._clock.monotonic() < self._rests_until
            video_id = None if rests or not self._may_ask(is_current) else ledger.take_due()
            if video_id is None:
                await asyncio.sleep(_IDLE_SECONDS)
            else:
                await self._look_up(video_id, ledger, is_current)

    def _may_ask(self, is_current: Callable[[], bool]) -> bool:
        holds = self._way.lease.holds(self._clock.monotonic())
        return holds and self._way.suspension.state is None and is_current()

    async def _look_up(self, video_id: str, ledger: Ledger, is_current: Callable[[], bool]) -> None:
        def may_ask() -> bool:
            return self._may_ask(is_current)

        with await self._way.quota.slot(may_ask, Priority.VIDEO) as slot:
            if not may_ask() or not ledger.awaits(video_id):
                slot.unused()
                ledger.put_back(video_id)
                return
            if self._was_refused:
                await self._way.items.renew_credentials()
            sent_at, asked_at = self._clock.monotonic(), self._clock.wall()
            sighting = sight_videos(await self._way.items.get(video_id, slot), video_id)
        seconds = self._clock.monotonic() - sent_at
        self._note(sighting, sent_at, seconds)
        holds = self._way.lease.holds(self._clock.monotonic())
        if sighting.reason is Reason.LEASE_LOST or not (holds and is_current()):
            ledger.put_back(video_id)
            decision = "dropped: no longer the owner, or not yet again"
        else:
            decision = await self._decide(video_id, sighting, asked_at, ledger)
        log.info(
            "video_looked_up",
            workspace=self._workspace,
            id=video_id,
            verdict=_verdict(sighting),
            reason=sighting.reason,
            status=sighting.status,
            seconds=round(seconds, 4),
            decision=decision,
        )

    def _note(self, sighting: VideoSighting, sent_at: float, seconds: float) -> None:
        """Counts the answer, and heeds what it says of the quota and of SEEN."""
        self._metrics.attempt(_verdict(sighting), sighting.reason)
        self._metrics.attempt_seconds.observe(seconds)
        self._was_refused = isinstance(sighting, Suspend)
        if isinstance(sighting, Retry):
            heed(sighting, sent_at, self._way.quota, self._workspace, self._metrics)
        if isinstance(sighting, VideosFound | Absent):
            self._failures = 0
        elif sighting.reason is not Reason.LEASE_LOST:
            self._failures += 1
            rest = self._way.rests.delay(self._failures, self._chance())
            self._rests_until = max(self._rests_until, self._clock.monotonic() + rest)

    async def _decide(self, video_id: str, sighting: VideoSighting, asked_at: float, ledger: Ledger) -> str:
        """What is done about the answer, in words for the log."""
        if not ledger.awaits(video_id):
            return "nothing: its callback came meanwhile"
        try:
            if isinstance(sighting, VideosFound):
                return await self._publish_found(video_id, sighting.videos, ledger)
            accepted_at = ledger.given_up(video_id, asked_at)
            if isinstance(sighting, Absent) and accepted_at is not None:
                await self._reports.publish(VideoOverdue(video_id, accepted_at, asked_at), ledger)
                return "reported overdue"
        except (KafkaUnavailable, PublishRefused) as error:
            self._reports.failed(error)
        return f"again in {ledger.asked(video_id, self._clock.wall()):.0f} s"

    async def _publish_found(self, video_id: str, videos: tuple[Video, ...], ledger: Ledger) -> str:
        now = self._clock.wall()
        found = [
            VideoReady(
                id=video_id,
                found_by="reconciliation",
                received_at=now,
                raw=each.raw,
                player_url=each.player_url,
                thumbnail_url=each.thumbnail_url,
                email_thumbnail_url=each.email_thumbnail_url,
            )
            for each in videos
        ]
        for video in found:
            await self._publisher.publish(self._topic, video_ready_message(self._workspace, video))
            self._metrics.video_ready(video.found_by)
        # Only when all of them are durable: until then it is pending, and comes again.
        for video in found:
            event_id = video_event_id(self._workspace, video)
            ledger.heed(WasReady(video_id, now, event_id, reconciled=True))
        return f"published: {len(found)}"


def _verdict(sighting: VideoSighting) -> str:
    return "accepted" if isinstance(sighting, VideosFound) else VERDICTS[type(sighting)]
