"""The door of one workspace: what stands behind it when a caller has proved its right.

A callback is taken when what became of it is durable, in Kafka or in the spool, and not before: that is the promise behind
every 2xx.
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


Durability = Literal["published", "spooled"]
"""Where a message is safe: in Kafka, acknowledged with acks=all, or on our disk, from where it will be published."""


class Publisher(Protocol):
    """Where messages become durable."""

    async def publish(self, topic: str, message: Message) -> Durability:
        """Returns when `message` is durable, and says where.

        Raises KafkaUnavailable (not acknowledged within its limit), SpoolUnavailable (the spool did not take it either) or
        PublishRefused (too large for the topic).
        """
        ...


@dataclass(frozen=True, slots=True)
class Grave:
    """Where a workspace's dead letters go, and what they say of their origin. `version` is the connector's."""

    workspace: str
    topic: str
    version: str


async def bury(publisher: Publisher, grave: Grave, callback: RefusedCallback) -> Durability:
    """Publishes the dead letter of `callback`, without its body where the topic does not take that.

    Raises as `Publisher.publish`; PublishRefused only where the topic does not even take that.
    """
    story = {"workspace": grave.workspace, "version": grave.version}
    try:
        return await publisher.publish(grave.topic, callback_dead_letter(callback, **story))
    except PublishRefused:
        return await publisher.publish(grave.topic, callback_without_body(callback, **story))


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a callback, and where it is durable. `reason` says why it was dead-lettered, None if it was not;
    `id` is None where none was found.
    """

    durability: Durability
    id: str | None = None
    reason: Reason | None = None

    @property
    def result(self) -> str:
        """How the call ended: published, spooled or dead_lettered."""
        return self.durability if self.reason is None else "dead_lettered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One workspace, as the listener sees it."""

    workspace: str
    authenticator: Authenticator
    fields: CallbackFields
    videos_topic: str
    grave: Grave
    publisher: Publisher
    metrics: WorkspaceMetrics

    async def take(self, body: bytes, *, content_type: str, received_at: float) -> Taken:
        """Publishes the video that `body` tells of, or dead-letters the body; returns once that is durable.

        A video too large for its topic is dead-lettered too. `received_at` is Unix seconds. Raises as `bury`.
        """
        found = parse_callback(body, self.fields, received_at=received_at)
        if isinstance(found, VideoReady):
            message = video_ready_message(self.workspace, found)
            try:
                durability = await self.publisher.publish(self.videos_topic, message)
            except PublishRefused as refusal:
                found = Unintelligible(Reason.CALLBACK_TOO_LARGE, str(refusal), found.id)
            else:
                self.metrics.video_ready(found.found_by)
                return Taken(durability, found.id)
        refused = RefusedCallback(
            body=body,
            reason=found.reason,
            detail=found.detail,
            content_type=content_type,
            received_at=received_at,
        )
        return Taken(await bury(self.publisher, self.grave, refused), found.id, found.reason)
