"""The figures of one workspace: what it says of itself on /metrics and /status."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from connector.types import Priority

if TYPE_CHECKING:
    from connector.delivery.assignment import Assignment
    from connector.delivery.dispatch import Dispatcher
    from connector.inbound.holding import Holding
    from connector.seen.quota import Quota


def figures(
    assignment: Assignment, dispatcher: Dispatcher | None, quota: Quota, wall: float
) -> dict[str, float]:
    """The gauges that are sampled (`connector.metrics` says what each means), at `wall` in Unix seconds."""
    limits, lag = quota.limits, assignment.lag
    requests = math.ceil(lag / (dispatcher.items if dispatcher else 1))
    oldest, blocking = assignment.oldest_timestamp_ms, assignment.blocking
    return {
        "owned_partitions": len(assignment.trackers),
        "lag_records": lag,
        "buffered_records": assignment.buffered,
        "preparing_events": dispatcher.preparing if dispatcher else 0,
        "in_flight_requests": dispatcher.in_flight if dispatcher else 0,
        "uncommitted_records": blocking[1] if blocking else 0,
        "quota_requests": limits.requests,
        "quota_per_seconds": limits.per_seconds,
        "quota_working_requests": quota.working,
        "quota_used_slots": quota.used,
        "quota_outside_slots": quota.outside,
        "quota_held_seconds": round(quota.held_seconds, 1),
        "oldest_unsent_seconds": 0.0 if oldest is None else round(wall - oldest / 1000, 3),
        "time_to_drain_seconds": round(requests * limits.per_seconds / quota.working, 1),
    }


def spooled(holding: Holding | None, wall: float) -> dict[str, float]:
    """The gauges of what waits on disk, at `wall` in Unix seconds; None where there is no spool."""
    oldest = None if holding is None else holding.oldest
    return {
        "spooled_callbacks": 0 if holding is None else holding.callbacks,
        "spooled_bytes": 0 if holding is None else holding.bytes,
        "spooled_oldest_seconds": 0.0 if oldest is None else round(wall - oldest, 3),
    }


def waiting(dispatcher: Dispatcher | None, quota: Quota) -> dict[str, int]:
    """How many requests wait for nothing but a slot, by what they are for."""
    requests = {each.value: quota.waiting(each) for each in Priority}
    if dispatcher and requests[Priority.DELIVERY.value]:
        # They wait together, in lanes: for which of them the slot is, is chosen when it is there.
        requests[Priority.DELIVERY.value] = dispatcher.ready
    return requests
