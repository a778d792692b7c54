"""What became of a body that was taken, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from connector.types import Reason

Durability = Literal["published", "spooled"]
"""Where a message is safe: in Kafka, acknowledged with acks=all, or on our disk, from where it will be published."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body, and where it is durable. `reason` says why it was dead-lettered, None if it was not;
    `id` is None where none was found.
    """

    durability: Durability
    id: str | None = None
    reason: Reason | None = None

    @property
    def result(self) -> str:
        """How the call ended: published, spooled or dead_lettered."""
        return self.durability if self.reason is None else "dead_lettered"
