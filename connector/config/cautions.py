"""What is allowed but looks unwise. Each rule is a function from values to mistakes: pure, and silent where all is well."""

from __future__ import annotations

import ipaddress
import urllib.parse
from typing import TYPE_CHECKING

from connector.config.rules import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector.config.document import Location
    from connector.config.model import ConnectorConfig, WorkspaceConfig

EXPECTED_ROUND_TRIP_SECONDS = 2.0
"""What `max_in_flight` should bridge for the whole quota to be used: a slow answer of SEEN, not the slowest."""

PLACES_BESIDE_CALLS = 128
"""Connections that the listener should have room for beyond the calls under way: those that come, wait, or are refused."""

DESCRIPTORS_OF_THE_PROCESS = 64
"""Open files beside connections: the program's own, ports, the spool, probes, those that are just being closed."""

DESCRIPTORS_OF_A_CLIENT = 8
"""Connections to Kafka: one to every broker that a client needs, and one to a coordinator."""

_RECEIVER = ("first_name", "last_name", "email", "phone", "customer_id", "extra_args")


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


def _descriptors(workspace: WorkspaceConfig) -> int:
    """Connections of a workspace: four clients of Kafka and those to SEEN; two more and those to Braze, where it exports."""
    of_seen = 4 * DESCRIPTORS_OF_A_CLIENT + workspace.delivery.max_in_flight
    of_braze = 2 * DESCRIPTORS_OF_A_CLIENT + workspace.delivery.max_in_flight
    return of_seen + (0 if workspace.braze_out is None else of_braze)


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


def _in_the_clear(location: Location, url: str) -> Iterator[Mistake]:
    if url.startswith("http:") and not _is_loopback(url):
        yield Mistake(location, "is plain http: the token crosses the network in the clear")


def _is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
