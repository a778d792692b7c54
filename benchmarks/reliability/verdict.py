"""The verdict on a run: one row for each promise, with what was found, what is allowed, and the breaches. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reliability import checker
from reliability.known import known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reliability.evidence import Evidence
    from reliability.known import Known

MOST_MEGABYTES = 256.0
_PROBE_TAKES_SECONDS = 1.0
DRAIN_SECONDS = 240.0
"""How long a run waits, after its last fault, for everything to be committed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One promise: what was found, what is allowed, and whether that is kept; `breaches` name what is not."""

    name: str
    found: str
    allowed: str
    kept: bool
    breaches: tuple[str, ...] = ()


def verdict(evidence: Evidence) -> list[Row]:
    """All rows, in the order of the table."""
    run = known(evidence)
    still_shown, replaced = checker.repeated(run)
    return [
        _none("lost", checker.lost(run)),
        _none("dead letters that should not be", checker.wrongly_dead(run)),
        _none("contradicting outcomes", checker.contradicting(run)),
        _none("repeated, though SEEN showed it", still_shown),
        _at_most("repeated, after newer values of its id", replaced, _repeats_allowed(evidence)),
        _none("out of order", checker.out_of_order(run)),
        _none("outdated at SEEN in the end", checker.outdated(run)),
        _none("answered 429", checker.refused_over_quota(run)),
        *_windows(run),
        *_returns(run),
        _none("committed before the outcome", checker.committed_early(run)),
        _none("commits that went back", checker.went_back(run)),
        _none("uncommitted in the end", checker.uncommitted(run)),
        _none("connectors that ended badly", checker.ended_badly(run)),
        _memory(evidence),
        _drained(evidence),
    ]


def counts(evidence: Evidence) -> dict[str, int]:
    """What the run consisted of: no promises, but without them the rows above say little."""
    run = known(evidence)
    return {
        "records": len(evidence.sent),
        "poison among them": sum(run.is_poison(sent) for sent in evidence.sent),
        "requests": len(evidence.arrived),
        "look-ups among them": sum(each.method == "GET" for each in evidence.arrived),
        "commits": len(evidence.commits),
        "outcomes published twice": sum(len(each) > 1 for each in run.outcomes.values()),
        "unclean ends": evidence.measured.unclean_ends,
    }


def _none(name: str, breaches: Iterable[str]) -> Row:
    return _at_most(name, breaches, 0)


def _at_most(name: str, breaches: Iterable[str], allowed: int) -> Row:
    found = tuple(breaches)
    kept = len(found) <= allowed
    return Row(name, str(len(found)), str(allowed), kept, () if kept else found)


def _repeats_allowed(evidence: Evidence) -> int:
    """What is on the wire or settled since the last commit, at most, each time that a connector ends uncleanly."""
    return evidence.measured.unclean_ends * sum(limit.unsettled for limit in evidence.limits.values())


def _windows(run: Known) -> list[Row]:
    rows = []
    for workspace, (most, when) in checker.fullest_windows(run).items():
        limit = run.evidence.limits[workspace]
        name = f"fullest {limit.per_seconds:g} s of {workspace}"
        breach = (f"the fullest window ends at {when}",)
        rows.append(Row(name, str(most), str(limit.requests), most <= limit.requests, breach))
    return rows


def _returns(run: Known) -> list[Row]:
    """A probe may just have failed when SEEN came back, and each poisonous event may make one more fail: every time the
    next one is due within the longest interval.
    """
    rows = []
    for workspace, (seconds, poison) in checker.returns(run).items():
        allowed = (1 + poison) * run.evidence.limits[workspace].probe_seconds + _PROBE_TAKES_SECONDS
        name = f"taken again after the outage, s, {workspace}"
        rows.append(Row(name, f"{seconds:.1f}", f"{allowed:.1f}", seconds <= allowed))
    return rows


def _memory(evidence: Evidence) -> Row:
    peak = max(evidence.measured.peak_mb.values(), default=0.0)
    return Row("memory of a connector, MB", f"{peak:.0f}", f"{MOST_MEGABYTES:.0f}", peak <= MOST_MEGABYTES)


def _drained(evidence: Evidence) -> Row:
    seconds = evidence.measured.drain_seconds
    found = "not drained" if seconds is None else f"{seconds:.0f}"
    return Row("time to drain, s", found, f"{DRAIN_SECONDS:.0f}", seconds is not None)
