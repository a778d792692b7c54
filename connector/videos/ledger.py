"""Which accepted events have no video yet: derived from facts in any order, so nobody writes it down. Pure.

Rules:
 1. An id is pending while it was accepted, no video of it was heard of, and it was not reported overdue since.
 2. A ready ends every acceptance of its id, those that are read after it too: SEEN takes the same id for the same entity.
 3. A report of an overdue video ends the acceptances up to the look-up that it rests on. A later one is pending anew.
 4. An id that is accepted twice is pending once, since the first time.
 5. Not more than `max_pending` are: beyond it the one that was heard of first is no longer tracked, and counted.
 6. How an id ended is remembered for `horizon_seconds`, of a bounded number of ids. Forgetting one costs a look-up at
    most, which finds the video that was there before: an event with the same id again.
 7. A ready of an id is unmatched, and counted once, where nothing was accepted for it within `overdue_after_seconds` of
    hearing of it: after an outage of Kafka its callback may be read long after it came, and before its acceptance.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from connector.delivery.backoff import Backoff
from connector.videos.facts import WasAccepted, WasOverdue, WasReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.videos.facts import Fact

_REMEMBERED = 50_000
_LEAST_MARGIN_SECONDS = 3600.0
_LONGEST_WAIT_SECONDS = 3600.0
_SPARE_TIMES = 1000  # of the schedule: entries that no longer count, before it is made anew


@dataclass(frozen=True, slots=True)
class LedgerLimits:
    """When a pending video is asked for, when it is given up, and how many are tracked. All as in the settings `videos`."""

    overdue_after_seconds: float
    give_up_after_seconds: float
    max_pending: int

    @property
    def horizon_seconds(self) -> float:
        """How far back the facts are that still count.

        Beyond `give_up_after_seconds` by as much again, and at least an hour: what is given up only after SEEN has
        answered must still be found if SEEN, or the connector, was away when its time came.
        """
        return self.give_up_after_seconds + max(self.give_up_after_seconds, _LEAST_MARGIN_SECONDS)


class Pending(NamedTuple):
    """A pending video. Times are Unix seconds; `reported_at` is None unless it was reported overdue."""

    id: str
    accepted_at: float
    reported_at: float | None = None


@dataclass(slots=True)
class _Awaited:
    since: float
    last: float
    asked: int = 0
    ask_at: float = 0.0


@dataclass(slots=True)
class _Ended:
    covers: float  # acceptances up to then are ended; infinity: by a ready
    at: float
    reconciled: tuple[str, ...] = ()  # ids of the events that a look-up found
    reported: WasOverdue | None = None


class Ledger:
    """The ledger of one workspace. All times are Unix seconds."""

    def __init__(self, limits: LedgerLimits) -> None:
        self._limits = limits
        self._waits = Backoff(
            limits.overdue_after_seconds, max(limits.overdue_after_seconds, _LONGEST_WAIT_SECONDS)
        )
        self._awaited: OrderedDict[str, _Awaited] = OrderedDict()
        self._schedule: list[tuple[float, str]] = []
        # Ordered: the first of a dict that lost many others at its front is slow to find.
        self._due: OrderedDict[str, None] = OrderedDict()
        self._overdue: set[str] = set()
        self._ended: OrderedDict[str, _Ended] = OrderedDict()
        self._unheard: OrderedDict[str, float] = OrderedDict()
        self._advanced_to = -math.inf
        self.untracked = 0
        self.unmatched = 0
        self.mismatched = 0

    # What the topics say

    def heed(self, fact: Fact) -> None:
        """Takes in one fact; any order, and any number of times."""
        match fact:
            case WasAccepted(id_, at):
                self._accepted(id_, at)
            case WasReady():
                self._ready(fact)
            case WasOverdue():
                self._reported(fact)

    def _accepted(self, id_: str, at: float) -> None:
        self._unheard.pop(id_, None)
        ended = self._ended.get(id_)
        if ended is not None and at <= ended.covers:
            return
        known = self._awaited.get(id_)
        if known is None:
            self._await(id_, _Awaited(at, at))
            return
        known.last = max(known.last, at)
        if at < known.since:
            known.since = at
            if id_ not in self._overdue:
                self._ask(id_, known, at + self._limits.overdue_after_seconds)

    def _await(self, id_: str, awaited: _Awaited) -> None:
        self._awaited[id_] = awaited
        self._ask(id_, awaited, awaited.since + self._limits.overdue_after_seconds)
        if len(self._awaited) > self._limits.max_pending:
            oldest = next(iter(self._awaited))
            # Remembered, so that its ready is not one of an id that was never sent.
            self._end(oldest, _Ended(self._awaited[oldest].last, self._awaited[oldest].last))
            self.untracked += 1

    def _ready(self, fact: WasReady) -> None:
        known = self._ended.get(fact.id)
        if known is None and fact.id not in self._awaited:
            self._unheard[fact.id] = max(fact.at, self._advanced_to)
        found = known.reconciled if known else ()
        if fact.reconciled:
            found = (*found, fact.event_id) if fact.event_id not in found else found
        elif found and fact.event_id not in found:
            self.mismatched += 1
        self._end(fact.id, _Ended(math.inf, fact.at, found))

    def _reported(self, fact: WasOverdue) -> None:
        known = self._ended.get(fact.id)
        if known is not None and fact.at <= known.covers:
            return
        awaited = self._awaited.get(fact.id)
        self._end(fact.id, _Ended(fact.at, fact.at, reported=fact))
        if awaited is not None and awaited.last > fact.at:
            self._await(fact.id, _Awaited(awaited.last, awaited.last))

    def _end(self, id_: str, ended: _Ended) -> None:
        self._awaited.pop(id_, None)
        self._due.pop(id_, None)
        self._overdue.discard(id_)
        self._ended[id_] = ended
        self._ended.move_to_end(id_)
        if len(self._ended) > _REMEMBERED:
            self._forget_first()

    def _forget_first(self) -> None:
        id_, _ = self._ended.popitem(last=False)
        if self._unheard.pop(id_, None) is not None:
            self.unmatched += 1

    # What time does

    def advance(self, now: float) -> None:
        """Notes what has become due, unmatched, or too old to be remembered."""
        self._advanced_to = now
        while self._schedule and self._schedule[0][0] <= now:
            at, id_ = heapq.heappop(self._schedule)
            awaited = self._awaited.get(id_)
            if awaited is not None and awaited.ask_at == at:
                awaited.ask_at = math.inf
                self._due[id_] = None
                self._overdue.add(id_)
        while self._unheard:
            id_, at = next(iter(self._unheard.items()))
            if now - at < self._limits.overdue_after_seconds:
                break
            del self._unheard[id_]
            self.unmatched += 1
        while self._ended and now - next(iter(self._ended.values())).at > self._limits.horizon_seconds:
            self._forget_first()

    def _ask(self, id_: str, awaited: _Awaited, at: float) -> None:
        awaited.ask_at = at
        heapq.heappush(self._schedule, (at, id_))
        if len(self._schedule) > 2 * len(self._awaited) + _SPARE_TIMES:
            self._schedule = [(each.ask_at, id_) for id_, each in self._awaited.items()]
            heapq.heapify(self._schedule)

    # What is to be asked

    def take_due(self) -> str | None:
        """An id to look up, the longest due first; None if there is none. It is given out once, until `asked` or `put_back`."""
        if not self._due:
            return None
        id_ = next(iter(self._due))
        del self._due[id_]
        return id_

    def put_back(self, id_: str) -> None:
        """It was not asked for after all."""
        if id_ in self._awaited:
            self._due[id_] = None

    def awaits(self, id_: str) -> bool:
        """Whether `id_` is pending."""
        return id_ in self._awaited

    def asked(self, id_: str, now: float) -> float:
        """SEEN was asked, and has no video, or gave no answer: when it is asked again, in seconds from now.

        Each wait is twice the last, up to an hour. The one that would go beyond `give_up_after_seconds` ends there.
        """
        awaited = self._awaited.get(id_)
        if awaited is None:
            return 0.0
        awaited.asked += 1
        at = now + self._waits.ceiling(awaited.asked)
        give_up_at = awaited.since + self._limits.give_up_after_seconds
        if now < give_up_at:
            at = min(at, give_up_at)
        self._ask(id_, awaited, at)
        return at - now

    def given_up(self, id_: str, asked_at: float) -> float | None:
        """Since when `id_` is pending, if a look-up that left at `asked_at` and found no video is the last; else None."""
        awaited = self._awaited.get(id_)
        if awaited is None or asked_at - awaited.since < self._limits.give_up_after_seconds:
            return None
        return awaited.since

    # Figures

    @property
    def pending(self) -> int:
        """How many ids are pending."""
        return len(self._awaited)

    @property
    def overdue(self) -> int:
        """How many of them are, for longer than `overdue_after_seconds`, as of the last `advance`."""
        return len(self._overdue)

    def listed(self) -> Iterator[Pending]:
        """Everything that is pending, then what was reported overdue and did not come since."""
        for id_, awaited in self._awaited.items():
            yield Pending(id_, awaited.since)
        for id_, ended in self._ended.items():
            if ended.reported is not None and id_ not in self._awaited:
                yield Pending(id_, ended.reported.accepted_at, ended.reported.at)
