"""Braze: which videos are written there, on which terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jmespath

from connector.braze.client import MAX_REQUEST_BYTES, BrazeClient, BrazeEndpoint
from connector.delivery.attempt import DeliveryPolicy
from connector.delivery.batch import BatchLimits
from connector.export.attributes import Attributes
from connector.export.destination import TrackDestination, room_in
from connector.seen.limits import QuotaLimits
from connector.wiring.expressions import compiled
from connector.wiring.seen import backoff

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.config import model
    from connector.config.secrets import Redactor


def braze_client(
    workspace: model.WorkspaceConfig, out: model.BrazeOut, clock: Clock, redactor: Redactor
) -> BrazeClient:
    """What makes the requests to Braze."""
    endpoint = BrazeEndpoint(out.base_url, out.timeout_seconds, workspace.delivery.max_in_flight)
    return BrazeClient(endpoint, out.auth.bearer_token.reveal, clock, redactor.clean)


def braze_destination(out: model.BrazeOut, client: BrazeClient, redactor: Redactor) -> TrackDestination:
    """Where the workspace's videos go."""
    limits = BatchLimits(out.batch.max_items, _room_of(out), out.batch.max_wait_seconds)
    return TrackDestination(client, limits, redactor.clean)


def braze_readers(workspace: model.WorkspaceConfig, out: model.BrazeOut) -> dict[str, Attributes]:
    """For the videos topic, what becomes of its records at Braze."""
    reader = Attributes(
        workspace=workspace.name,
        identifier=out.identifier,
        user_id=jmespath.compile(out.user_id),
        attributes=compiled(out.attributes) or (),
        update_existing_only=out.update_existing_only,
        max_bytes=_room_of(out),
    )
    return {workspace.topics.videos: reader}


def braze_quota(out: model.BrazeOut) -> QuotaLimits:
    """How many requests to Braze a window may have."""
    return QuotaLimits(out.quota.requests, out.quota.per_seconds, out.quota.grace_seconds)


def braze_policy(out: model.BrazeOut) -> DeliveryPolicy:
    """How long and how often a video is tried. One in doubt is sent again: the same values, so it cannot do harm. Of the
    videos of one user that wait, only the last is written.
    """
    return DeliveryPolicy(
        backoff=backoff(out.backoff),
        give_up_after_seconds=out.give_up_after_seconds,
        ttl_seconds=None,
        look_up_in_doubt=False,
        look_up_after_seconds=out.timeout_seconds,
        latest_only=True,
    )


def _room_of(out: model.BrazeOut) -> int:
    return room_in(MAX_REQUEST_BYTES, out.batch.max_items)
