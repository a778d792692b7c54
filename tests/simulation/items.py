"""The data API of a simulated SEEN: one item a request, which can be looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from connector.http.exchange import Response
from tests.simulation.history import Fault, Taken
from tests.simulation.values import BAD_IMAGE, IMAGE

if TYPE_CHECKING:
    from connector.seen.verdict import Exchange
    from tests.simulation.answers import Answers
    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan
    from tests.simulation.seen import Request


class Items:
    """The items of one workspace. A request without records is a look-up."""

    id_name = "id"

    def __init__(self, plan: WorkspacePlan, answers: Answers, history: list[Entry]) -> None:
        self._name = plan.name
        self._answers = answers
        self._history = history
        self._items: dict[str, dict[str, Any]] = {}
        self._poisons = {each.number: each.poison for each in plan.records if each.poison is not None}
        self._bad_images = {each.number for each in plan.records if each.what == BAD_IMAGE}

    def shown(self, request: Request) -> tuple[int, ...]:
        """Of the request's records those that are there with the values that it carries."""
        return request.records if self._items.get(request.items[0]["id"]) == request.items[0] else ()

    def carry_out(self, request: Request, now: float) -> Exchange:
        """Does what is asked, unless a fault prevents it; what is answered."""
        (item,) = request.items
        record = request.records[0] if request.records else None
        poison = None if record is None else self._poison(record, item)
        if request.taken and poison is None and record is not None:
            self._items[item["id"]] = item
            self._history.append(Taken(now, self._name, request.number, record))
        if (instead := self._answers.instead(request.meets)) is not None:
            return instead
        if poison is not None:
            self._history.append(Fault(now, self._name, f"poison: {poison}"))
            return self._answers.said(poison)
        if record is not None:
            return Response(201, orjson.dumps({"id": item["id"], "values": item}))
        found = self._items.get(item["id"])
        if found is None:
            return self._answers.said("404")
        return Response(200, orjson.dumps({"id": item["id"], "journeyOutputs": [], "values": found}))

    def _poison(self, record: int, item: dict[str, Any]) -> str | None:
        has_bad_image = record in self._bad_images and IMAGE in item
        return "400" if has_bad_image else self._poisons.get(record)
