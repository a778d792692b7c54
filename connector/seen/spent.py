"""What has been spent of a quota, in a form that its next owner, on another machine, can go on from.

Why the next owner exceeds nothing: each slot that its predecessor held is held on until the time that was written down,
rounded up, and `CLOCK_SKEW_SECONDS` longer, for wall clocks differ. What was on the wire at the writing, or may have been
sent after it, left before the next owner took over, since the predecessor's lease had ended; a predecessor that lives on
may wait for the answer as long as a request may take. So that long, and as long as for a request that is given up then,
its slots are held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import orjson

CLOCK_SKEW_SECONDS = 5.0
"""How much the wall clocks of two replicas may differ."""

_LONGEST_LEASE_SECONDS = 1800.0  # the longest session that the configuration takes


@dataclass(frozen=True, slots=True)
class Spent:
    """The quota of `owner` at its wall time `at`, in Unix seconds.

    `free` are times, in Unix seconds, and how many slots come free then. `unknown` requests are on the wire or may leave
    before the next writing; none if the owner has left. While others send too, `working` is the working quota, which was
    to rise in `rises_seconds`, and for `held_seconds` nothing was to leave.
    """

    owner: str
    at: float
    free: tuple[tuple[float, int], ...]
    unknown: int
    working: int | None
    rises_seconds: float
    held_seconds: float

    @property
    def free_at(self) -> list[float]:
        """When each slot of `free` is free for certain, by the reader's wall clock."""
        return [time + CLOCK_SKEW_SECONDS for time, count in self.free for _ in range(count)]

    def held_for(self, wall: float) -> float:
        """For how many seconds nothing may leave, from `wall` by the reader's clock; none if zero or less."""
        return self.at + self.held_seconds + CLOCK_SKEW_SECONDS - wall if self.held_seconds else 0.0

    def is_recent(self, wall: float) -> bool:
        """Whether its owner may have sent something a moment ago, by the clock of a reader that takes over at `wall`."""
        return self.at + _LONGEST_LEASE_SECONDS + CLOCK_SKEW_SECONDS >= wall

    def last_sent_at(self, wall: float) -> float:
        """The latest time at which its owner may have sent something, by the clock of a reader that took over at `wall`."""
        return min(wall, self.at + _LONGEST_LEASE_SECONDS + CLOCK_SKEW_SECONDS)


def encode(spent: Spent) -> bytes:
    """`spent` as bytes: fewer than 800, however large the quota is. Times are rounded up to whole seconds."""
    free = [(math.ceil(time - spent.at), count) for time, count in spent.free]
    rises, held = math.ceil(spent.rises_seconds), math.ceil(spent.held_seconds)
    return orjson.dumps([spent.owner, spent.at, free, spent.unknown, spent.working, rises, held])


def decode(content: bytes) -> Spent | None:
    """What `encode` wrote; None for anything else."""
    try:
        owner, at, free, unknown, working, rises, held = orjson.loads(content)
        return Spent(
            str(owner),
            float(at),
            tuple((float(at) + float(time), int(count)) for time, count in free),
            int(unknown),
            None if working is None else int(working),
            float(rises),
            float(held),
        )
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return None
