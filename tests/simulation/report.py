"""How often each kind of thing occurred, over many courses: a kind that never did was not tried."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.history import Assigned, Ended, Fault, Heard, Produced, Published, Sent, Turn
from tests.simulation.plan import KAFKA_FAULTS, LEASES, REFUSED, SEEN_FAULTS, TAKEOVERS, TURNS, planned
from tests.simulation.records import POISONS, UNUSABLE
from tests.simulation.values import BAD_IMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.history import Entry
    from tests.simulation.plan import Plan
    from tests.simulation.settings import Api

_LONG_SECONDS = 3.0
_OF_API: dict[Api, tuple[str, ...]] = {
    "data": ("request: look-up",),
    "receivers": (
        *("event: no id", "batch: one", "batch: several", "batch: full"),
        *("item: refused", "item: exists", "poison: 413"),
    ),
}


def expected(api: Api) -> list[str]:
    """Every kind that many courses with that API must show."""
    turns = (*TURNS, *TAKEOVERS * LEASES)
    return [
        *(f"event: {what}" for what in ("event", BAD_IMAGE, *sorted(POISONS[api]), *UNUSABLE[api])),
        *(f"outcome: {what}" for what in ("accepted", "rejected", "expired", "dead letter")),
        *("request: create", "request: timed out", "request: cut off"),
        *_OF_API[api],
        *(f"seen: {what}" for what in (*SEEN_FAULTS[api], REFUSED)),
        *("long outage: 503", "long outage: 502", "long outage: no connection", "long outage: hang"),
        *(f"poison: {what}" for what in sorted(POISONS[api]) if what != "refused"),
        *(f"kafka: {what}" for what in KAFKA_FAULTS),
        "kafka: publish refused",
        *(f"turn: {what}" for what in turns),
        *("assignment", "rebalance while requests hang", "crash with requests on the wire"),
        *("crash with an outcome on its way", "published twice", "lease lost before a request"),
    ]


def kinds(plan: Plan, history: Sequence[Entry]) -> Counter[str]:
    """What occurred in one course."""
    found: Counter[str] = Counter()
    for workspace in plan.workspaces:
        whats = {each.number: each.what for each in planned(workspace).values()}
        if workspace.outage is not None:
            found[f"long outage: {workspace.outage.what}"] += 1
        counting = _Counting(whats, workspace.limits.max_items)
        for entry in history:
            if entry.ws == workspace.name:
                counting.see(entry)
        found += counting.found
    return found


class _Counting:
    def __init__(self, whats: dict[int, str], max_items: int) -> None:
        self._max_items = max_items
        self.found: Counter[str] = Counter()
        self._whats = whats
        self._open: dict[int, float] = {}
        self._unheard: set[int] = set()
        self._published: set[int] = set()

    def see(self, entry: Entry) -> None:
        """Counts the next entry."""
        match entry:
            case Produced():
                self.found[f"event: {self._whats[entry.number]}"] += 1
            case Sent():
                self._open[entry.request] = entry.at
                self._see_sent(entry)
            case Ended():
                self._open.pop(entry.request, None)
                if entry.how in ("timed out", "cut off"):
                    self.found[f"request: {entry.how}"] += 1
            case Published():
                self._see_published(entry)
            case Heard():
                self._unheard.discard(entry.number)
            case Fault():
                self.found[entry.what] += 1
            case Turn():
                self._see_turn(entry)
            case Assigned():
                self.found["assignment"] += 1
            case _:
                pass

    def _see_sent(self, entry: Sent) -> None:
        self.found["request: create" if entry.numbers else "request: look-up"] += 1
        if entry.numbers and self._max_items > 1:
            self.found["batch: one" if len(entry.numbers) == 1 else "batch: several"] += 1
            self.found["batch: full"] += len(entry.numbers) == self._max_items

    def _see_published(self, entry: Published) -> None:
        self.found[f"outcome: {entry.kind}"] += 1
        if entry.kind != "dead letter":
            self._unheard.add(entry.number)
            self.found["published twice"] += entry.number in self._published
            self._published.add(entry.number)

    def _see_turn(self, entry: Turn) -> None:
        self.found[f"turn: {entry.what}"] += 1
        if entry.what in ("rebalance", "hand over"):
            hangs = any(entry.at - sent_at > _LONG_SECONDS for sent_at in self._open.values())
            self.found["rebalance while requests hang"] += hangs
        if entry.what == "crash":
            self.found["crash with requests on the wire"] += bool(self._open)
            self.found["crash with an outcome on its way"] += bool(self._unheard)


def table(found: Counter[str], kinds_wanted: Sequence[str]) -> str:
    """The counts, each kind on a line, those that never occurred included."""
    names = list(kinds_wanted)
    width = max(map(len, names))
    return "\n".join(f"{name:{width}} {found[name]:>10,}" for name in names)
