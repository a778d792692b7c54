"""Of the promises those about what travels together, what SEEN says of it, and what must be known before it leaves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.simulation.history import (
    Assigned,
    Drained,
    Ended,
    Entry,
    Prepared,
    Produced,
    Published,
    Said,
    Sent,
    Taken,
)
from tests.simulation.plan import planned
from tests.simulation.receivers import EXISTS

if TYPE_CHECKING:
    from tests.simulation.plan import WorkspacePlan

_SLACK_SECONDS = 1.0
"""For a poll, and for a commit that promises the offset."""


class AsSeenSays:
    """What is accepted SEEN has, and it is not created twice; a dead letter bears what SEEN said of that very item."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._records = planned(plan)
        self._is_batch = plan.limits.api == "receivers"
        self._taken: set[int] = set()
        self._ids: set[str] = set()
        self._said: defaultdict[int, set[str]] = defaultdict(set)

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Taken():
                self._taken.add(entry.number)
                self._ids.add(self._records[entry.number].id or "")
            case Said():
                self._said[entry.number].add(entry.words)
            case Published() if entry.kind == "accepted":
                self._accepted(entry)
            case Published() if entry.kind == "dead letter":
                self._dead_letter(entry)
            case _:
                pass

    def _accepted(self, entry: Published) -> None:
        record = self._records[entry.number]
        is_there = self._is_batch and record.id and record.id in self._ids
        if entry.number not in self._taken and not is_there:
            self.broken.append(
                f"{entry.at:.3f}: record {entry.number} was accepted, and SEEN does not have it"
            )

    def _dead_letter(self, entry: Published) -> None:
        record = self._records[entry.number]
        if record.what == "refused" and not any(words in entry.words for words in self._said[entry.number]):
            self.broken.append(f"{entry.at:.3f}: SEEN did not say of record {entry.number}: {entry.words}")
        if record.ends != "accepted":
            return
        if EXISTS not in self._said[entry.number] or "already" not in entry.words:
            self.broken.append(f"{entry.at:.3f}: record {entry.number} was rejected for {entry.words}")
        if entry.number in self._taken:
            self.broken.append(
                f"{entry.at:.3f}: record {entry.number} was rejected, and it was created of it"
            )


class InBatches:
    """No request carries more than it may."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._limits = plan.limits

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        if not isinstance(entry, Sent):
            return
        if len(entry.numbers) > self._limits.max_items:
            self.broken.append(
                f"{entry.at:.3f}: {len(entry.numbers)} items, {self._limits.max_items} are allowed"
            )
        if entry.size > self._limits.max_request_bytes:
            self.broken.append(
                f"{entry.at:.3f}: {entry.size} bytes, {self._limits.max_request_bytes} are allowed"
            )


class LeavesInTime:
    """One event of an idle workspace that is well leaves within the wait, and alone; an image is looked at before."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._alone = plan.alone
        self._wait = plan.limits.max_wait_seconds + _SLACK_SECONDS
        self._since: float | None = None
        self._is_well = False
        self._is_judged = False

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Ended():
                self._is_well = entry.how == "201"
            case Produced() if entry.number == self._alone.number:
                self._is_judged = not self._is_well
                self._since = None if self._alone.has_image else entry.at
            case Prepared() if entry.number == self._alone.number:
                self._since = entry.at
            case Sent() if self._alone.number in entry.numbers:
                self._judge(entry.at)
            case Drained():
                self._judge(entry.at)
            case _:
                pass

    def _judge(self, at: float) -> None:
        if self._since is None or self._is_judged:
            return
        self._is_judged = True
        if at - self._since > self._wait:
            self.broken.append(f"{at:.3f}: the event that is alone waited {at - self._since:.3f} s")


class PreparedFirst:
    """No event leaves before its owner has looked at its image; one with a bad image never does, unless without it."""

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._records = planned(plan)
        self._images = plan.limits.images
        self._good: defaultdict[int, set[int]] = defaultdict(set)

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Assigned():
                self._good[entry.replica].clear()
            case Prepared() if self._images == "drop" or not entry.is_bad:
                self._good[entry.replica].add(entry.number)
            case Sent():
                for number in entry.numbers:
                    if self._records[number].has_image and number not in self._good[entry.replica]:
                        self.broken.append(f"{entry.at:.3f}: nobody has looked at the image of {number}")
            case _:
                pass
