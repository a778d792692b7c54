"""What holds between workspaces, and between the topics of one: pure, and silent where all is well."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector.config.document import Location
    from connector.config.model import WorkspaceConfig


class Clash(NamedTuple):
    """The setting at `location` in workspace number `at` contradicts an earlier one."""

    at: int
    location: Location
    message: str
    earlier_at: int
    earlier_location: Location


def clashes(workspaces: Sequence[WorkspaceConfig]) -> Iterator[Clash]:
    """Rules between workspaces, and between the topics of one."""
    yield from _same_identity(workspaces)
    yield from _same_topic(workspaces)


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
