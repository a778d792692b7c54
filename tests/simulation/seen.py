"""SEEN, as one workspace of a course meets it: it counts arrivals at its own time, and fails as planned.

What it does with a request is that of the API: `tests.simulation.items` and `tests.simulation.receivers`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.answers import SILENT, Answers
from tests.simulation.history import Arrived, Ended, Sent
from tests.simulation.history import Fault as Happened
from tests.simulation.items import Items
from tests.simulation.receivers import Receivers

if TYPE_CHECKING:
    from random import Random

    from connector.seen.verdict import Exchange
    from tests.simulation.history import Entry
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.plan import WorkspacePlan

_MOST_FAULTS = 2
"""Of the faults that are not of a spell, one event meets at most so many: the run of bad luck that expires it is left out."""
_OF_MANY = ("400", "misfit")
"""Whom they hit if it were alone would be rejected."""


@dataclass(slots=True)
class Request:
    """One request on its way. `meets` is what hits it, `taken` how much of it is carried out nevertheless: all, part, none."""

    number: int
    replica: int
    items: list[dict[str, Any]]
    records: tuple[int, ...]
    what: str
    meets: str
    taken: str
    answer: asyncio.Future[Exchange]


class SimulatedSeen:
    """One workspace at SEEN."""

    def __init__(self, plan: WorkspacePlan, loop: VirtualLoop, random: Random, history: list[Entry]) -> None:
        self._plan = plan
        self._loop = loop
        self._random = random
        self._history = history
        api = Items if plan.limits.api == "data" else Receivers
        self._api = api(plan, Answers(random), history)
        self._faults: dict[str, int] = {}
        self._requests = 0
        self._late: dict[int, asyncio.TimerHandle] = {}
        self.leaving = asyncio.Event()
        """Set when a request is about to be written: the worst of moments."""

    def meets(self, items: list[dict[str, Any]], now: float) -> str:
        """What a request that leaves at `now` meets: `ok`, or a fault."""
        met = self._met(items, now)
        return "ok" if met in _OF_MANY and len(items) == 1 else met

    def _met(self, items: list[dict[str, Any]], now: float) -> str:
        plan = self._plan
        if plan.outage is not None and plan.outage.covers(now):
            return plan.outage.what
        for spell in plan.weather:
            if spell.covers(now) and self._random.random() < spell.share:
                return spell.what
        if now < plan.calm_at and self._random.random() < plan.chance and not self._is_quiet(now):
            names = [str(item.get(self._api.id_name, item.get("n"))) for item in items]
            for name in names:
                self._faults[name] = self._faults.get(name, 0) + 1
            if max(self._faults[name] for name in names) <= _MOST_FAULTS:
                return self._random.choice(plan.background)
        return "ok"

    def _is_quiet(self, now: float) -> bool:
        outage = self._plan.outage
        return outage is not None and 0 <= now - outage.start < outage.seconds + 100

    def send(
        self, replica: int, items: list[dict[str, Any]], size: int, *, look_up: bool, meets: str
    ) -> Request:
        """Takes a request on its way; its `answer` comes, or does not."""
        loop = self._loop
        self._requests += 1
        fault, _, taken = meets.partition(" ")
        is_whole = meets == "ok" or fault in ("slow", "late")
        records = () if look_up else tuple(item["n"] for item in items)
        request = Request(
            number=self._requests,
            replica=replica,
            items=items,
            records=records,
            what=meets,
            meets=fault,
            taken="taken" if is_whole else taken,
            answer=loop.create_future(),
        )
        self._note(Sent(loop.time(), self._plan.name, replica, request.number, records, size))
        if fault == "late":
            self._late[request.number] = loop.happens(
                self._plan.limits.timeout_seconds, self._be_late, request
            )
        else:
            loop.happens(self._delay(), self._arrive, request)
        return request

    def given_up(self, request: Request, how: str) -> None:
        """The client waits no longer for the answer; its connection is closed."""
        self._note(Ended(self._loop.time(), self._plan.name, request.number, how))
        timer = self._late.get(request.number)
        if timer is not None and not timer.cancelled() and how != "timed out":
            timer.cancel()
            self._be_late(request)

    def ended(self, request: Request, how: str) -> None:
        """The client has the answer."""
        self._note(Ended(self._loop.time(), self._plan.name, request.number, how))

    def _be_late(self, request: Request) -> None:
        self._late.pop(request.number, None)
        grace = self._plan.limits.grace_seconds
        self._loop.call_later(self._random.uniform(0, 0.98) * grace, self._arrive, request)

    def _arrive(self, request: Request) -> None:
        now, name = self._loop.time(), self._plan.name
        shown = self._api.shown(request)
        self._note(Arrived(now, name, request.replica, request.number, request.records, shown))
        if request.what != "ok":
            self._note(Happened(now, name, f"seen: {request.what}"))
        answer = self._api.carry_out(request, now)
        if answer is None or request.meets in SILENT:
            return
        self._loop.call_later(self._answer_delay(request), self._answer, request, answer)

    def _answer(self, request: Request, exchange: Exchange) -> None:
        if not request.answer.done():
            request.answer.set_result(exchange)

    def _delay(self) -> float:
        return self._random.choice((0.005, 0.02, 0.02, 0.1, 0.4)) * self._random.uniform(0.5, 1.5)

    def _answer_delay(self, request: Request) -> float:
        if request.meets == "slow":
            return self._random.uniform(0.3, 0.9) * self._plan.limits.timeout_seconds
        return self._delay()

    def _note(self, entry: Entry) -> None:
        self._history.append(entry)
