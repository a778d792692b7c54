"""The door of one workspace: what stands behind it when a caller has proved its right.

A body is taken when what became of it is durable, in Kafka or in the spool, and not before: that is the promise behind
every 2xx.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from connector.deadletter import RefusedCallback, callback_dead_letter, callback_without_body
from connector.errors import PublishRefused
from connector.inbound.answer import taken
from connector.inbound.reading import Legible, Unintelligible
from connector.inbound.taken import Taken
from connector.types import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.inbound.answer import Answer
    from connector.inbound.auth import Authenticator
    from connector.inbound.taken import Durability
    from connector.metrics import WorkspaceMetrics
    from connector.types import Message

Kind = Literal["video", "viewer", "braze"]
"""What a call brings: that a video is ready, what a viewer did with one, or what Braze wants a video of."""


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


class Intake(Protocol):
    """What a workspace does with bodies of one kind."""

    async def take(self, body: bytes, *, content_type: str, received_at: float) -> Answer:
        """What the caller is told, once what became of `body` is durable. `received_at` is Unix seconds.

        Raises as `Publisher.publish`: then not all of it is durable.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EventIntake:
    """What a workspace does with callbacks of one kind: what `read` makes of them at a time, in Unix seconds, goes to `topic`.

    `count` is told the label of each event that was published.
    """

    read: Callable[[bytes, float], Legible | Unintelligible]
    topic: str
    grave: Grave
    publisher: Publisher
    count: Callable[[str], None]

    async def take(self, body: bytes, *, content_type: str, received_at: float) -> Answer:
        """Publishes the event that `body` tells of, or dead-letters the body, as `Intake`.

        An event too large for its topic is dead-lettered too.
        """
        found = self.read(body, received_at)
        if isinstance(found, Legible):
            try:
                durability = await self.publisher.publish(self.topic, found.message)
            except PublishRefused as refusal:
                found = Unintelligible(Reason.CALLBACK_TOO_LARGE, str(refusal), found.id)
            else:
                self.count(found.counted_as)
                return taken(Taken(durability, found.id))
        refused = RefusedCallback(
            body=body,
            reason=found.reason,
            detail=found.detail,
            content_type=content_type,
            received_at=received_at,
        )
        return taken(Taken(await bury(self.publisher, self.grave, refused), found.id, found.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One workspace, as the listener sees it: who may call, and what becomes of what is brought.

    A kind that is not in `intakes` is not taken.
    """

    workspace: str
    authenticator: Authenticator
    intakes: Mapping[Kind, Intake]
    metrics: WorkspaceMetrics
