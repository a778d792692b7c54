"""What holds between settings of one file, and between files; and what is allowed but looks unwise.

Each rule is a function from values to mistakes: pure, and silent where all is well.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector.config.braze import BrazeOut
    from connector.config.document import Location
    from connector.config.model import ConnectorConfig, KafkaConfig, ListenerConfig, WorkspaceConfig
    from connector.config.seen import Backoff, SeenConfig
    from connector.config.workspace import CallbackAuth, SourceConfig

EXPECTED_ROUND_TRIP_SECONDS = 2.0
"""What `max_in_flight` should bridge for the whole quota to be used: a slow answer of SEEN, not the slowest."""

RESERVED_SECONDS = 8.0
"""Of the shutdown deadline: for the last outcomes and commits, and to leave the groups."""

PLACES_BESIDE_CALLS = 128
"""Connections that the listener should have room for beyond the calls under way: those that come, wait, or are refused."""

DESCRIPTORS_OF_THE_PROCESS = 64
"""Open files beside connections: the program's own, ports, the spool, probes, those that are just being closed."""

DESCRIPTORS_OF_A_CLIENT = 8
"""Connections to Kafka: one to every broker that a client needs, and one to a coordinator."""


class Mistake(NamedTuple):
    """What is wrong with the setting at `location`; nothing, as far as is known, where one of `unless` is itself wrong."""

    location: Location
    message: str
    unless: tuple[Location, ...] = ()


class Clash(NamedTuple):
    """The setting at `location` in workspace number `at` contradicts an earlier one."""

    at: int
    location: Location
    message: str
    earlier_at: int
    earlier_location: Location


_RECEIVERS_ONLY = ("campaign_slug", "batch", "delivery_by_seen", "already_exists")
_DATA_ONLY = ("workspace_id",)
_OF_BRAZE = ("braze_id", "external_id", "user_alias", "_update_existing_only")
_RECEIVER = ("first_name", "last_name", "email", "phone", "customer_id", "extra_args")
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
    yield from _seen(workspace.seen)
    if not workspace.sources and workspace.braze_in is None:
        yield Mistake(("sources",), "must have an item, unless there is braze_in", (("braze_in",),))
    for index, source in enumerate(workspace.sources):
        yield from _source(("sources", index), source, api=workspace.seen.api)
        if workspace.seen.api == "receivers":
            yield from _receivers(("sources", index), source, by_seen=workspace.seen.delivery_by_seen)
    if workspace.seen.api == "receivers" and "look_up_in_doubt" in workspace.delivery.model_fields_set:
        yield Mistake(("delivery", "look_up_in_doubt"), "belongs to api: data")
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


def workspace_warnings(workspace: WorkspaceConfig) -> Iterator[Mistake]:
    """What works and is probably not meant."""
    seen, delivery = workspace.seen, workspace.delivery
    yield from _in_the_clear(("seen", "base_url"), seen.base_url)
    if workspace.braze_out is not None:
        yield from _in_the_clear(("braze_out", "base_url"), workspace.braze_out.base_url)
    needed = seen.quota.requests / seen.quota.per_seconds * EXPECTED_ROUND_TRIP_SECONDS
    if delivery.max_in_flight < needed:
        because = f"answers that take {EXPECTED_ROUND_TRIP_SECONDS:g} s leave a part of the quota unused"
        yield Mistake(("delivery", "max_in_flight"), f"{because} below {needed:.0f}")
    if seen.api == "receivers":
        yield from _receivers_warnings(workspace)
    if workspace.callback.auth.none:
        yield Mistake(("callback", "auth", "none"), "whoever reaches the listener can announce videos")


def connector_warnings(
    connector: ConnectorConfig, workspaces: Sequence[WorkspaceConfig], descriptors: int
) -> Iterator[Mistake]:
    """What works and is probably not meant, in connector.yaml; `descriptors` is how many files a process may open here."""
    listener = connector.listener
    kinds = sum(1 + (each.topics.viewers is not None) + (each.braze_in is not None) for each in workspaces)
    of_calls = listener.max_in_flight * kinds
    if listener.max_connections < (least := of_calls + PLACES_BESIDE_CALLS):
        because = f"calls of {len(workspaces)} workspaces can take {of_calls} places"
        yield Mistake(
            ("listener", "max_connections"), f"{because}: they get in each other's way below {least}"
        )
    needed = listener.max_connections + DESCRIPTORS_OF_THE_PROCESS
    needed += sum(map(_descriptors, workspaces))
    if descriptors < needed:
        message = f"a process may open {descriptors} files here (ulimit -n), and may need {needed}"
        yield Mistake(("listener", "max_connections"), message)


def needs_of_connector(connector: ConnectorConfig, workspace: WorkspaceConfig) -> Iterator[Mistake]:
    """What a workspace file rests on that connector.yaml does not have."""
    if workspace.callback.auth.oauth2 is not None and connector.listener.oauth2 is None:
        missing = "needs listener.oauth2.signing_key in connector.yaml: it signs the access tokens"
        yield Mistake(("callback", "auth", "oauth2"), missing)


def clashes(workspaces: Sequence[WorkspaceConfig]) -> Iterator[Clash]:
    """Rules between workspaces, and between the topics of one."""
    yield from _same_identity(workspaces)
    yield from _same_topic(workspaces)


def _descriptors(workspace: WorkspaceConfig) -> int:
    """Connections of a workspace: four clients of Kafka and those to SEEN; one more and those to Braze, where it exports."""
    of_seen = 4 * DESCRIPTORS_OF_A_CLIENT + workspace.delivery.max_in_flight
    of_braze = DESCRIPTORS_OF_A_CLIENT + workspace.delivery.max_in_flight
    return of_seen + (0 if workspace.braze_out is None else of_braze)


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


def _source(location: Location, source: SourceConfig, *, api: str) -> Iterator[Mistake]:
    extra_args = source.extra_args or {}
    if extra_args and api == "data":
        yield Mistake((*location, "extra_args"), "belongs to api: receivers")
    elif extra_args and source.properties is None:
        yield Mistake((*location, "extra_args"), "needs properties, which say where first_name comes from")
    if source.properties is None:
        return
    if api == "data" and "id" not in source.properties:
        yield Mistake(
            (*location, "properties"), "must say where the id comes from: SEEN takes nothing without one"
        )
    for index, name in enumerate(source.images.properties if source.images else ()):
        if name not in source.properties and name not in extra_args:
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


def _receivers_warnings(workspace: WorkspaceConfig) -> Iterator[Mistake]:
    for index, source in enumerate(workspace.sources):
        for name in source.properties or ():
            if name not in _RECEIVER:
                unknown = (
                    "is no field of a receiver that SEEN documents: extra_args takes what else the film uses"
                )
                yield Mistake(("sources", index, "properties", name), unknown)
        if source.properties is not None and "customer_id" not in source.properties:
            unknown = "has no customer_id: an event may be filmed twice, and videos cannot be told apart"
            yield Mistake(("sources", index, "properties"), unknown)
    if workspace.delivery.max_buffered < (items := workspace.seen.batch.max_items):
        few = f"is less than seen.batch.max_items: no request will have {items} receivers"
        yield Mistake(("delivery", "max_buffered"), few)


def _callback_auth(auth: CallbackAuth) -> Iterator[Mistake]:
    given = (bool(auth.token), bool(auth.basic), auth.oauth2 is not None, auth.jwt is not None, auth.none)
    if sum(given) != 1:
        yield Mistake(("callback", "auth"), "needs exactly one of token, basic, oauth2, jwt, none: true")
    if "header" in auth.model_fields_set and not auth.token:
        yield Mistake(("callback", "auth", "header"), "has no effect without token")


def _braze_out(out: BrazeOut, group_id: str) -> Iterator[Mistake]:
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


def _in_the_clear(location: Location, url: str) -> Iterator[Mistake]:
    if url.startswith("http:") and not _is_loopback(url):
        yield Mistake(location, "is plain http: the token crosses the network in the clear")


def _backoff(location: Location, backoff: Backoff) -> Iterator[Mistake]:
    if backoff.max_seconds < backoff.initial_seconds:
        yield Mistake((*location, "max_seconds"), "must be at least initial_seconds")


def _same_identity(workspaces: Sequence[WorkspaceConfig]) -> Iterator[Clash]:
    first: dict[object, tuple[int, Location]] = {}
    told: set[tuple[int, int, Location]] = set()
    for index, workspace in enumerate(workspaces):
        for identity, location, message in _identities(workspace):
            earlier, there = first.setdefault(identity, (index, location))
            consequence = location[-1] == "group_id" and workspaces[earlier].name == workspace.name
            if earlier != index and not consequence and (earlier, index, location) not in told:
                told.add((earlier, index, location))
                yield Clash(index, location, message, earlier, there)


def _identities(workspace: WorkspaceConfig) -> Iterator[tuple[object, Location, str]]:
    seen = workspace.seen
    yield ("name", workspace.name), ("name",), "is already taken by"
    yield ("group", workspace.group_id), ("group_id",), "is already taken by"
    if workspace.braze_out is not None:
        yield ("group", workspace.braze_out.group_id), ("braze_out", "group_id"), "is already taken by"
    target = "workspace_id" if seen.api == "data" else "campaign_slug"
    if getattr(seen, target) is not None:
        quota = ("quota", _origin(seen.base_url), target, getattr(seen, target))
        yield quota, ("seen", target), "shares its quota at SEEN with"
        if workspace.braze_in is not None:
            # The listener is shown this and no base_url.
            braze = ("braze", target, getattr(seen, target))
            yield braze, ("seen", target), "is what Braze's calls are matched by, as those of"
    auth, taken = workspace.callback.auth, "is already taken by"
    if auth.oauth2 is not None:
        # The token endpoint is shown a client and no workspace.
        yield ("client", auth.oauth2.client_id), ("callback", "auth", "oauth2", "client_id"), taken
    if auth.jwt is not None:
        audience = ("audience", auth.jwt.issuer, auth.jwt.audience)
        yield audience, ("callback", "auth", "jwt", "audience"), taken


def _same_topic(workspaces: Sequence[WorkspaceConfig]) -> Iterator[Clash]:
    """A topic has one role in the whole configuration. Workspaces may share it in that role, one may not name it twice."""
    claims: dict[str, list[tuple[str, int, Location]]] = {}
    for index, workspace in enumerate(workspaces):
        for topic, role, location in _roles(workspace):
            earlier = claims.setdefault(topic, [])
            for other_role, other_index, other_location in earlier:
                if other_role != role or other_index == index:
                    yield Clash(index, location, "is already taken by", other_index, other_location)
                    break
            earlier.append((role, index, location))


def _roles(workspace: WorkspaceConfig) -> Iterator[tuple[str, str, Location]]:
    for number, source in enumerate(workspace.sources):
        for index, topic in enumerate(source.topics):
            yield topic, "source", ("sources", number, "topics", index)
    if workspace.braze_in is not None:
        # What is posted for one workspace is meant for no other.
        yield workspace.braze_in.topic, f"braze_in of {workspace.name}", ("braze_in", "topic")
    for role in type(workspace.topics).model_fields:
        topic = getattr(workspace.topics, role)
        if topic is not None:
            yield topic, role, ("topics", role)


def _origin(url: str) -> tuple[str | None, int | None, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme), parts.path


def _is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
