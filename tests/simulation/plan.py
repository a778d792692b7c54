"""The course of one seed, as a value: what is written to the topics and when, what goes wrong, who comes and goes.

Everything that can be known before is drawn here. What cannot, as the delay of one request, is drawn in the course, from
generators that are seeded here too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.records import PlannedRecord, records
from tests.simulation.settings import draw_limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from tests.simulation.settings import Api, Limits

WORKSPACES = ("acme", "bravo")
SESSION_SECONDS = 30.0
QUIET_SECONDS = 110.0
"""How long after a long outage nothing else goes wrong."""

_OF_BOTH = (
    *("500", "503", "502", "429", "409", "409 taken", "garbage", "garbage taken", "slow", "no connection"),
    *("reset", "reset taken", "hang", "hang taken", "late"),
)
SEEN_FAULTS: dict[Api, tuple[str, ...]] = {
    "data": _OF_BOTH,
    "receivers": (*_OF_BOTH, "reset part", "hang part", "500 part", "503 taken", "400", "misfit"),
}
"""What a request can meet. `taken`: it was carried out all the same, `part`: as far as the half of it; `late`: carried out
after the client gave up; `400`, of more than one item: a refusal that does not say of which, `misfit`: nor of how many.
"""
REFUSED = "401"
"""As long as it lasts it meets all: SEEN refuses a workspace, not one request of many."""
OUTAGES = ("503", "502", "no connection", "hang")
KAFKA_FAULTS = (
    *(
        "publish fails",
        "publish unheard",
        "commit fails",
        "commit unheard",
        "commit slow",
        "poll fails",
        "away",
    ),
)
"""What a call to Kafka can meet. `unheard`: it was done, and the answer was lost."""
TURNS = ("rebalance", "hand over", "crash", "stop", "pause", "fenced")
TAKEOVERS = ("zombie", "cut off")
"""Turns in which the group gives the partitions to another while the owner lives and does not know."""


LEASES = True
"""Whether the engine sends only while it holds a lease, and hands the state of its quota on: then takeovers are drawn."""


@dataclass(frozen=True, slots=True)
class Spell:
    """For `seconds` from `start` on, `share` of what can meet `what` does."""

    what: str
    start: float
    seconds: float
    share: float

    def covers(self, now: float) -> bool:
        """Whether it lasts at `now`."""
        return self.start <= now < self.start + self.seconds


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """Something happens to the owner, `seconds` long, at `at` or when the turn before has ended."""

    what: str
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkspacePlan:
    """The course of one workspace. `calm_at` is when all faults have ended; `chance` that a request meets a fault.

    `most_items`: SEEN takes no more in one request. `alone` is written when nothing else is left to do.
    """

    name: str
    limits: Limits
    records: tuple[PlannedRecord, ...]
    canaries: tuple[PlannedRecord, ...]
    alone: PlannedRecord
    most_items: int
    weather: tuple[Spell, ...]
    background: tuple[str, ...]
    chance: float
    kafka: tuple[Spell, ...]
    turns: tuple[PlannedTurn, ...]
    outage: Spell | None
    calm_at: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The course of one seed, with one API of SEEN."""

    seed: int
    api: Api
    workspaces: tuple[WorkspacePlan, ...]


def planned(plan: WorkspacePlan) -> dict[int, PlannedRecord]:
    """All records of the plan by their number, the late ones included."""
    return {each.number: each for each in (*plan.records, plan.alone, *plan.canaries)}


def draw(seed: int, api: Api = "data") -> Plan:
    """The course of `seed` with that API."""
    return Plan(seed, api, tuple(_Drawing(seed, api, name).workspace() for name in WORKSPACES))


class _Drawing:
    """Draws one workspace's course."""

    def __init__(self, seed: int, api: Api, name: str) -> None:
        self.api = api
        self.name = name
        self.random = Random(f"{seed}/{api}/{name}/plan")
        self.horizon = self.random.uniform(100, 150)
        has_outage = self.random.random() < 0.03
        self.cut = self.random.uniform(50, self.horizon - 40) if has_outage else None
        self.outage_seconds = self.random.uniform(420, 600)

    def workspace(self) -> WorkspacePlan:
        images: Literal["reject", "drop"] | None = self.random.choice((None, None, "reject", "drop"))
        limits = draw_limits(self.random, self.api, images)
        drawn, late = records(self.random, self.horizon, self._stretch, self._during_outage(), limits)
        turns = self._turns()
        return WorkspacePlan(
            name=self.name,
            limits=limits,
            records=drawn,
            canaries=late[:-1],
            alone=late[-1],
            most_items=self.random.choice((1000, 1000, 4)),
            weather=self._weather(turns),
            background=tuple(self.random.sample(SEEN_FAULTS[self.api], self.random.randint(3, 8))),
            chance=self.random.choice((0.0, 0.03, 0.06, 0.12)),
            kafka=tuple(self._spell(what, 2, 35) for what in self._some(KAFKA_FAULTS, 1, 3)),
            turns=turns,
            outage=self._outage(),
            calm_at=self._stretch(self.horizon),
        )

    def _stretch(self, at: float) -> float:
        """Where a time of the course without the long outage is in the course with it."""
        if self.cut is None or at < self.cut:
            return at
        return at + self.outage_seconds + QUIET_SECONDS

    def _outage(self) -> Spell | None:
        if self.cut is None:
            return None
        return Spell(self.random.choice(OUTAGES), self.cut, self.outage_seconds, 1.0)

    def _during_outage(self) -> Sequence[float]:
        if self.cut is None:
            return ()
        return [self.cut + self.random.uniform(0, self.outage_seconds) for _ in range(20)]

    def _some(self, kinds: Sequence[str], least: int, most: int) -> list[str]:
        return self.random.choices(kinds, k=self.random.randint(least, most))

    def _spell(self, what: str, shortest: float, longest: float) -> Spell:
        """Ends before a long outage begins, if it begins before it."""
        start = self.random.uniform(5, self.horizon - 20)
        seconds = self.random.uniform(shortest, longest)
        end = self.horizon if self.cut is None or start >= self.cut else self.cut
        seconds = min(seconds, end - start)
        return Spell(what, self._stretch(start), seconds, self.random.choice((0.5, 1.0)))

    def _turns(self) -> tuple[PlannedTurn, ...]:
        kinds = ["crash", self.random.choice(("rebalance", "hand over"))]
        kinds += self._some(TURNS + TAKEOVERS * 2 * LEASES, 0, 2)
        self.random.shuffle(kinds)
        space = (self.horizon - 40) / len(kinds)
        return tuple(
            PlannedTurn(
                what,
                self._stretch(20 + space * place + self.random.uniform(0, space / 2)),
                self.random.uniform(0.5, 15),
            )
            for place, what in enumerate(kinds)
        )

    def _weather(self, turns: Sequence[PlannedTurn]) -> tuple[Spell, ...]:
        spells = [self._spell(what, 3, 45) for what in self._some(SEEN_FAULTS[self.api], 1, 3)]
        if self.random.random() < 0.3:
            spells.append(replace(self._spell(REFUSED, 3, 60), share=1.0))
        spells += [
            Spell(self.random.choice(("hang", "hang taken", "late")), turn.at - 4, 8, 0.7)
            for turn in turns
            if turn.what in ("rebalance", "hand over") and self.random.random() < 0.3
        ]
        return tuple(spells)
