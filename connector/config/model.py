"""The whole configuration as values: frozen, checked, unknown settings refused.

This module has the process's own file, connector.yaml, and the whole; a workspace file is in workspace.py. Every name
that a reader of a configuration needs can be imported from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from connector.config.braze import BrazeBatch, BrazeOut, BrazeQuota
from connector.config.images import ImagesConfig
from connector.config.kafka import KafkaConfig, NewTopics
from connector.config.secrets import Redactor, Secret
from connector.config.seen import Backoff, Batch, OAuth2Client, Quota, SeenAuth, SeenConfig
from connector.config.settings import NotBare, OptionalFolder, Settings, SigningKeys
from connector.config.values import Count, Network, NonNegativeSeconds, Port, Seconds, Text
from connector.config.workspace import (
    BasicCredential,
    BrazeIn,
    CallbackAuth,
    CallbackConfig,
    CallbackFields,
    DeliveryConfig,
    Images,
    JwtIssuer,
    OAuth2Server,
    SourceConfig,
    TopicsConfig,
    VideosConfig,
    ViewerFields,
    ViewersConfig,
    WorkspaceConfig,
)
from connector.errors import Problem

__all__ = [
    "AdminConfig",
    "Backoff",
    "BasicCredential",
    "Batch",
    "BrazeBatch",
    "BrazeIn",
    "BrazeOut",
    "BrazeQuota",
    "CallbackAuth",
    "CallbackConfig",
    "CallbackFields",
    "Config",
    "ConnectorConfig",
    "DeliveryConfig",
    "Images",
    "ImagesConfig",
    "JwtIssuer",
    "KafkaConfig",
    "ListenerConfig",
    "LoggingConfig",
    "NewTopics",
    "OAuth2Client",
    "OAuth2Server",
    "Quota",
    "SeenAuth",
    "SeenConfig",
    "SourceConfig",
    "SpoolConfig",
    "TokenEndpoint",
    "TopicsConfig",
    "VideosConfig",
    "ViewerFields",
    "ViewersConfig",
    "WorkspaceConfig",
]


class SpoolConfig(Settings):
    """Where callbacks wait on disk while Kafka is away, and how large the database there may become."""

    directory: OptionalFolder = None
    max_bytes: Annotated[Count, Field(ge=1_048_576)] = 268_435_456


class TokenEndpoint(Settings):
    """`POST /oauth2/token`, for the workspaces whose `callback.auth` is `oauth2`.

    All replicas need the same keys: a token that one has issued opens the workspace at each.
    """

    signing_key: SigningKeys
    token_lifetime_seconds: Annotated[Seconds, Field(ge=10, le=86400)] = 300.0


class ListenerConfig(Settings):
    """Where SEEN's callbacks arrive. TLS ends before it."""

    host: Text = "0.0.0.0"  # noqa: S104 - it is called from outside; that is its purpose
    port: Port = 8080
    max_connections: Annotated[Count, Field(ge=16)] = 512
    max_connections_per_address: Count = 256
    head_timeout_seconds: Seconds = 10.0
    body_timeout_seconds: Seconds = 10.0
    keepalive_seconds: Seconds = 75.0
    max_body_bytes: Count = 1_048_576
    max_bodies_bytes: Count = 67_108_864
    max_in_flight: Count = 32
    publish_timeout_seconds: Seconds = 10.0
    drain_seconds: NonNegativeSeconds = 0.0
    spool: SpoolConfig = SpoolConfig()
    trusted_proxies: tuple[Network, ...] = ()
    oauth2: Annotated[TokenEndpoint | None, NotBare] = None


class AdminConfig(Settings):
    """Where health, metrics and status are served."""

    host: Text = "127.0.0.1"
    port: Port = 9090


class LoggingConfig(Settings):
    """How the log is written. `ids: hashed` is for where the customers' ids are personal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    ids: Literal["plain", "hashed"] = "plain"


class ConnectorConfig(Settings):
    """connector.yaml: what all workspaces share."""

    kafka: KafkaConfig
    listener: ListenerConfig = ListenerConfig()
    admin: AdminConfig = AdminConfig()
    logging: LoggingConfig = LoggingConfig()
    images: ImagesConfig = ImagesConfig()
    shutdown_deadline_seconds: Annotated[Seconds, Field(gt=8)] = 25.0
    """Seconds from SIGTERM to the end; the last 8 are for what must be written before."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that can be used. `files` are the files it was read from, connector.yaml first, then in the
    order of `workspaces`; `warnings` are what is allowed and looks unwise, each with file and line.
    """

    connector: ConnectorConfig
    workspaces: tuple[WorkspaceConfig, ...]
    files: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def secrets(self) -> Iterator[Secret]:
        """Every secret in it."""
        return (secret for _, _, secret in self.named_secrets())

    def named_secrets(self) -> Iterator[tuple[str | None, str, Secret]]:
        """Every secret in it, with its workspace (None in connector.yaml) and its setting: `seen.auth.bearer_token`."""
        for workspace, settings in self._parts():
            for setting, item in settings.walk():
                if isinstance(item, Secret):
                    yield workspace, setting, item

    def redactor(self) -> Redactor:
        """A redactor that knows every secret in it, and follows their rotation."""
        redactor = Redactor()
        for _, settings in self._parts():
            for _, item in settings.walk():
                if isinstance(item, Secret):
                    redactor.watch(item)
                elif isinstance(item, BasicCredential):
                    redactor.watch_basic(item.username, item.password)
                elif isinstance(item, OAuth2Server):
                    for secret in item.client_secret:
                        redactor.watch_basic(item.client_id, secret)
        return redactor

    def _parts(self) -> Iterator[tuple[str | None, Settings]]:
        yield None, self.connector
        for workspace in self.workspaces:
            yield workspace.name, workspace
