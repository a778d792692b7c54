"""Reporting videos that did not come: once each, and ended in the ledger with that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from connector.errors import KafkaUnavailable, PublishRefused
from connector.published import VideoOverdue, video_overdue_message
from connector.videos.facts import WasOverdue

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.delivery.lease import Lease
    from connector.metrics import WorkspaceMetrics
    from connector.types import Message
    from connector.videos.ledger import Ledger

log = structlog.get_logger()

_IDLE_SECONDS = 1.0


class Publisher(Protocol):
    """Where what is told of videos becomes durable."""

    async def publish(self, topic: str, message: Message) -> None:
        """Returns when `message` is durable. Raises KafkaUnavailable or PublishRefused."""
        ...


class OverdueReports:
    """The reports of one workspace."""

    def __init__(self, workspace: str, publisher: Publisher, topic: str, metrics: WorkspaceMetrics) -> None:
        self._workspace = workspace
        self._publisher = publisher
        self._topic = topic
        self._metrics = metrics

    async def publish(self, video: VideoOverdue, ledger: Ledger) -> None:
        """Reports `video`, which is no longer pending then. Raises KafkaUnavailable or PublishRefused."""
        await self._publisher.publish(self._topic, video_overdue_message(self._workspace, video))
        ledger.heed(WasOverdue(video.id, video.given_up_at, video.accepted_at))
        self._metrics.videos_reported_overdue.inc()
        pending = round(video.given_up_at - video.accepted_at)
        log.warning("video_overdue", workspace=self._workspace, id=video.id, pending_seconds=pending)

    def failed(self, error: KafkaUnavailable | PublishRefused) -> None:
        """What was to be told of a video could not be published: counted, and said."""
        self._metrics.publish_failures.inc()
        log.warning("publish_failed", workspace=self._workspace, topic=self._topic, why=str(error))


class Unasked:
    """Stands in for the reconciler where SEEN cannot be asked (SEEN API 1.0): what does not come is reported in its time."""

    def __init__(self, reports: OverdueReports, lease: Lease, clock: Clock) -> None:
        self._reports = reports
        self._lease = lease
        self._clock = clock

    async def run(self, ledger: Ledger, is_current: Callable[[], bool]) -> None:
        """Reports what is given up in `ledger`, until cancelled; only while `is_current` says that it can be relied on."""
        while True:
            may_report = self._lease.holds(self._clock.monotonic()) and is_current()
            video_id = ledger.take_due() if may_report else None
            if video_id is None:
                await asyncio.sleep(_IDLE_SECONDS)
            else:
                await self._consider(video_id, ledger)

    async def _consider(self, video_id: str, ledger: Ledger) -> None:
        now = self._clock.wall()
        accepted_at = ledger.given_up(video_id, now)
        try:
            if accepted_at is not None:
                await self._reports.publish(VideoOverdue(video_id, accepted_at, now, was_asked=False), ledger)
                return
        except (KafkaUnavailable, PublishRefused) as error:
            self._reports.failed(error)
        ledger.asked(video_id, now)
