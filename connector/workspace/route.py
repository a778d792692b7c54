"""Routes: where an engine reads, where it sends, and on what terms. All engines of a workspace are made of one.

The engine knows no configuration files and no API: what is read from the one for the other is said here, once for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector import wiring
from connector.delivery.pump import Bounds
from connector.delivery.settle import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.config.model import BrazeOut, WorkspaceConfig
    from connector.delivery.attempt import DeliveryPolicy
    from connector.delivery.backoff import Backoff
    from connector.delivery.preparing import Preparation
    from connector.delivery.pump import Reader
    from connector.kafka.source import SourceSettings
    from connector.seen.limits import QuotaLimits
    from connector.workspace.surroundings import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way from source topics to one API. `name` stands in logs, metrics and the names of tasks.

    `request` is what sending is called in the log, `timeout_seconds` how long one request may take, `probe` how often a
    suspended API is tried, and `preparation` is None where events are sent as they were read.
    """

    name: str
    request: str
    source: SourceSettings
    readers: Mapping[str, Reader]
    quota: QuotaLimits
    timeout_seconds: float
    policy: DeliveryPolicy
    probe: Backoff
    bounds: Bounds
    max_in_flight: int
    origin: Origin
    preparation: Preparation | None = None


def to_seen(config: WorkspaceConfig, around: Surroundings) -> Route:
    """A workspace's customer events, to SEEN."""
    metrics = around.metrics.workspace(config.name)
    topics = config.topics
    return Route(
        name=config.name,
        request="create",
        source=wiring.source_settings(config, around.config.kafka, around.member),
        readers=wiring.mappings(config),
        quota=wiring.quota(config),
        timeout_seconds=config.seen.timeout_seconds,
        policy=wiring.policy(config),
        probe=wiring.backoff(config.seen.probe),
        bounds=_bounds(config),
        max_in_flight=config.delivery.max_in_flight,
        origin=Origin(config.name, around.version, topics.outcomes, topics.dead_letters),
        preparation=wiring.preparation(config, around.config.images, around.clock, metrics),
    )


def to_braze(config: WorkspaceConfig, out: BrazeOut, around: Surroundings) -> Route:
    """A workspace's videos, to Braze. Nobody waits for their outcomes, so only dead letters tell of them."""
    return Route(
        name=f"{config.name}/braze",
        request="track",
        source=wiring.braze_source_settings(config, out, around.config.kafka, around.member),
        readers=wiring.braze_readers(config, out),
        quota=wiring.braze_quota(out),
        timeout_seconds=out.timeout_seconds,
        policy=wiring.braze_policy(out),
        probe=wiring.backoff(out.probe),
        bounds=_bounds(config),
        max_in_flight=config.delivery.max_in_flight,
        origin=Origin(config.name, around.version, None, config.topics.dead_letters),
    )


def _bounds(config: WorkspaceConfig) -> Bounds:
    delivery = config.delivery
    return Bounds(delivery.max_buffered, delivery.max_buffered_bytes, delivery.max_uncommitted)
