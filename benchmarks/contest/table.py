"""The table, as Markdown, and the promises that it shows to be broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contest.contestants import SHARE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector.sandbox.emulator import Quota
    from contest.contestants import Contestant
    from contest.figures import Delays, Figures

Row = tuple["Contestant", "Figures"]

_HEAD = (
    "| | accepted a second | share of the limit | answered 429 | worst window | backlog of 1,000 | one event, idle | burst of 50 |",
    "| --- | --: | --: | --: | --: | --: | --: | --: |",
)


def table(rows: Iterable[Row]) -> str:
    """One row for each contestant. Idle: median and most; burst: p50 and p99."""
    return "\n".join([*_HEAD, *(_line(contestant, found) for contestant, found in rows)])


def _line(contestant: Contestant, found: Figures) -> str:
    cells = (
        contestant.name,
        "-" if found.per_second is None else f"{found.per_second:.2f}",
        "-" if found.share is None else f"{found.share:.1%}".replace("%", " %"),
        f"{found.refused:,}",
        str(found.worst_window),
        "-" if found.backlog_seconds is None else f"{found.backlog_seconds:.1f} s",
        _pair(found.singles, "ms", 1000, 1.0),
        _pair(found.bursts, "s", 1, 0.99),
    )
    return f"| {' | '.join(cells)} |"


def _pair(found: Delays | None, unit: str, factor: float, share: float) -> str:
    if found is None:
        return "-"
    digits = 0 if unit == "ms" else 2
    return f"{found.median * factor:.{digits}f} / {found.quantile(share) * factor:.{digits}f} {unit}"


def broken(rows: Iterable[Row], quota: Quota, seconds: float) -> list[str]:
    """The promises that are not kept, in words, with a backlog that lasted so many seconds."""
    return [
        f"{contestant.name}: {breach}"
        for contestant, found in rows
        for breach in _breaches(contestant, found, quota, seconds)
    ]


def _breaches(contestant: Contestant, found: Figures, quota: Quota, seconds: float) -> Sequence[str]:
    promise, breaches = contestant.promise, []
    if promise is None:
        return []
    if found.refused:
        breaches.append(f"{found.refused} requests were answered 429")
    if found.worst_window > quota.requests:
        breaches.append(f"{found.worst_window} requests in a window of {quota.requests}")
    if found.missing:
        breaches.append(f"{found.missing} events of the quiet part did not arrive")
    least = promise.least_share if seconds >= SHARE_SECONDS else None
    if least is not None and (found.share is None or found.share < least):
        share = "too few requests" if found.share is None else f"{found.share:.2%}"
        breaches.append(f"{share} of the physical limit, {least:.0%} are promised")
    most = promise.most_idle_seconds
    if most is not None and (found.singles is None or found.singles.median > most):
        median = "none arrived" if found.singles is None else f"{found.singles.median * 1000:.0f} ms"
        breaches.append(f"a single event left within {median} (median), {most * 1000:.0f} ms are promised")
    return breaches
