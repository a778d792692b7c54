"""What the spool knows in memory of what it holds: counts, whose size does not depend on the content. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.inbound.spoolfile import Waiting

_LANES = 4_096


class Holding:
    """What the spool holds of one workspace: `callbacks` that wait for Kafka, when the `oldest` of them was spooled, and the
    `bytes` of all that is on the disk.
    """

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
        self.bytes += waiting.cost
        self._change(waiting, 1)
        if self.oldest is None:
            self.oldest = waiting.spooled_at

    def remove(self, waiting: Waiting) -> None:
        """Counts one less that waits; its bytes stay. Whoever knows which is the oldest now says it."""
        self._change(waiting, -1)
        if not self.callbacks:
            self.oldest = None

    def _change(self, waiting: Waiting, sign: int) -> None:
        self._topics[waiting.topic] += sign
        if waiting.message.key is not None:
            self._lanes[_lane(waiting.topic, waiting.message.key)] += sign


def _lane(topic: str, key: bytes) -> int:
    return hash((topic, key)) % _LANES
