"""The legacy API of a simulated SEEN: arrays of receivers, each with a `customer_id` that is unique, or with none.

Where one item of an array is wrong, none of it is created, and the answer says what is wrong with which
(SEEN API 1.0, create receivers).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from connector.http.exchange import Response
from tests.simulation.history import Fault, Said, Taken
from tests.simulation.values import BAD_IMAGE, IMAGE

if TYPE_CHECKING:
    from connector.seen.verdict import Exchange
    from tests.simulation.answers import Answers
    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan
    from tests.simulation.seen import Request

EXISTS = "A receiver with this ID already exists."


class Receivers:
    """The receivers of one campaign."""

    id_name = "customer_id"

    def __init__(self, plan: WorkspacePlan, answers: Answers, history: list[Entry]) -> None:
        self._name = plan.name
        self._most = plan.most_items
        self._answers = answers
        self._history = history
        self._ids: set[str] = set()
        self._poisons = {each.number: each.poison for each in plan.records if each.poison is not None}
        self._bad_images = {each.number for each in plan.records if each.what == BAD_IMAGE}

    def shown(self, request: Request) -> tuple[int, ...]:
        """None: this API shows nothing."""
        return ()

    def carry_out(self, request: Request, now: float) -> Exchange:
        """Creates what is asked for, all or nothing, unless a fault prevents it or stops it halfway; what is answered."""
        whole = self._refusal_of_all(request)
        errors = self._errors(request.items)
        if request.taken and whole is None and not any(errors):
            some = len(request.items) // 2 if request.taken == "part" else len(request.items)
            for item in request.items[:some]:
                self._create(item, request, now)
        if (instead := self._answers.instead(request.meets)) is not None:
            return instead
        if whole is not None:
            self._history.append(Fault(now, self._name, f"poison: {whole}"))
            return self._answers.said(whole)
        if any(errors):
            self._say(errors, request, now)
            return Response(400, orjson.dumps(errors))
        return Response(201, b"[]")

    def _refusal_of_all(self, request: Request) -> str | None:
        if len(request.items) > self._most:
            return "413"
        poisons = [self._poisons.get(record) for record in request.records]
        return next((each for each in poisons if each not in (None, "refused")), None)

    def _errors(self, items: list[dict[str, Any]]) -> list[dict[str, list[str]]]:
        known = set(self._ids)
        found = []
        for item in items:
            errors, number, customer_id = {}, item["n"], item.get("customer_id")
            if self._poisons.get(number) == "refused" or (number in self._bad_images and IMAGE in item):
                errors["last_name"] = [refusal(number)]
            if customer_id in known:
                errors["customer_id"] = [EXISTS]
            elif customer_id is not None:
                known.add(customer_id)
            found.append(errors)
        return found

    def _create(self, item: dict[str, Any], request: Request, now: float) -> None:
        if "customer_id" in item:
            self._ids.add(item["customer_id"])
        self._history.append(Taken(now, self._name, request.number, item["n"]))

    def _say(self, errors: list[dict[str, list[str]]], request: Request, now: float) -> None:
        for record, said in zip(request.records, errors, strict=True):
            for field, (words,) in said.items():
                kind = "exists" if field == "customer_id" else "refused"
                self._history.append(Fault(now, self._name, f"item: {kind}"))
                self._history.append(Said(now, self._name, request.number, record, words))


def refusal(record: int) -> str:
    """What is wrong with that record's receiver, and with no other."""
    return f"Ensure that this field of number {record} has no more than 100 characters."
