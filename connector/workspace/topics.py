"""What a workspace's topics must take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.deadletter import MIN_MESSAGE_BYTES
from connector.errors import TopicTooSmall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def ensure_room(limits: Mapping[str, int], written: Iterable[str]) -> None:
    """Raises TopicTooSmall for one of `written` that an outcome or a dead letter without its value may not fit into.

    `limits` is the most bytes of a message by topic.
    """
    for topic in sorted(written):
        if limits[topic] < MIN_MESSAGE_BYTES:
            raise TopicTooSmall(
                f"{topic} takes messages of {limits[topic]} bytes; its max.message.bytes must be at least {MIN_MESSAGE_BYTES}"
            )
