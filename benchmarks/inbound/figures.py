"""What follows from the rounds of all candidates, and whether the connector's promise holds. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inbound.candidates import CONNECTOR, FLOOR, TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from inbound.caller import Call
    from inbound.candidates import Candidate

LEAST_SHARE = 0.7
"""So much of the floor's rate is promised."""

_HEAD = (
    "| | callbacks a second | of the floor | CPU for one | flat out, p50 / p99 | at {pace:g} a second, p50 / p99 |",
    "| --- | --: | --: | --: | --: | --: |",
)


@dataclass(frozen=True, slots=True)
class Round:
    """One candidate's turn: `flat_out` took `seconds`, and the candidate's process `cpu_seconds`; then the paced calls."""

    flat_out: Sequence[Call]
    seconds: float
    cpu_seconds: float
    paced: Sequence[Call]

    @property
    def rate(self) -> float:
        """Callbacks a second."""
        return len(self.flat_out) / self.seconds


@dataclass(frozen=True, slots=True)
class Results:
    """All rounds of one candidate, and how many records its topic holds in the end of `calls` that were made in all."""

    rounds: Sequence[Round]
    calls: Sequence[Call]
    records: int


def share(ones: Results, others: Results) -> float:
    """The rate of one as a share of another's: the median of the rounds, each with what came right beside it."""
    return statistics.median(
        one.rate / other.rate for one, other in zip(ones.rounds, others.rounds, strict=True)
    )


def table(results: Mapping[Candidate, Results], pace: float) -> str:
    """One row for each candidate, as Markdown. Rates and CPU time are medians of the rounds, quantiles are of all calls."""
    floor = results[FLOOR]
    lines = [_line(candidate, found, share(found, floor)) for candidate, found in results.items()]
    return "\n".join([*_HEAD, *lines]).format(pace=pace)


def _line(candidate: Candidate, found: Results, of_floor: float) -> str:
    cpu = statistics.median(each.cpu_seconds / len(each.flat_out) for each in found.rounds)
    cells = (
        candidate.name,
        f"{statistics.median(each.rate for each in found.rounds):,.0f}",
        f"{of_floor:.2f}",
        f"{cpu * 1e6:.0f} µs",
        _quantiles(call for each in found.rounds for call in each.flat_out),
        _quantiles(call for each in found.rounds for call in each.paced),
    )
    return f"| {' | '.join(cells)} |"


def _quantiles(calls: Iterable[Call]) -> str:
    seconds = sorted(call.seconds for call in calls)
    return f"{quantile(seconds, 0.5) * 1000:.1f} / {quantile(seconds, 0.99) * 1000:.1f} ms"


def quantile(rising: Sequence[float], part: float) -> float:
    """The least that `part` of them do not exceed."""
    return rising[math.ceil(part * len(rising)) - 1]


def broken(results: Mapping[Candidate, Results]) -> list[str]:
    """What does not hold, in words: the connector's promise, and what makes the figures comparable."""
    breaches = []
    for candidate, found in results.items():
        if refused := sum(call.status != TAKEN for call in found.calls):
            breaches.append(
                f"{candidate.name}: {refused} of {len(found.calls)} calls were not answered {TAKEN}"
            )
        if found.records != len(found.calls) - refused:
            breaches.append(f"{candidate.name}: {found.records} records of {len(found.calls)} calls")
    ours = results[CONNECTOR]
    for other, found in results.items():
        least = LEAST_SHARE if other is FLOOR else 1.0
        if other is not CONNECTOR and (reached := share(ours, found)) < least:
            breaches.append(f"{reached:.2f} of the rate of {other.name}, {least:g} is promised")
    return breaches
