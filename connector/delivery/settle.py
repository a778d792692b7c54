"""Settling: a record is settled when its outcome is durable, and never before.

The dead letter is acknowledged first, then the outcome, then the offset is settled: whatever happens between, the record
comes again, and what is published twice has the same id both times.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from connector.deadletter import dead_letter, without_value
from connector.errors import KafkaUnavailable, PublishRefused
from connector.published import outcome_message
from connector.types import Outcome, OutcomeKind

if TYPE_CHECKING:
    from collections import Counter

    from connector.clock import Clock
    from connector.delivery.offsets import OffsetTracker
    from connector.metrics import WorkspaceMetrics
    from connector.types import Message, Reason, Record

log = structlog.get_logger()

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 15.0


class Sink(Protocol):
    """Where outcomes and dead letters go."""

    async def publish(self, topic: str, message: Message) -> None:
        """Returns when `message` is durable. Raises KafkaUnavailable (try again) or PublishRefused (it never fits)."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose outcomes these are, and where they go; without an `outcomes_topic` only dead letters tell of them."""

    workspace: str
    version: str
    outcomes_topic: str | None
    dead_letters_topic: str


class Settler:
    """Makes outcomes durable and settles their offsets."""

    def __init__(
        self,
        sink: Sink,
        origin: Origin,
        clock: Clock,
        metrics: WorkspaceMetrics,
        counts: Counter[OutcomeKind],
    ) -> None:
        """`counts` is where settled records are added up, for as long as the caller lives."""
        self._sink = sink
        self._origin = origin
        self._clock = clock
        self._metrics = metrics
        self._counts = counts

    async def settle(
        self, record: Record, event_id: str | None, outcome: Outcome, tracker: OffsetTracker
    ) -> None:
        """Returns when the outcome of `record` is durable and its offset is settled; tries until then."""
        if outcome.kind is not OutcomeKind.ACCEPTED:
            await self._dead_letter(record, outcome)
        if (topic := self._origin.outcomes_topic) is not None:
            now = self._clock.wall()
            message = outcome_message(self._origin.workspace, record, event_id, outcome, now=now)
            await self._publish(topic, message)
        self._count(record, outcome, tracker)

    def skip(self, record: Record, reason: Reason, tracker: OffsetTracker) -> None:
        """Settles a record that the configuration leaves out: there is nothing to publish."""
        self._count(record, Outcome(kind=OutcomeKind.SKIPPED, reason=reason), tracker)

    async def _dead_letter(self, record: Record, outcome: Outcome) -> None:
        workspace, version, topic = (
            self._origin.workspace,
            self._origin.version,
            self._origin.dead_letters_topic,
        )
        try:
            await self._publish(topic, dead_letter(record, outcome, workspace=workspace, version=version))
        except PublishRefused as refused:
            log.warning(
                "dead_letter_without_value", workspace=workspace, origin=record.origin, why=str(refused)
            )
            await self._publish(topic, without_value(record, outcome, workspace=workspace, version=version))

    async def _publish(self, topic: str, message: Message) -> None:
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return await self._sink.publish(topic, message)
            except KafkaUnavailable as error:
                self._metrics.publish_failures.inc()
                log.warning("publish_failed", workspace=self._origin.workspace, topic=topic, why=str(error))
            await asyncio.sleep(wait)
            wait = min(_LONGEST_WAIT_SECONDS, wait * 2)

    def _count(self, record: Record, outcome: Outcome, tracker: OffsetTracker) -> None:
        tracker.settle(record.offset)
        self._counts[outcome.kind] += 1
        self._metrics.outcome(outcome.kind, outcome.reason)
        self._metrics.delivery_seconds.observe(max(0.0, self._clock.wall() - record.timestamp_ms / 1000))
