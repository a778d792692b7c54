"""Viewers on order: what they do with videos, and how SEEN tells of it. Pure.

Readings that the documents leave open, chosen once:

- The body is not published (SEEN, "External events"): here it names the event, the item and the time, so that two acts
  of one viewer differ, and the calls that tell of one act do not.
- A call that is not answered 2xx is made again, as a callback is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ConfigDict, with_config

from connector.sandbox.emulator.orders import check_order

EVENTS = ("video-played", "video-watched", "player-opened", "share-clicked", "cta-clicked")
"""What SEEN tells of. An event of any other name can be ordered: a client must reckon with what is new."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """What a viewer does with each video that it matches: `delay_seconds` after the callback was answered 2xx.

    Which videos: as a mishap says which journeys. A video gets all that match it, not the first alone. Raises ValueError
    where it can match nothing.
    """

    event: str = "video-played"
    delay_seconds: float = 0.0
    chance: float = 1.0
    times: int | None = 1
    workspace: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        check_order(self)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a viewer did, `at` Unix seconds."""

    event: str
    at: float

    def body(self, key: str) -> dict[str, str]:
        """What SEEN says of it, of the item `key`."""
        return {
            "event": self.event,
            "id": key,
            "occurred_at": datetime.fromtimestamp(self.at, UTC).isoformat(),
        }
