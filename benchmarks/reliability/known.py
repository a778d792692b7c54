"""The evidence of a run, by record. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reliability.evidence import Arrived, Evidence, Published, Sent

Origin = tuple[str, int, int]
"""Workspace, partition, offset."""
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Known:
    """The evidence, by record.

    `posts` are the arrivals that carried a record, each with that record, in order of arrival. `taken_at` is when SEEN
    first took a record, `refused_at` when its first outcome that is not accepted was durable.
    """

    evidence: Evidence
    posts: list[tuple[Arrived, Sent]]
    outcomes: dict[Origin, list[Published]]
    dead_letters: dict[Origin, list[Published]]
    taken_at: dict[Origin, float]
    refused_at: dict[Origin, float]

    def is_poison(self, sent: Sent) -> bool:
        """Whether SEEN never takes it."""
        return sent.id in self.evidence.poison


def known(evidence: Evidence) -> Known:
    """Reads the evidence."""
    by_number = {(sent.workspace, sent.values["number"]): sent for sent in evidence.sent}
    posts = [
        (arrived, by_number[arrived.workspace, arrived.values["number"]])
        for arrived in evidence.arrived
        if arrived.values is not None and (arrived.workspace, arrived.values.get("number")) in by_number
    ]
    taken_at: dict[Origin, float] = {}
    for arrived, sent in posts:
        if arrived.processed and arrived.values == sent.values:
            taken_at.setdefault(sent.origin, arrived.at)
    outcomes, dead_letters = _by_origin(evidence.outcomes), _by_origin(evidence.dead_letters)
    refused_at = {
        origin: min(each.at for each in published if each.kind != "accepted")
        for origin, published in outcomes.items()
        if any(each.kind != "accepted" for each in published)
    }
    return Known(evidence, posts, outcomes, dead_letters, taken_at, refused_at)


def clock(at: float) -> str:
    """As in the journal and the logs: the time of day, UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-3]


def name_of(sent: Sent) -> str:
    """A record, as findings name it."""
    return f"{sent.workspace}/{sent.partition}/{sent.offset} (number {sent.values['number']})"


def _by_origin(published: Iterable[Published]) -> dict[Origin, list[Published]]:
    found: dict[Origin, list[Published]] = defaultdict(list)
    for each in published:
        found[each.origin].append(each)
    return dict(found)
