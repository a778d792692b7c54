"""Of the promises those about who may send, the quota, what is held, and how an outage ends."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.simulation.history import (
    Arrived,
    Assigned,
    Ended,
    Fault,
    Produced,
    Published,
    Sample,
    Sent,
    Taken,
    Turn,
)
from tests.simulation.records import QUICK

if TYPE_CHECKING:
    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan

_RECORDS_A_POLL = 100
_LARGEST_GAP = 6
_TASKS = 12
"""Those of an engine at rest, and of whoever calls it."""
_PROBE_SECONDS = 60.0


class OneSender:
    """Only who was assigned last sends: the lease of whoever was before has ended."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._owner: int | None = None
        self._generation = 0

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Assigned() if entry.generation > self._generation:
                self._owner, self._generation = entry.replica, entry.generation
            case Sent() if entry.replica != self._owner:
                self.broken.append(
                    f"{entry.at:.3f}: replica {entry.replica} sends, {self._owner} is the owner"
                )
            case _:
                pass


class WithinQuota:
    """G3: no window of the server's holds more arrivals than the quota, of one replica and, `across_owners`, of all."""

    def __init__(self, plan: WorkspacePlan, *, across_owners: bool) -> None:
        self.broken: list[str] = []
        self._limits = plan.limits
        self._across = across_owners
        self._arrivals: defaultdict[int, list[float]] = defaultdict(list)

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        if isinstance(entry, Arrived):
            self._arrived(entry.replica, f"replica {entry.replica}", entry.at)
            if self._across:
                self._arrived(-1, "all", entry.at)

    def _arrived(self, which: int, name: str, at: float) -> None:
        times, most = self._arrivals[which], self._limits.requests
        times.append(at)
        if len(times) > most and at - times[-1 - most] <= self._limits.per_seconds:
            in_window = sum(at - each <= self._limits.per_seconds for each in times)
            self.broken.append(f"{at:.3f}: {in_window} requests of {name} in a window, {most} are allowed")


class Bounded:
    """G8: what is held stays within its limits."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._limits = plan.limits
        self._on_wire: dict[int, int] = {}

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        limits = self._limits
        match entry:
            case Sent():
                self._on_wire[entry.request] = entry.replica
                on_wire = sum(each == entry.replica for each in self._on_wire.values())
                self._hold(entry.at, "requests on the wire", on_wire, limits.max_in_flight)
            case Ended():
                self._on_wire.pop(entry.request, None)
            case Sample():
                span = limits.max_uncommitted + min(_RECORDS_A_POLL, limits.max_buffered) * _LARGEST_GAP
                self._hold(entry.at, "records buffered", entry.buffered, limits.max_buffered)
                self._hold(entry.at, "requests in flight", entry.in_flight, limits.max_in_flight)
                self._hold(entry.at, "tasks", entry.tasks, limits.max_buffered + _TASKS)
                self._hold(entry.at, "offsets uncommitted", entry.span, span)
            case _:
                pass

    def _hold(self, at: float, what: str, found: int, most: int) -> None:
        if found > most:
            self.broken.append(f"{at:.3f}: {found} {what}, at most {most} are allowed")


class Recovers:
    """A long outage is probed once a minute, makes no dead letters, and is over with the first probe after its end.

    Looked at where nothing else happened meanwhile; `was_seen` says whether that was so.
    """

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self.was_seen = False
        self._plan = plan
        self._tries: list[float] = []
        self._disturbed: list[float] = []
        self._waiting: set[int] = set()
        self._taken_at: float | None = None
        slow = sum(each.poison is not None and each.poison not in QUICK for each in plan.records)
        self._refused_seconds = slow * _PROBE_SECONDS
        self._accepted = {each.number for each in plan.records if each.ends == "accepted"}
        self._end = None if plan.outage is None else plan.outage.start + plan.outage.seconds
        self._is_over = False

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        if self._end is None or self._is_over:
            return
        match entry:
            case Sent():
                self._tries.append(entry.at)
            case Fault() if entry.what == "seen: no connection":
                self._tries.append(entry.at)
            case Turn() | Assigned():
                self._disturbed.append(entry.at)
            case Produced() if entry.at < self._end and entry.number in self._accepted:
                self._waiting.add(entry.number)
            case Published() if entry.at < self._end:
                self._waiting.discard(entry.number)
            case Taken() if entry.at >= self._end and self._taken_at is None:
                self._taken_at = entry.at
            case _:
                pass
        if entry.at > self._end + 200:
            self._is_over = True
            self._judge(self._end)

    def _judge(self, end: float) -> None:
        if not self._waiting or any(end - 300 < at < end + 150 for at in self._disturbed):
            return
        self.was_seen = True
        last = [at for at in self._tries if end - 2 * _PROBE_SECONDS <= at <= end]
        self.broken += [
            f"{after:.3f}: a probe {after - before:.1f} s after the one before it"
            for before, after in pairwise(last)
            if after - before < _PROBE_SECONDS - 1
        ]
        by = end + _PROBE_SECONDS + self._slack()
        if self._taken_at is None or self._taken_at > by:
            self.broken.append(
                f"{end:.3f}: the outage was over, the first event was taken at {self._taken_at}"
            )

    def _slack(self) -> float:
        """What a probe of the outage may take before it ends, what its answer asks to wait, and probes of poisons."""
        assert self._plan.outage is not None
        if self._plan.outage.what == "hang":
            return 2 * self._plan.limits.timeout_seconds + 1 + self._refused_seconds
        return 16.0 + self._refused_seconds
