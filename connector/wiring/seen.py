"""SEEN: what is sent there, on which terms, and when its videos are asked for."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import jmespath

from connector.config.values import host_and_port
from connector.delivery.attempt import DeliveryPolicy
from connector.delivery.backoff import Backoff
from connector.delivery.batch import BatchLimits
from connector.outbound.data import DataDestination
from connector.outbound.images import ImagePreparation
from connector.outbound.mapping import Mapping
from connector.outbound.receivers import ReceiversDestination
from connector.seen.auth import StaticToken
from connector.seen.client import CampaignEndpoint, SeenEndpoint
from connector.seen.imageclient import ImageClient
from connector.seen.imagelink import Reach
from connector.seen.images import Images, LookLimits
from connector.seen.limits import QuotaLimits
from connector.seen.lookup import SystemLookup
from connector.seen.oauth2 import OAuth2, OAuth2Client
from connector.seen.receiver import ReceiverRules
from connector.types import Record, Skipped
from connector.videos.ledger import LedgerLimits
from connector.videos.reconciler import LOOK_UPS_AT_ONCE
from connector.wiring.expressions import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.config import model
    from connector.config.secrets import Redactor
    from connector.delivery.request import Destination
    from connector.metrics import WorkspaceMetrics
    from connector.seen.auth import Credentials
    from connector.seen.client import Endpoint, SeenClient
    from connector.types import Event, Unsendable


def mappings(workspace: model.WorkspaceConfig) -> dict[str, Mapping]:
    """For each source topic, what becomes of its records."""
    return {topic: _mapping(each, workspace) for each in workspace.all_sources() for topic in each.topics}


def reader(workspace: model.WorkspaceConfig, topic: str) -> Callable[[bytes], Event | Unsendable]:
    """What a record of a source topic with such a value becomes, known before there is one.

    Raises KeyError for a topic that is no source; what it returns raises ValueError for what the source skips.
    """
    mapping = mappings(workspace)[topic]

    def read(value: bytes) -> Event | Unsendable:
        found = mapping.read(Record(topic, 0, 0, 0, None, value))
        if isinstance(found, Skipped):
            raise ValueError(f"{topic} skips what nobody may skip: {found.reason}")
        return found

    return read


def endpoint(workspace: model.WorkspaceConfig) -> Endpoint:
    """What of SEEN the workspace's requests go to. Raises ValueError where neither a workspace nor a campaign is named."""
    seen = workspace.seen
    if seen.campaign_slug is None:
        return _data_endpoint(workspace)
    return CampaignEndpoint(
        seen.base_url, seen.campaign_slug, seen.timeout_seconds, workspace.delivery.max_in_flight
    )


def destination(workspace: model.WorkspaceConfig, client: SeenClient, redactor: Redactor) -> Destination:
    """The API that the workspace's events go to."""
    seen = workspace.seen
    if seen.api == "data":
        return DataDestination(client, redactor.clean)
    # The array has a byte more for each item, and one: its brackets and commas.
    room = seen.max_request_bytes - seen.batch.max_items - 1
    limits = BatchLimits(seen.batch.max_items, room, seen.batch.max_wait_seconds)
    takes_existing = seen.already_exists == "accept"
    return ReceiversDestination(client, limits, redactor.clean, takes_existing=takes_existing)


def credentials(workspace: model.WorkspaceConfig, clock: Clock, redactor: Redactor) -> Credentials:
    """What SEEN is shown. `redactor` is told of access tokens. Raises ValueError where there is nothing."""
    auth = workspace.seen.auth
    if auth.bearer_token is not None:
        return StaticToken(auth.bearer_token.reveal)
    if auth.token is not None:
        return StaticToken(auth.token.reveal, "Token")
    if auth.oauth2 is None:
        raise ValueError("the configuration says nothing that SEEN could be shown")
    given = auth.oauth2
    client = OAuth2Client(workspace.name, given.client_id, given.client_secret.reveal, given.scope)
    learn = partial(redactor.add, owner=("access token", workspace.name))
    return OAuth2(_data_endpoint(workspace), client, clock, redactor.clean, learn)


def quota(workspace: model.WorkspaceConfig) -> QuotaLimits:
    """How many requests a window may have."""
    each = workspace.seen.quota
    return QuotaLimits(each.requests, each.per_seconds, each.grace_seconds)


def backoff(config: model.Backoff) -> Backoff:
    """The waits between tries."""
    return Backoff(config.initial_seconds, config.max_seconds)


def policy(workspace: model.WorkspaceConfig) -> DeliveryPolicy:
    """How long and how often an event is tried."""
    delivery = workspace.delivery
    return DeliveryPolicy(
        backoff=backoff(delivery.backoff),
        give_up_after_seconds=delivery.give_up_after_seconds,
        ttl_seconds=delivery.ttl_seconds,
        look_up_in_doubt=delivery.look_up_in_doubt and workspace.seen.api == "data",
        look_up_after_seconds=workspace.seen.timeout_seconds,
    )


def preparation(
    workspace: model.WorkspaceConfig, images: model.ImagesConfig, clock: Clock, metrics: WorkspaceMetrics
) -> ImagePreparation | None:
    """What looks at the images of events; None if no source of the workspace wants that."""
    if not any(each.images and each.images.check == "fetch" for each in workspace.all_sources()):
        return None
    reach = Reach(frozenset(images.ports), frozenset(map(host_and_port, images.allow_hosts)))
    client = ImageClient(SystemLookup(), reach, images.timeout_seconds, clock)
    limits = LookLimits(
        images.give_up_after_seconds, images.cache_seconds, images.max_cached, images.max_at_once
    )
    return ImagePreparation(workspace.name, Images(client, limits, clock, metrics, random.random))


def ledger(workspace: model.WorkspaceConfig) -> LedgerLimits:
    """When a video is asked for and given up, and how many are tracked."""
    videos = workspace.videos
    return LedgerLimits(videos.overdue_after_seconds, videos.give_up_after_seconds, videos.max_pending)


def _data_endpoint(workspace: model.WorkspaceConfig) -> SeenEndpoint:
    seen = workspace.seen
    if seen.workspace_id is None:
        raise ValueError("the configuration names no workspace_id")
    connections = workspace.delivery.max_in_flight + LOOK_UPS_AT_ONCE
    return SeenEndpoint(seen.base_url, seen.workspace_id, seen.timeout_seconds, connections)


def _mapping(source: model.SourceConfig, workspace: model.WorkspaceConfig) -> Mapping:
    seen = workspace.seen
    return Mapping(
        where=None if source.where is None else jmespath.compile(source.where),
        properties=compiled(source.properties),
        extra_args=compiled(source.extra_args),
        receiver=None if seen.api == "data" else ReceiverRules(seen.delivery_by_seen),
        tombstones=source.tombstones,
        images=source.images.properties if source.images else (),
        on_bad_image=source.images.on_failure if source.images else "reject",
        max_record_bytes=workspace.delivery.max_record_bytes,
        max_request_bytes=seen.max_request_bytes - (0 if seen.api == "data" else len("[]")),
        fetch_images=source.images is not None and source.images.check == "fetch",
    )
