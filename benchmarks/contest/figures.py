"""What follows from a course. Pure; of the arrivals alone, not of what a contestant says of itself.

Definitions, the same for all:

- The rate is that of the backlog, from the moment when as many requests were accepted as the quota has to the last moment
  at which their number was a multiple of it: whole windows, since where in a window a run ends says nothing.
- The physical limit is `requests / (per_seconds + round trip)` a second (`connector/seen/window.py` says why). The round
  trip is the mean time from a request's arrival to its answer; what lies before and after that on the way, less than a
  millisecond here, counts against the contestant.
- A window holds every request, refused ones too, at any time of the run.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from contest.course import ACCEPTED, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connector.sandbox.emulator import Quota
    from contest.course import Course, Request

BACKLOG = 1_000


@dataclass(frozen=True, slots=True)
class Delays:
    """The seconds from an event's append in Kafka to the arrival of the request that was accepted, of several events."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def quantile(self, share: float) -> float:
        """The least that `share` of them do not exceed."""
        return sorted(self.seconds)[math.ceil(share * len(self.seconds)) - 1]


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of the table; None where it cannot be said. `missing` are events of the quiet part that were not accepted."""

    per_second: float | None
    share: float | None
    refused: int
    worst_window: int
    backlog_seconds: float | None
    singles: Delays | None
    bursts: Delays | None
    missing: int


def figures(course: Course, quota: Quota) -> Figures:
    """All figures of a course."""
    accepted = [each for each in course.of_backlog if each.status == ACCEPTED]
    per_second = steady_rate([each.monotonic for each in accepted], quota.requests)
    limit = quota.requests / (quota.per_seconds + round_trip(accepted)) if accepted else None
    times = sorted(each.monotonic for each in course.requests)
    singles, bursts = (delays(course.requests, appended) for appended in (course.singles, course.bursts))
    return Figures(
        per_second=per_second,
        share=None if per_second is None or limit is None else per_second / limit,
        refused=sum(each.status == REFUSED for each in course.requests),
        worst_window=max(counts(times, quota.per_seconds), default=0),
        backlog_seconds=_until(accepted, course.of_backlog, BACKLOG),
        singles=Delays(singles) if singles else None,
        bursts=Delays(bursts) if bursts else None,
        missing=len(course.singles) + len(course.bursts) - len(singles) - len(bursts),
    )


def steady_rate(times: Sequence[float], quota: int) -> float | None:
    """The mean rate between full quotas of `times`, which rise; None if there are not two of them."""
    last = len(times) // quota * quota
    return None if last <= quota else (last - quota) / (times[last - 1] - times[quota - 1])


def round_trip(requests: Iterable[Request]) -> float:
    """The mean seconds from arrival to answer, of those that were answered. There must be one."""
    return statistics.fmean(each.answered - each.monotonic for each in requests if each.answered is not None)


def counts(times: Iterable[float], seconds: float) -> list[int]:
    """For each of `times`, which rise, how many there are in the window that ends with it, itself included.

    Two that are exactly `seconds` apart are in no common window: as the server counts.
    """
    found = []
    window: deque[float] = deque()
    for time in times:
        window.append(time)
        while time - window[0] >= seconds:
            window.popleft()
        found.append(len(window))
    return found


def peaks(times: Sequence[float], seconds: float, columns: Sequence[float]) -> list[int]:
    """The most that any window holds which ends in each column: from one of `columns` to the next. All rise."""
    at_arrival = counts(times, seconds)
    found = []
    for begin, end in pairwise(columns):
        first, behind = bisect_right(times, begin), bisect_right(times, end)
        at_begin = first - bisect_right(times, begin - seconds)
        found.append(max([at_begin, *at_arrival[first:behind]]))
    return found


def delays(requests: Iterable[Request], appended: Mapping[str, float]) -> tuple[float, ...]:
    """The delay of each event in `appended` that was accepted, to the first time that it was."""
    arrived: dict[str, float] = {}
    for each in requests:
        if each.status == ACCEPTED:
            arrived.setdefault(each.id, each.at)
    return tuple(arrived[each] - at for each, at in appended.items() if each in arrived)


def _until(accepted: Sequence[Request], requests: Sequence[Request], count: int) -> float | None:
    """The seconds from the first arrival to that of the `count`th request that is accepted."""
    return accepted[count - 1].monotonic - requests[0].monotonic if len(accepted) >= count else None
