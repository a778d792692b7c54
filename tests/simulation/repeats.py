"""Of the promises that about what is sent again, and what never is."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.simulation.history import Arrived, Assigned, CommitSent, Committed, Ended, Heard, Sent

if TYPE_CHECKING:
    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan


class NothingTwice:
    """What SEEN shows as taken is not sent again, where look-ups are on; what it said it has taken is not by who heard it; what a
    commit says is settled never is.
    """

    def __init__(self, plan: WorkspacePlan) -> None:
        self.broken: list[str] = []
        self._looks_up = plan.limits.look_up
        self._open: dict[int, Sent] = {}
        self._known: defaultdict[int, set[int]] = defaultdict(set)
        self._heard: defaultdict[int, list[int]] = defaultdict(list)
        self._said: dict[int, tuple[int, ...]] = {}
        self._covered: set[int] = set()

    def see(self, entry: Entry) -> None:
        """Looks at the next entry."""
        match entry:
            case Heard() if entry.kind != "dead letter":
                self._heard[entry.replica].append(entry.number)
            case Assigned():
                self._heard[entry.replica].clear()  # of an epoch that is over
                self._known[entry.replica].clear()
            case CommitSent():
                self._said[entry.commit] = tuple(self._heard[entry.replica])
            case Committed():
                self._covered.update(self._said[entry.commit])
            case Sent():
                self._sent(entry)
            case Ended():
                sent = self._open.pop(entry.request)
                if entry.how == "201":
                    self._known[sent.replica].update(sent.numbers)
            case Arrived() if entry.shown and self._looks_up:
                self.broken.append(
                    f"{entry.at:.3f}: records {entry.shown} were sent again, and SEEN shows them as taken"
                )
            case _:
                pass

    def _sent(self, entry: Sent) -> None:
        self._open[entry.request] = entry
        for number in entry.numbers:
            if number in self._covered:
                self._break(entry.at, number, "and a commit says that it is settled")
            elif number in self._heard[entry.replica]:
                self._break(entry.at, number, "after its outcome, in one epoch")
            elif number in self._known[entry.replica]:
                self._break(entry.at, number, "after SEEN said that it has it, in one epoch")

    def _break(self, at: float, number: int, why: str) -> None:
        self.broken.append(f"{at:.3f}: record {number} was sent, {why}")
