"""What is promised of every course, checked against its history. Each class is one promise of docs/design.md, section 1."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from tests.simulation.batches import AsSeenSays, InBatches, LeavesInTime, PreparedFirst
from tests.simulation.history import (
    Arrived,
    CommitSent,
    Committed,
    Died,
    Drained,
    Ended,
    Produced,
    Published,
    Sent,
)
from tests.simulation.limits import Bounded, OneSender, Recovers, WithinQuota
from tests.simulation.plan import LEASES, planned
from tests.simulation.records import REFUSED
from tests.simulation.repeats import NothingTwice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.history import Entry
    from tests.simulation.plan import Plan, WorkspacePlan
    from tests.simulation.records import PlannedRecord


class Promise(Protocol):
    """Reads a workspace's history, entry by entry, and keeps what was broken."""

    broken: list[str]

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        ...


def violations(plan: Plan, history: Sequence[Entry], *, across_owners: bool = LEASES) -> list[str]:
    """What was broken, with its time; `across_owners`: the quota must hold over crashes and handovers too."""
    found: list[str] = []
    for workspace in plan.workspaces:
        promises: list[Promise] = [
            NothingLost(workspace),
            InOrder(workspace),
            NothingTwice(workspace),
            OneSender(),
            WithinQuota(workspace, across_owners=across_owners),
            Bounded(workspace),
            Recovers(workspace),
            AsSeenSays(workspace),
            InBatches(workspace),
            LeavesInTime(workspace),
            PreparedFirst(workspace),
        ]
        for entry in history:
            if entry.ws == workspace.name:
                for promise in promises:
                    promise.see(entry)
        for promise in promises:
            found += [f"{workspace.name}: {type(promise).__name__}: {each}" for each in promise.broken]
    return found


class NothingLost:
    """G1: each record ends as planned, its outcome is durable before its offset is committed, and all is committed in the end."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._records = planned(plan)
        self._takes_existing = plan.limits.takes_existing
        self._produced: defaultdict[int, list[PlannedRecord]] = defaultdict(list)
        self._certain: defaultdict[int, int] = defaultdict(int)
        self._outcomes: dict[int, tuple[str, str]] = {}
        self._dead_letters: set[int] = set()
        self._offsets: dict[int, tuple[tuple[int, int], ...]] = {}
        self._committed: dict[int, int] = {}

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Produced():
                record = self._records[entry.number]
                self._produced[record.partition].append(record)
            case Published():
                self._published(entry)
            case CommitSent():
                self._commit_sent(entry)
            case Committed():
                for partition, offset in self._offsets[entry.commit]:
                    if offset < self._committed.get(partition, 0):
                        self._break(entry.at, f"the commit of partition {partition} went back to {offset}")
                    self._committed[partition] = offset
            case Died():
                self._break(entry.at, f"replica {entry.replica} died of {entry.why}")
            case Drained():
                self._drained(entry)
            case _:
                pass

    def _break(self, at: float, what: str) -> None:
        self.broken.append(f"{at:.3f}: {what}")

    def _published(self, entry: Published) -> None:
        record = self._records[entry.number]
        if entry.kind == "dead letter":
            self._dead_letters.add(entry.number)
            if not {"rejected", "expired"} & self._ends(record):
                self._break(entry.at, f"record {entry.number} ({record.what}) was dead-lettered")
            return
        if entry.kind not in self._ends(record):
            self._break(entry.at, f"record {entry.number} ({record.what}) ended as {entry.kind}")
        if entry.kind != "accepted" and entry.number not in self._dead_letters:
            self._break(entry.at, f"the outcome of record {entry.number} came before its dead letter")
        known = self._outcomes.setdefault(entry.number, (entry.kind, entry.event_id))
        if known != (entry.kind, entry.event_id) and not self._may_exist(record):
            self._break(
                entry.at,
                f"record {entry.number} has two outcomes: {known} and {entry.kind}, {entry.event_id}",
            )

    def _ends(self, record: PlannedRecord) -> set[str]:
        """How it may end. What is refused for ever and meets another fault at its last try is given up for that."""
        ends = {record.ends}
        if record.what in REFUSED:
            ends.add("expired")
        if self._may_exist(record):
            ends.add("rejected")
        return ends

    def _may_exist(self, record: PlannedRecord) -> bool:
        """Whether it may be rejected since another has its id; after a crash it is taken for a repeat, and accepted."""
        return not self._takes_existing and record.shares_id and record.ends == "accepted"

    def _commit_sent(self, entry: CommitSent) -> None:
        self._offsets[entry.commit] = entry.offsets
        for partition, offset in entry.offsets:
            uncertain = self._first_without_outcome(partition)
            if uncertain is not None and uncertain.offset < offset:
                what = f"offset {offset} of partition {partition} is committed, record {uncertain.number} has no outcome"
                self._break(entry.at, what)

    def _first_without_outcome(self, partition: int) -> PlannedRecord | None:
        produced = self._produced[partition]
        place = self._certain[partition]
        while place < len(produced):
            if produced[place].ends != "skipped" and produced[place].number not in self._outcomes:
                break
            place += 1
        self._certain[partition] = place
        return produced[place] if place < len(produced) else None

    def _drained(self, entry: Drained) -> None:
        if entry.left:
            self._break(entry.at, f"{entry.left} records wait for ever")
        records = [each for some in self._produced.values() for each in some]
        lost = [
            each.number for each in records if each.ends != "skipped" and each.number not in self._outcomes
        ]
        if lost:
            self._break(entry.at, f"no outcome: {lost}")
        if entry.skipped < sum(each.ends == "skipped" for each in records):
            self._break(entry.at, f"only {entry.skipped} skipped records were counted")


class InOrder:
    """G2: when a POST arrives, what came before it under its key has its outcome; a key has one request on the wire."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._records = planned(plan)
        self._lanes: defaultdict[tuple[int, bytes | None], list[int]] = defaultdict(list)
        for each in self._records.values():
            self._lanes[each.partition, each.order_key].append(each.number)
        self._settled: set[int] = set()
        self._on_wire: dict[int, set[tuple[int, bytes | None]]] = {}

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Published() if entry.kind != "dead letter":
                self._settled.add(entry.number)
            case Sent():
                self._sent(entry)
            case Ended():
                self._on_wire.pop(entry.request, None)
            case Arrived():
                for number in entry.numbers:
                    self._arrived(entry.at, number)
            case _:
                pass

    def _sent(self, entry: Sent) -> None:
        sending: set[tuple[int, bytes | None]] = set()
        for number in entry.numbers:
            sent = entry.replica, self._records[number].order_key
            if sent in sending or any(sent in keys for keys in self._on_wire.values()):
                self.broken.append(f"{entry.at:.3f}: two events of key {sent[1]!r} are on the wire")
            sending.add(sent)
        self._on_wire[entry.request] = sending

    def _arrived(self, at: float, number: int) -> None:
        record = self._records[number]
        lane = self._lanes[record.partition, record.order_key]
        while lane and lane[0] in self._settled:
            lane.pop(0)
        if lane and lane[0] < number:
            self.broken.append(
                f"{at:.3f}: record {number} arrived before {lane[0]} of key {record.order_key!r} was settled"
            )
