"""Which partition gives nothing although there is something to read: a client whose fetching has died says no more than that.

Rules:
 1. A partition was silent in a poll that asked for it, got nothing of it, and had room left for it.
 2. It is stalled if it was silent in every poll for `STALLED_SECONDS`, and what it holds ends beyond where it stands.
 3. While its end cannot be had, nothing is known: time counts from when it can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiokafka import TopicPartition

STALLED_SECONDS = 120.0


class Silence:
    """Since when each partition is silent. Times are the caller's monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[TopicPartition, float] = {}

    def polled(
        self, asked: Collection[TopicPartition], gave: Collection[TopicPartition], now: float, *, full: bool
    ) -> None:
        """Notes a poll of the partitions `asked`, of which those in `gave` gave records; `full`: no room was left."""
        silent = () if full else set(asked) - set(gave)
        self._since = {each: self._since.get(each, now) for each in silent}

    def forget(self) -> None:
        """Counts from now on."""
        self._since = {}

    def silent(self, now: float) -> list[TopicPartition]:
        """The partitions that are stalled if there is something to read in them."""
        return [each for each, since in self._since.items() if now - since >= STALLED_SECONDS]
