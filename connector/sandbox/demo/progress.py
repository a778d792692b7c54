"""How far it is, while it goes on: a panel that is redrawn on a terminal, a line every two seconds elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

_LINE_SECONDS = 2.0
_BAR_WIDTH = 30


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures of one moment, `seconds` after the events were sent. `accepted` to `skipped` add up to `settled`.

    `customers` is how many videos SEEN makes, `videos` how many of them were published as ready. `trouble` says why the
    connector is not well, None if it is.
    """

    seconds: float
    sent: int
    settled: int
    accepted: int
    rejected: int
    skipped: int
    lag: int
    requests: int
    quota_used: int
    quota: int
    customers: int
    videos: int
    state: str
    trouble: str | None

    @property
    def done(self) -> bool:
        """Whether every event has its outcome, and every customer that SEEN has a video."""
        return self.settled >= self.sent and not self.lag and self.videos >= self.customers


def snapshot(sent: int, seconds: float, workspace: dict[str, Any], seen: dict[str, Any]) -> Snapshot:
    """The figures out of the connector's `/status` (of the one workspace) and the emulator's summary."""
    outcomes = workspace["outcomes"]
    (at_seen,) = seen["workspaces"].values()
    return Snapshot(
        seconds=seconds,
        sent=sent,
        settled=sum(outcomes.values()),
        accepted=outcomes["accepted"],
        rejected=outcomes["rejected"] + outcomes["expired"],
        skipped=outcomes["skipped"],
        lag=workspace["lag_records"],
        requests=at_seen["requests"],
        quota_used=workspace["quota_used_slots"],
        quota=workspace["quota_requests"],
        customers=at_seen["items"],
        videos=seen["journeys"].get("delivered", 0),
        state=workspace["state"],
        trouble=workspace["reason"],
    )


class Progress:
    """Shows snapshots as they come, for as long as its context lasts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, now: Snapshot) -> None:
        """Shows `now` in place of the last one; where nothing can be redrawn, every two seconds and at the end."""
        if self._live:
            self._live.update(panel(now), refresh=True)
        elif now.seconds >= self._next_line or now.done:
            self._console.print(line(now), soft_wrap=True)
            self._next_line = now.seconds + _LINE_SECONDS


def line(now: Snapshot) -> str:
    """One line of text, for logs and pipes."""
    return (
        f"  {now.seconds:4.1f} s   events {now.settled:3}/{now.sent}   accepted {now.accepted:3}   "
        f"quota {now.quota_used:3}/{now.quota}   videos {now.videos:3}   {now.state}"
    )


def panel(now: Snapshot) -> Group:
    """The same with bars; fits 80 columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=18)
    grid.add_column(width=_BAR_WIDTH)
    grid.add_column(no_wrap=True)
    bars = (
        ("events settled", now.settled, now.sent, "green", f"{now.settled} of {now.sent}"),
        ("quota in use", now.quota_used, now.quota, "yellow", f"{now.quota_used} of {now.quota} requests"),
        ("videos ready", now.videos, now.customers, "green", f"{now.videos} of {now.customers} so far"),
    )
    for name, value, whole, full, text in bars:
        bar = ProgressBar(max(whole, 1), value, width=_BAR_WIDTH, complete_style="cyan", finished_style=full)
        grid.add_row(f"  {name}", bar, text)
    ended = f"{now.accepted} accepted, {now.rejected} rejected, {now.skipped} skipped"
    return Group(grid, Text(f"  {now.seconds:4.1f} s   {ended}   {now.trouble or now.state}", "dim"))
