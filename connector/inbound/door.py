"""The door of one workspace: what stands behind it when a caller has proved its right.

A callback is taken when Kafka has acknowledged what became of it, not before: that is the promise behind every 2xx.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from connector.deadletter import RefusedCallback, callback_dead_letter, callback_without_body
from connector.errors import PublishRefused
from connector.inbound.callback import Unintelligible, parse_callback
from connector.published import VideoReady, video_ready_message
from connector.types import Reason

if TYPE_CHECKING:
    from connector.inbound.auth import Authenticator
    from connector.inbound.callback import CallbackFields
    from connector.metrics import WorkspaceMetrics
    from connector.types import Message


class Publisher(Protocol):
    """Where messages become durable."""

    async def publish(self, topic: str, message: Message) -> None:
        """Returns when Kafka has acknowledged with acks=all.

        Raises KafkaUnavailable (not acknowledged within its limit) or PublishRefused (too large for the topic).
        """
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a callback; durable. `reason` says why it was dead-lettered, `id` is None where none was found."""

    result: Literal["published", "dead_lettered"]
    id: str | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One workspace, as the listener sees it. `version` is the connector's, for dead letters."""

    workspace: str
    authenticator: Authenticator
    fields: CallbackFields
    videos_topic: str
    dead_letters_topic: str
    publisher: Publisher
    metrics: WorkspaceMetrics
    version: str

    async def take(self, body: bytes, *, content_type: str, received_at: float) -> Taken:
        """Publishes the video that `body` tells of, or dead-letters the body; returns once that is acknowledged.

        A video too large for its topic is dead-lettered too, a dead letter too large for its own without its body.
        Raises KafkaUnavailable; PublishRefused only where a topic does not even take that. `received_at` is Unix seconds.
        """
        found = parse_callback(body, self.fields, received_at=received_at)
        if isinstance(found, VideoReady):
            try:
                await self.publisher.publish(self.videos_topic, video_ready_message(self.workspace, found))
            except PublishRefused as refusal:
                found = Unintelligible(Reason.CALLBACK_TOO_LARGE, str(refusal), found.id)
            else:
                return Taken("published", found.id)
        refused = RefusedCallback(
            body=body,
            reason=found.reason,
            detail=found.detail,
            content_type=content_type,
            received_at=received_at,
        )
        await self._bury(refused)
        return Taken("dead_lettered", found.id, found.reason)

    async def _bury(self, callback: RefusedCallback) -> None:
        story = {"workspace": self.workspace, "version": self.version}
        try:
            await self.publisher.publish(self.dead_letters_topic, callback_dead_letter(callback, **story))
        except PublishRefused:
            await self.publisher.publish(self.dead_letters_topic, callback_without_body(callback, **story))
