"""An invented run without a fault: what the checker is proved on. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from reliability.events import draw_events, is_poison
from reliability.evidence import Arrived, Committed, Evidence, Limit, Measured, Published, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

STEP_SECONDS = 0.2
"""From one event to the next; an outcome is durable a third of it after the request, a commit soon after that."""

_LIMIT = Limit(requests=100, per_seconds=10.0, unsettled=32, probe_seconds=5.0)
_COMMIT_EVERY = 7


def invented(seed: int, count: int) -> Evidence:
    """A run of `count` records as it should be: each posted once, in order, settled, then committed."""
    sent = list(_records(seed, count))
    poison = frozenset(each.id for each in sent if is_poison(each.id))
    items: dict[str, dict[str, dict[str, str | int]]] = defaultdict(dict)
    for each in sent:
        if each.id not in poison:
            items[each.workspace][each.id] = each.values
    outcomes = [_outcome(number, each, poison) for number, each in enumerate(sent)]
    return Evidence(
        limits=dict.fromkeys(("acme", "globex"), _LIMIT),
        written=count,
        poison=poison,
        sent=sent,
        arrived=[_arrived(number, each, poison) for number, each in enumerate(sent)],
        outcomes=outcomes,
        dead_letters=[replace(each, kind="dead letter") for each in outcomes if each.kind != "accepted"],
        commits=list(_commits(outcomes)),
        items=dict(items),
        measured=Measured(1, count / 2 * STEP_SECONDS, {"c1": 80.0}, drain_seconds=5.0, exits={"c1": 0}),
    )


def _records(seed: int, count: int) -> Iterator[Sent]:
    ends: dict[tuple[str, int], int] = defaultdict(int)
    for number, due in enumerate(draw_events(seed, count, seconds=240.0)):
        where = due.workspace, due.partition
        at = (number - 0.1) * STEP_SECONDS
        yield Sent(due.workspace, due.partition, ends[where], due.key, due.values, at)
        ends[where] += 1


def _arrived(number: int, sent: Sent, poison: frozenset[str]) -> Arrived:
    at = number * STEP_SECONDS
    is_taken = sent.id not in poison
    return Arrived(at, at, sent.workspace, "POST", sent.values, 201 if is_taken else 403, processed=is_taken)


def _outcome(number: int, sent: Sent, poison: frozenset[str]) -> Published:
    at = (number + 0.3) * STEP_SECONDS
    kind = "rejected" if sent.id in poison else "accepted"
    return Published(sent.workspace, sent.partition, sent.offset, kind, "/".join(map(str, sent.origin)), at)


def _commits(outcomes: list[Published]) -> Iterator[Committed]:
    last = {(each.workspace, each.partition): each.offset for each in outcomes}
    for each in outcomes:
        if each.offset % _COMMIT_EVERY == 0 or each.offset == last[each.workspace, each.partition]:
            yield Committed(each.workspace, each.partition, each.offset + 1, each.at + STEP_SECONDS / 10)
