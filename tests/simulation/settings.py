"""The settings of a workspace in a course, as its file would have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from random import Random

Api = Literal["data", "receivers"]
"""Of SEEN: items one by one (2.0), or receivers in batches (1.0)."""
APIS: tuple[Api, ...] = get_args(Api)

SOON_SECONDS = 600.0
"""What expires after less is expired within a course."""

_QUOTAS = {
    "data": ((8, 4.0), (15, 10.0), (30, 10.0), (60, 10.0), (36, 60.0), (22, 40.0)),
    "receivers": ((5, 8.0), (8, 20.0), (12, 40.0), (20, 100.0), (40, 240.0)),
}
"""Requests and seconds: some windows are shorter than a takeover, some longer. Receivers have few requests in long ones."""
_SHORT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of a workspace. `images` says what becomes of a bad one; None where nobody looks at them."""

    api: Api
    requests: int
    per_seconds: float
    grace_seconds: float
    timeout_seconds: float
    max_in_flight: int
    max_buffered: int
    max_uncommitted: int
    give_up_after_seconds: float
    look_up: bool
    tombstones: Literal["reject", "skip"]
    max_items: int = 1
    max_wait_seconds: float = 0.0
    max_request_bytes: int = 262_144
    takes_existing: bool = True
    images: Literal["reject", "drop"] | None = None


def draw_limits(random: Random, api: Api, images: Literal["reject", "drop"] | None) -> Limits:
    """The settings of one workspace."""
    timeout = random.choice((10.0, 20.0, 30.0))
    gives_up_soon = random.random() < 0.2
    # Where slots are minutes apart, two mishaps of one event would be enough to expire it.
    quotas = [
        each for each in _QUOTAS[api] if api == "data" or not gives_up_soon or each[1] <= _SHORT_SECONDS
    ]
    requests, per_seconds = random.choice(quotas)
    is_batch = api == "receivers"
    return Limits(
        api=api,
        requests=requests,
        per_seconds=per_seconds,
        grace_seconds=random.choice((5.0, timeout)),
        timeout_seconds=timeout,
        max_in_flight=random.choice((3, 8, 16)),
        max_buffered=random.choice((15, 60, 200)),
        max_uncommitted=random.choice((25, 80, 400)),
        give_up_after_seconds=420.0 if gives_up_soon else 3600.0,
        look_up=not is_batch and random.random() < 0.85,
        tombstones="reject" if random.random() < 0.5 else "skip",
        max_items=random.choice((2, 5, 20, 100)) if is_batch else 1,
        max_wait_seconds=random.choice((0.0, 0.3, 1.0, 1.0, 4.0)) if is_batch else 0.0,
        max_request_bytes=random.choice((700, 262_144, 262_144)) if is_batch else 262_144,
        takes_existing=not is_batch or random.random() < 0.6,
        images=images,
    )
