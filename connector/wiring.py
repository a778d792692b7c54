"""From the configuration to the small frozen values that each part takes: nothing below this layer knows the files."""

from __future__ import annotations

import random
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import jmespath

from connector.braze.client import MAX_REQUEST_BYTES, BrazeClient, BrazeEndpoint
from connector.config.values import host_and_port
from connector.delivery.backoff import Backoff
from connector.delivery.batch import BatchLimits
from connector.delivery.delivery import DeliveryPolicy
from connector.export.attributes import Attributes
from connector.export.destination import TrackDestination, room_in
from connector.inbound.auth import AUTHORIZATION, BasicAuth, NoAuth, TokenAuth
from connector.inbound.grants import Client
from connector.inbound.jwks import IssuerAuth, IssuerKeys, expected_of_issuer
from connector.inbound.tokenendpoint import TokenEndpoint
from connector.inbound.tokens import OwnTokenAuth
from connector.kafka.connection import KafkaConnection
from connector.kafka.source import SourceSettings
from connector.kafka.topics import NewTopics
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

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as Headers

    from jmespath.parser import ParsedResult

    from connector.clock import Clock
    from connector.config import model
    from connector.config.secrets import Redactor, Secret
    from connector.delivery.request import Destination
    from connector.inbound.auth import Authenticator, Proof
    from connector.kafka.assignor import Member
    from connector.metrics import Metrics, WorkspaceMetrics
    from connector.seen.auth import Credentials
    from connector.seen.client import Endpoint, SeenClient
    from connector.types import Event, Unsendable


def connection(kafka: model.KafkaConfig) -> KafkaConnection:
    """How to reach the brokers. The credentials are sent along only where the protocol has use for them."""
    sasl = kafka.security_protocol.startswith("SASL")
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism if sasl else None,
        sasl_username=kafka.sasl_username if sasl else None,
        sasl_password=kafka.sasl_password.reveal() if sasl and kafka.sasl_password else None,
        ssl_cafile=_text(kafka.ssl_cafile),
        ssl_certfile=_text(kafka.ssl_certfile),
        ssl_keyfile=_text(kafka.ssl_keyfile),
        ssl_password=kafka.ssl_password.reveal() if kafka.ssl_password else None,
    )


def new_topics(kafka: model.KafkaConfig) -> NewTopics | None:
    """How missing topics are made; None if they are not."""
    if not kafka.create_topics:
        return None
    return NewTopics(kafka.new_topics.partitions, kafka.new_topics.replication_factor)


def source_settings(
    workspace: model.WorkspaceConfig, kafka: model.KafkaConfig, member: Member
) -> SourceSettings:
    """The consumer group of a workspace, and where each of its topics begins."""
    starts = {topic: _start(each.start) for each in workspace.all_sources() for topic in each.topics}
    return SourceSettings(workspace.group_id, starts, kafka.session_timeout_seconds, member)


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


def authenticator(
    workspace: model.WorkspaceConfig,
    listener: model.ListenerConfig,
    clock: Clock,
    metrics: WorkspaceMetrics,
) -> Authenticator:
    """Who may call back. Raises ValueError where access tokens are to be checked and nothing says what signs them."""
    auth = workspace.callback.auth
    if auth.oauth2 is not None:
        return OwnTokens(workspace.name, auth.oauth2.client_id, _signing_keys(listener), clock)
    if auth.jwt is not None:
        given = auth.jwt
        keys = IssuerKeys(given.jwks_url, workspace.name, clock, metrics)
        wanted = expected_of_issuer(given.issuer, given.audience, given.algorithms, given.subject)
        return IssuerAuth(keys, wanted, clock)
    return CallbackAuthenticator(auth)


def token_endpoint(config: model.Config, clock: Clock, metrics: Metrics) -> TokenEndpoint | None:
    """Where SEEN fetches access tokens; None if no workspace's callbacks ask for one of ours."""
    clients = [
        (each.name, each.callback.auth.oauth2) for each in config.workspaces if each.callback.auth.oauth2
    ]
    endpoint = config.connector.listener.oauth2
    if endpoint is None or not clients:
        return None

    def revealed() -> list[Client]:
        return [
            Client(name, given.client_id, tuple(secret.reveal() for secret in given.client_secret))
            for name, given in clients
        ]

    keys = _signing_keys(config.connector.listener)
    return TokenEndpoint(revealed, keys, endpoint.token_lifetime_seconds, metrics, clock)


def preparation(
    workspace: model.WorkspaceConfig, images: model.ImagesConfig, clock: Clock, metrics: WorkspaceMetrics
) -> ImagePreparation | None:
    """What looks at the images of events; None if no source of the workspace wants that."""
    if not any(each.images and each.images.check == "fetch" for each in workspace.sources):
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
        attributes=_compiled(out.attributes) or (),
        update_existing_only=out.update_existing_only,
        max_bytes=_room_of(out),
    )
    return {workspace.topics.videos: reader}


def braze_source_settings(
    workspace: model.WorkspaceConfig, out: model.BrazeOut, kafka: model.KafkaConfig, member: Member
) -> SourceSettings:
    """The consumer group that reads the videos for Braze, and where the topic begins."""
    starts = {workspace.topics.videos: _start(out.start)}
    return SourceSettings(out.group_id, starts, kafka.session_timeout_seconds, member)


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


class TokenAuthenticator:
    """A static token, or one of two. They are revealed at each call, so a rotated file needs no restart."""

    def __init__(self, secrets: tuple[Secret, ...], header: str = AUTHORIZATION) -> None:
        self._secrets = secrets
        self._header = header
        self._by_token: TokenAuth | None = None

    async def check(self, headers: Headers[str, str]) -> Proof:
        """What these headers prove."""
        tokens = tuple([each.reveal() for each in self._secrets])
        if self._by_token is None or self._by_token.tokens != tokens:
            self._by_token = TokenAuth(tokens, self._header)
        return await self._by_token.check(headers)


class CallbackAuthenticator:
    """A static secret, or none. Secrets are revealed at each call, likewise."""

    def __init__(self, config: model.CallbackAuth) -> None:
        self._config = config
        self._by_token = TokenAuthenticator(config.token, config.header)

    async def check(self, headers: Headers[str, str]) -> Proof:
        """What these headers prove."""
        return await self._authenticator().check(headers)

    def _authenticator(self) -> Authenticator:
        config = self._config
        if config.token:
            return self._by_token
        if config.basic:
            return BasicAuth(tuple((each.username, each.password.reveal()) for each in config.basic))
        if config.none:
            return NoAuth()
        raise ValueError("this kind of authentication has an authenticator of its own")


class OwnTokens:
    """Access tokens of our own endpoint. The keys are revealed at each call, likewise."""

    def __init__(
        self, workspace: str, client_id: str, keys: Callable[[], tuple[str, ...]], clock: Clock
    ) -> None:
        self._workspace = workspace
        self._client_id = client_id
        self._keys = keys
        self._clock = clock

    async def check(self, headers: Headers[str, str]) -> Proof:
        """What these headers prove."""
        now = self._clock.wall()
        return await OwnTokenAuth(self._keys(), self._workspace, self._client_id, now).check(headers)


def _signing_keys(listener: model.ListenerConfig) -> Callable[[], tuple[str, ...]]:
    if listener.oauth2 is None:
        raise ValueError("access tokens need listener.oauth2.signing_key")
    secrets = listener.oauth2.signing_key
    return lambda: tuple(secret.reveal() for secret in secrets)


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
        properties=_compiled(source.properties),
        extra_args=_compiled(source.extra_args),
        receiver=None if seen.api == "data" else ReceiverRules(seen.delivery_by_seen),
        tombstones=source.tombstones,
        images=source.images.properties if source.images else (),
        on_bad_image=source.images.on_failure if source.images else "reject",
        max_record_bytes=workspace.delivery.max_record_bytes,
        max_request_bytes=seen.max_request_bytes,
        fetch_images=source.images is not None and source.images.check == "fetch",
    )


def _start(start: datetime | str) -> float | str:
    return start.timestamp() if isinstance(start, datetime) else start


def _room_of(out: model.BrazeOut) -> int:
    return room_in(MAX_REQUEST_BYTES, out.batch.max_items)


def _compiled(paths: Headers[str, str] | None) -> tuple[tuple[str, ParsedResult], ...] | None:
    return None if paths is None else tuple((name, jmespath.compile(path)) for name, path in paths.items())


def _text(path: object) -> str | None:
    return None if path is None else str(path)
