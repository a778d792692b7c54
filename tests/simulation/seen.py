"""SEEN, as one workspace of a course meets it: it takes items, counts arrivals at its own time, and fails as planned.

It stands in for `SeenClient`: requests in, `Exchange` values out, so that the connector's own verdicts are at work.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from connector.http.exchange import Fault, NoResponse, Response
from tests.simulation.history import Arrived, Ended, Sent, Taken
from tests.simulation.history import Fault as Happened

if TYPE_CHECKING:
    from random import Random

    from connector.http.permit import Permit
    from connector.seen.verdict import Exchange
    from tests.simulation.history import Entry
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.plan import WorkspacePlan

_MOST_FAULTS = 2
"""Of the faults that are not of a spell, one event meets at most so many: the run of bad luck that expires it is left out."""
_PAGE = b'<!doctype html><meta charset="utf-8"><title>Error</title>'
_ANSWERS: dict[str, tuple[int, bytes]] = {
    "500": (500, b'{"message": "something broke"}'),
    "502": (502, _PAGE),
    "503": (503, _PAGE),
    "429": (429, _PAGE),
    "401": (401, b'{"code": "ErrUnauthenticated", "message": "api key invalid"}'),
    "403": (403, b'{"code": "ErrForbidden", "message": "no"}'),
    "404": (404, b'{"code": "ErrNotFound", "message": "unknown"}'),
    "400": (400, b'{"code": "ErrRequestBody", "message": "a JSON object is expected"}'),
    "ErrInvalidRequest": (500, b'{"code": "ErrInvalidRequest", "message": "ID must be a string"}'),
    "409": (409, b'{"message": "conflict"}'),
    "garbage": (200, b"<html>welcome</html>"),
}
_SILENT = ("hang", "late")


@dataclass(slots=True)
class _Request:
    number: int
    replica: int
    item: dict[str, Any]
    record: int | None
    what: str
    meets: str
    is_taken: bool
    answer: asyncio.Future[Exchange]
    sent_at: float


class SimulatedSeen:
    """One workspace at SEEN."""

    def __init__(self, plan: WorkspacePlan, loop: VirtualLoop, random: Random, history: list[Entry]) -> None:
        self._plan = plan
        self._loop = loop
        self._random = random
        self._history = history
        self._items: dict[str, dict[str, Any]] = {}
        self._poisons = {each.number: each.poison for each in plan.records if each.poison is not None}
        self._faults: dict[str, int] = {}
        self._requests = 0
        self._late: dict[int, asyncio.TimerHandle] = {}
        self.leaving = asyncio.Event()
        """Set when a request is about to be written: the worst of moments."""

    def meets(self, item_id: str, now: float) -> str:
        """What a request that leaves at `now` meets: `ok`, or a fault."""
        plan = self._plan
        if plan.outage is not None and plan.outage.covers(now):
            return plan.outage.what
        for spell in plan.weather:
            if spell.covers(now) and self._random.random() < spell.share:
                return spell.what
        if now < plan.calm_at and self._random.random() < plan.chance and not self._is_quiet(now):
            self._faults[item_id] = self._faults.get(item_id, 0) + 1
            if self._faults[item_id] <= _MOST_FAULTS:
                return self._random.choice(plan.background)
        return "ok"

    def _is_quiet(self, now: float) -> bool:
        outage = self._plan.outage
        return outage is not None and 0 <= now - outage.start < outage.seconds + 100

    def send(self, replica: int, item: dict[str, Any], *, look_up: bool, meets: str) -> _Request:
        """Takes a request on its way; its `answer` comes, or does not."""
        loop = self._loop
        self._requests += 1
        fault, _, taken = meets.partition(" ")
        request = _Request(
            self._requests,
            replica,
            item,
            None if look_up else item["n"],
            meets,
            fault,
            meets == "ok" or taken == "taken" or fault in ("slow", "late"),
            loop.create_future(),
            loop.time(),
        )
        self._note(Sent(loop.time(), self._plan.name, replica, request.number, request.record, item["id"]))
        if fault == "late":
            self._late[request.number] = loop.happens(
                self._plan.limits.timeout_seconds, self._be_late, request
            )
        else:
            loop.happens(self._delay(), self._arrive, request)
        return request

    def given_up(self, request: _Request, how: str) -> None:
        """The client waits no longer for the answer; its connection is closed."""
        self._note(Ended(self._loop.time(), self._plan.name, request.number, how))
        timer = self._late.get(request.number)
        if timer is not None and not timer.cancelled() and how != "timed out":
            timer.cancel()
            self._be_late(request)

    def ended(self, request: _Request, how: str) -> None:
        """The client has the answer."""
        self._note(Ended(self._loop.time(), self._plan.name, request.number, how))

    def _be_late(self, request: _Request) -> None:
        self._late.pop(request.number, None)
        grace = self._plan.limits.grace_seconds
        self._loop.call_later(self._random.uniform(0, 0.98) * grace, self._arrive, request)

    def _arrive(self, request: _Request) -> None:
        now, item = self._loop.time(), request.item
        shown = request.record is not None and self._items.get(item["id"]) == item
        self._note(Arrived(now, self._plan.name, request.replica, request.number, request.record, shown))
        if request.what != "ok":
            self._note(Happened(now, self._plan.name, f"seen: {request.what}"))
        answer = self._carry_out(request, now)
        if answer is None or request.meets in _SILENT:
            return
        self._loop.call_later(self._answer_delay(request), self._answer, request, answer)

    def _carry_out(self, request: _Request, now: float) -> Exchange | None:
        item, record = request.item, request.record
        poison = None if record is None else self._poisons.get(record)
        if request.is_taken and poison is None and record is not None:
            self._items[item["id"]] = item
            self._note(Taken(now, self._plan.name, request.number, record))
        if request.meets == "reset":
            return NoResponse(Fault.LOST, "the connection was lost")
        if request.meets in _ANSWERS:
            return self._said(request.meets)
        if poison is not None:
            self._note(Happened(now, self._plan.name, f"poison: {poison}"))
            return self._said(poison)
        if record is not None:
            return Response(201, orjson.dumps({"id": item["id"], "values": item}))
        found = self._items.get(item["id"])
        if found is None:
            return self._said("404")
        return Response(200, orjson.dumps({"id": item["id"], "journeyOutputs": [], "values": found}))

    def _said(self, what: str) -> Response:
        status, body = _ANSWERS[what]
        after = self._random.choice((None, 2.0, 15.0)) if what in ("429", "503") else None
        return Response(status, body, retry_after_seconds=after)

    def _answer(self, request: _Request, exchange: Exchange) -> None:
        if not request.answer.done():
            request.answer.set_result(exchange)

    def _delay(self) -> float:
        return self._random.choice((0.005, 0.02, 0.02, 0.1, 0.4)) * self._random.uniform(0.5, 1.5)

    def _answer_delay(self, request: _Request) -> float:
        if request.meets == "slow":
            return self._random.uniform(0.3, 0.9) * self._plan.limits.timeout_seconds
        return self._delay()

    def _note(self, entry: Entry) -> None:
        self._history.append(entry)


class SimulatedClient:
    """What `SeenClient` is, for one replica."""

    def __init__(self, seen: SimulatedSeen, plan: WorkspacePlan, replica: int, history: list[Entry]) -> None:
        self._seen = seen
        self._plan = plan
        self._replica = replica
        self._history = history
        self._open: dict[int, _Request] = {}

    def close(self) -> None:
        """Closes all connections, as the end of a process does."""
        for request in self._open.values():
            self._seen.given_up(request, "cut off")
        self._open.clear()

    async def create(self, body: bytes, permit: Permit) -> Exchange:
        """POSTs the item in `body`."""
        return await self._exchange(orjson.loads(body), permit, look_up=False)

    async def get(self, item_id: str, permit: Permit) -> Exchange:
        """Asks for the item with the id `item_id`."""
        return await self._exchange({"id": item_id}, permit, look_up=True)

    async def renew_credentials(self) -> None:
        """There is nothing to read."""

    async def _exchange(self, item: dict[str, Any], permit: Permit, *, look_up: bool) -> Exchange:
        loop = asyncio.get_running_loop()
        meets = self._seen.meets(item["id"], loop.time())
        self._seen.leaving.set()
        await asyncio.sleep(0.001)  # to connect
        if meets == "no connection":
            self._history.append(Happened(loop.time(), self._plan.name, "seen: no connection"))
            permit.unused()
            return NoResponse(Fault.NOT_SENT, "cannot connect")
        if not permit.may_leave():
            self._history.append(Happened(loop.time(), self._plan.name, "lease lost before a request"))
            permit.unused()
            return NoResponse(Fault.FENCED, "the right to send ended")
        request = self._seen.send(self._replica, item, look_up=look_up, meets=meets)
        self._open[request.number] = request
        try:
            async with asyncio.timeout(self._plan.limits.timeout_seconds):
                exchange = await request.answer
        except TimeoutError:
            self._seen.given_up(request, "timed out")
            return NoResponse(Fault.TIMED_OUT, "no answer")
        except asyncio.CancelledError:
            if request.number in self._open:
                self._seen.given_up(request, "cut off")
            raise
        finally:
            self._open.pop(request.number, None)
        if isinstance(exchange, Response):
            permit.answered()
            self._seen.ended(request, str(exchange.status))
        else:
            self._seen.ended(request, "lost")
        return exchange
