"""The books: what was sent against what the topics hold, so that every event is accounted for. Pure.

Nothing here asks the connector: an event's outcome, its dead letter and its video are what is written in Kafka. Only
what was skipped has left nothing there, and is believed from the connector's own count.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from connector.sandbox.demo.samples import Kind, outcome_of
from connector.types import OutcomeKind, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.sandbox.demo.samples import Sample
    from connector.types import Record

_DEAD_LETTER = "seen-dead-letter-"


@dataclass(frozen=True, slots=True)
class Topics:
    """What was found in Kafka: the outcomes, the dead letters and the video-ready events, and `skipped`, the count."""

    outcomes: Sequence[Record]
    dead_letters: Sequence[Record]
    videos: Sequence[Record]
    skipped: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one sample. `videos` counts the video-ready events of its id that no earlier sample has claimed.

    `fault` says what is missing or wrong; None: it is accounted for.
    """

    sample: Sample
    origin: str
    outcome: OutcomeKind | None
    reason: str
    videos: int
    fault: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """All samples of one kind that ended in the same way."""

    kind: Kind
    count: int
    outcome: OutcomeKind | None
    reason: str
    videos: int


@dataclass(frozen=True, slots=True)
class Books:
    """An entry for each sample, in the order in which they were sent; `strays` are videos that belong to none of them."""

    entries: tuple[Entry, ...]
    strays: int

    @property
    def accounted_for(self) -> int:
        """How many samples ended in exactly one outcome, with the video or the dead letter that belongs to it."""
        return sum(entry.fault is None for entry in self.entries)

    @property
    def dead(self) -> list[Entry]:
        """Those that SEEN will never have."""
        return [
            entry for entry in self.entries if entry.outcome in (OutcomeKind.REJECTED, OutcomeKind.EXPIRED)
        ]

    @property
    def videos(self) -> int:
        """How many video-ready events belong to a sample."""
        return sum(entry.videos for entry in self.entries)

    def rows(self) -> list[Row]:
        """What became of what, in the order of the kinds."""
        groups: dict[tuple[Kind, OutcomeKind | None, str], list[Entry]] = defaultdict(list)
        for entry in self.entries:
            groups[entry.sample.kind, entry.outcome, entry.reason].append(entry)
        order = list(Kind)
        return [
            Row(kind, len(group), outcome, reason, sum(entry.videos for entry in group))
            for (kind, outcome, reason), group in sorted(
                groups.items(), key=lambda item: order.index(item[0][0])
            )
        ]


def keep_books(sent: Sequence[tuple[str, Sample]], topics: Topics) -> Books:
    """The books over `sent`, pairs of origin and sample. Outcomes and dead letters of other origins are left aside."""
    outcomes, letters, videos = _outcomes(topics), _dead_letters(topics), _videos(topics)
    silent = sum(origin not in outcomes for origin, _ in sent)
    unclaimed = {key: len(events) for key, events in videos.items()}
    entries = []
    for origin, sample in sent:
        found = outcomes.get(origin, [])
        right = outcome_of(sample.kind)
        if not found and right is OutcomeKind.SKIPPED and silent <= topics.skipped:
            entry = Entry(sample, origin, right, Reason.FILTERED, 0, None)
        elif len(found) != 1:
            entry = Entry(sample, origin, None, "", 0, f"{len(found) or 'no'} outcomes in Kafka")
        else:
            (ended,) = found
            fault = None if ended.kind is right else f"{ended.kind}, and not {right}"
            ready = 0
            if ended.kind is OutcomeKind.ACCEPTED:
                fault = fault or (None if ended.id in videos else "accepted, and no video-ready event")
                ready = unclaimed.pop(ended.id, 0)
            else:
                fault = fault or _letter_fault(sample, letters.get(origin))
            entry = Entry(sample, origin, ended.kind, ended.reason, ready, fault)
        entries.append(entry)
    return Books(tuple(entries), sum(unclaimed.values()))


@dataclass(frozen=True, slots=True)
class _Ended:
    kind: OutcomeKind
    reason: str
    id: str


def _outcomes(topics: Topics) -> dict[str, list[_Ended]]:
    found: dict[str, list[_Ended]] = defaultdict(list)
    for record in topics.outcomes:
        data, came = _data(record), header(record, "ce_type")
        origin = "{topic}/{partition}/{offset}".format_map(data["origin"])
        found[origin].append(_Ended(OutcomeKind(came.split(".")[-2]), data["reason"], data.get("id", "")))
    return found


def _dead_letters(topics: Topics) -> dict[str, Record]:
    return {origin_of(record): record for record in topics.dead_letters}


def _videos(topics: Topics) -> dict[str, set[str]]:
    """For each customer's id, the ids of the events: one that was published twice is still one."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in topics.videos:
        found[_data(record)["id"]].add(header(record, "ce_id"))
    return found


def _letter_fault(sample: Sample, letter: Record | None) -> str | None:
    if letter is None:
        return "no dead letter"
    record = sample.message
    value = b"" if record.key is None and record.value is None else record.value
    return None if (letter.key, letter.value) == (record.key, value) else "the dead letter has other bytes"


def origin_of(dead_letter: Record) -> str:
    """Where the dead record was read, `topic/partition/offset`."""
    return "/".join(
        header(dead_letter, f"{_DEAD_LETTER}origin-{part}") for part in ("topic", "partition", "offset")
    )


def header(record: Record, name: str) -> str:
    """The text of the last header of that name, empty if there is none."""
    return (dict(record.headers).get(name) or b"").decode()


def _data(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(record.value or b"{}")
    return document
