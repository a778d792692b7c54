"""What holds between settings of one file, and between a workspace file and connector.yaml.

Each rule is a function from values to mistakes: pure, and silent where all is well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.config.braze import BrazeOut
    from connector.config.document import Location
    from connector.config.model import ConnectorConfig, KafkaConfig, ListenerConfig, WorkspaceConfig
    from connector.config.seen import Backoff, SeenConfig
    from connector.config.workspace import CallbackAuth, SourceConfig


RESERVED_SECONDS = 8.0
"""Of the shutdown deadline: for the last outcomes and commits, and to leave the groups."""


class Mistake(NamedTuple):
    """What is wrong with the setting at `location`; nothing, as far as is known, where one of `unless` is itself wrong."""

    location: Location
    message: str
    unless: tuple[Location, ...] = ()


_RECEIVERS_ONLY = ("campaign_slug", "batch", "delivery_by_seen", "already_exists")
_DATA_ONLY = ("workspace_id",)
_OF_BRAZE = ("braze_id", "external_id", "user_alias", "_update_existing_only")
_RECEIVER_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)


def connector_mistakes(connector: ConnectorConfig, workspaces: int) -> Iterator[Mistake]:
    """Rules of connector.yaml, beside so many workspace files."""
    yield from _sasl(connector.kafka)
    yield from _ssl(connector.kafka)
    if connector.admin.port == connector.listener.port != 0:
        yield Mistake(("admin", "port"), "must differ from listener.port")
    yield from _spool(connector.listener, workspaces)
    if connector.listener.max_bodies_bytes < connector.listener.max_body_bytes:
        yield Mistake(("listener", "max_bodies_bytes"), "must be at least listener.max_body_bytes")
    if connector.listener.drain_seconds >= (most := connector.shutdown_deadline_seconds - RESERVED_SECONDS):
        message = f"must be less than {most:g}, which is shutdown_deadline_seconds less {RESERVED_SECONDS:g}"
        yield Mistake(("listener", "drain_seconds"), message)


def workspace_mistakes(workspace: WorkspaceConfig) -> Iterator[Mistake]:
    """Rules of one workspace file."""
    yield from (each._replace(unless=(("seen", "api"),)) for each in _of_api(workspace))
    if not workspace.sources and workspace.braze_in is None:
        yield Mistake(("sources",), "must have an item, unless there is braze_in", (("braze_in",),))
    for index, source in enumerate(workspace.sources):
        yield from _images(("sources", index), source)
    yield from _callback_auth(workspace.callback.auth)
    yield from _backoff(("seen", "probe"), workspace.seen.probe)
    yield from _backoff(("delivery", "backoff"), workspace.delivery.backoff)
    if workspace.delivery.max_uncommitted < workspace.delivery.max_buffered:
        yield Mistake(("delivery", "max_uncommitted"), "must be at least delivery.max_buffered")
    if workspace.viewers.model_fields_set and workspace.topics.viewers is None:
        yield Mistake(("viewers",), "has no effect without topics.viewers")
    if workspace.videos.give_up_after_seconds <= workspace.videos.overdue_after_seconds:
        yield Mistake(("videos", "give_up_after_seconds"), "must be more than videos.overdue_after_seconds")
    if workspace.braze_out is not None:
        yield from _braze_out(workspace.braze_out, workspace.group_id)


def needs_of_connector(connector: ConnectorConfig, workspace: WorkspaceConfig) -> Iterator[Mistake]:
    """What a workspace file rests on that connector.yaml does not have."""
    if workspace.callback.auth.oauth2 is not None and connector.listener.oauth2 is None:
        missing = "needs listener.oauth2.signing_key in connector.yaml: it signs the access tokens"
        yield Mistake(("callback", "auth", "oauth2"), missing)


def _spool(listener: ListenerConfig, workspaces: int) -> Iterator[Mistake]:
    """A callback that is taken must fit into its workspace's share, with the event that is made of it: it holds the body,
    and its links again.
    """
    if listener.spool.directory is None:
        if "max_bytes" in listener.spool.model_fields_set:
            yield Mistake(
                ("listener", "spool", "max_bytes"), "has no effect without listener.spool.directory"
            )
        return
    shares = max(1, workspaces)
    if listener.spool.max_bytes < (least := 4 * listener.max_body_bytes * shares):
        each = "" if shares == 1 else f" for each of {shares} workspaces"
        message = f"must be at least {least}, which is four times listener.max_body_bytes{each}"
        yield Mistake(("listener", "spool", "max_bytes"), message)


def _sasl(kafka: KafkaConfig) -> Iterator[Mistake]:
    wanted = kafka.security_protocol.startswith("SASL_")
    for name in ("sasl_username", "sasl_password"):
        given = getattr(kafka, name) is not None
        if wanted and not given:
            yield Mistake(("kafka", name), "is missing: security_protocol asks for it")
        elif given and not wanted:
            yield Mistake(
                ("kafka", name), "has no effect unless security_protocol is SASL_SSL or SASL_PLAINTEXT"
            )


def _ssl(kafka: KafkaConfig) -> Iterator[Mistake]:
    wanted = kafka.security_protocol.endswith("SSL")
    for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_password"):
        if getattr(kafka, name) is None:
            continue
        if not wanted:
            yield Mistake(("kafka", name), "has no effect unless security_protocol is SSL or SASL_SSL")
        elif name in {"ssl_keyfile", "ssl_password"} and kafka.ssl_certfile is None:
            yield Mistake(("kafka", name), "has no effect without ssl_certfile")


def _seen(seen: SeenConfig) -> Iterator[Mistake]:
    other_api, foreign = ("receivers", _RECEIVERS_ONLY) if seen.api == "data" else ("data", _DATA_ONLY)
    needed = "workspace_id" if seen.api == "data" else "campaign_slug"
    if getattr(seen, needed) is None:
        yield Mistake(("seen", needed), "is missing")
    for name in foreign:
        if name in seen.model_fields_set and getattr(seen, name) is not None:
            yield Mistake(("seen", name), f"belongs to api: {other_api}")
    kinds = ("bearer_token", "oauth2") if seen.api == "data" else ("token",)
    for name in {"bearer_token", "oauth2", "token"} - set(kinds):
        if getattr(seen.auth, name) is not None:
            yield Mistake(("seen", "auth", name), f"belongs to api: {other_api}")
    if sum(getattr(seen.auth, name) is not None for name in kinds) != 1:
        yield Mistake(("seen", "auth"), f"needs exactly one of {', '.join(kinds)}")


def _of_api(workspace: WorkspaceConfig) -> Iterator[Mistake]:
    """What follows from the choice of the API."""
    yield from _seen(workspace.seen)
    for index, source in enumerate(workspace.sources):
        yield from _source(("sources", index), source, api=workspace.seen.api)
        if workspace.seen.api == "receivers":
            yield from _receivers(("sources", index), source, by_seen=workspace.seen.delivery_by_seen)
    if workspace.seen.api == "receivers" and "look_up_in_doubt" in workspace.delivery.model_fields_set:
        yield Mistake(("delivery", "look_up_in_doubt"), "belongs to api: data")


def _source(location: Location, source: SourceConfig, *, api: str) -> Iterator[Mistake]:
    extra_args = source.extra_args or {}
    if extra_args and api == "data":
        yield Mistake((*location, "extra_args"), "belongs to api: receivers")
    elif extra_args and source.properties is None:
        yield Mistake((*location, "extra_args"), "needs properties, which say where first_name comes from")
    if api == "data" and source.properties is not None and "id" not in source.properties:
        yield Mistake(
            (*location, "properties"), "must say where the id comes from: SEEN takes nothing without one"
        )


def _images(location: Location, source: SourceConfig) -> Iterator[Mistake]:
    if source.properties is None or source.images is None:
        return
    known = source.properties.keys() | (source.extra_args or {}).keys()
    for index, name in enumerate(source.images.properties):
        if name not in known:
            yield Mistake(
                (*location, "images", "properties", index), "is not one of this source's properties"
            )


def _receivers(location: Location, source: SourceConfig, *, by_seen: bool) -> Iterator[Mistake]:
    for section in ("properties", "extra_args"):
        for name in getattr(source, section) or ():
            if not _RECEIVER_NAME.fullmatch(name):
                yield Mistake((*location, section, name), "must be letters A to Z, digits and _")
    if source.properties is None:
        return
    if "first_name" not in source.properties:
        yield Mistake(
            (*location, "properties"),
            "must say where first_name comes from: SEEN takes no receiver without one",
        )
    if "extra_args" in source.properties and source.extra_args is not None:
        yield Mistake(
            (*location, "properties", "extra_args"), "is given beside extra_args: one of them has no effect"
        )
    if by_seen and not source.properties.keys() & {"email", "phone"}:
        yield Mistake(
            (*location, "properties"),
            "must say where email or phone come from: seen.delivery_by_seen needs one",
        )


def _callback_auth(auth: CallbackAuth) -> Iterator[Mistake]:
    given = (bool(auth.token), bool(auth.basic), auth.oauth2 is not None, auth.jwt is not None, auth.none)
    if sum(given) != 1:
        yield Mistake(("callback", "auth"), "needs exactly one of token, basic, oauth2, jwt, none: true")
    if "header" in auth.model_fields_set and not auth.token:
        yield Mistake(("callback", "auth", "header"), "has no effect without token")


def _braze_out(out: BrazeOut, group_id: str) -> Iterator[Mistake]:
    if out.base_url.endswith("/users/track"):
        yield Mistake(("braze_out", "base_url"), "must not end in /users/track: the connector adds it")
    if out.group_id == group_id:
        message = "must differ from the workspace's group_id: two kinds of readers cannot be one group"
        yield Mistake(("braze_out", "group_id"), message)
    for name in out.attributes:
        if name in _OF_BRAZE:
            yield Mistake(
                ("braze_out", "attributes", name), "says at Braze who the user is, and is no attribute"
            )
    yield from _backoff(("braze_out", "backoff"), out.backoff)
    yield from _backoff(("braze_out", "probe"), out.probe)


def _backoff(location: Location, backoff: Backoff) -> Iterator[Mistake]:
    if backoff.max_seconds < backoff.initial_seconds:
        yield Mistake((*location, "max_seconds"), "must be at least initial_seconds")
