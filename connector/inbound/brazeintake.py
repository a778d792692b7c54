"""What becomes of what Braze posts: a record of the Braze topic for each object that SEEN can take, a dead letter for each
other one, and SEEN's answer when all that is durable.

Of an array with a faulty receiver the others are published all the same, although the answer is 400 as at SEEN. Whoever
gets a 400 does not repeat the call, so they would be lost; whoever does send them again finds that they exist already.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson

from connector.deadletter import RefusedCallback
from connector.errors import PublishRefused
from connector.inbound import brazeanswer
from connector.inbound.brazebody import Item, headers_of, receivers_in
from connector.inbound.door import bury
from connector.types import Event, Reason, Unsendable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.inbound.answer import Answer
    from connector.inbound.door import Grave, Publisher
    from connector.inbound.taken import Durability


class _Arrival(NamedTuple):
    """One call: its name, which no other has, and what its dead letters say of it."""

    call: str
    content_type: str
    received_at: float


class _Kept(NamedTuple):
    """An item that is durable: as an event, or as a dead letter that says why."""

    found: Event | Unsendable
    durability: Durability


@dataclass(frozen=True, slots=True, kw_only=True)
class BrazeIntake:
    """What a workspace does with bodies from Braze. `read` says what the engine will make of an object; with `is_array` a
    body is an array of them (API 1.0), else one object.
    """

    read: Callable[[bytes], Event | Unsendable]
    is_array: bool
    topic: str
    grave: Grave
    publisher: Publisher

    async def take(self, body: bytes, *, content_type: str, received_at: float) -> Answer:
        """As `Intake`: 201 where all of it will be sent, otherwise SEEN's error."""
        arrival = _Arrival(uuid.uuid4().hex, content_type, received_at)
        if not self.is_array:
            kept = await self._keep(Item(body, self.read(body)), 0, arrival)
            if isinstance(kept.found, Unsendable):
                return brazeanswer.refused(kept.found)
            return brazeanswer.created(orjson.loads(kept.found.body), kept.durability)
        items = receivers_in(body, self.read)
        if isinstance(items, Unsendable):
            await self._bury(body, items, 0, arrival)
            return brazeanswer.refused(items)
        return _answer_to_array(await self._keep_all(items, arrival))

    async def _keep_all(self, items: Sequence[Item], arrival: _Arrival) -> list[_Kept]:
        """All at once, but for those of one id: these in order. Raises what the first that failed has failed with."""
        courses: dict[object, list[int]] = defaultdict(list)
        for place, item in enumerate(items):
            courses[item.found.id or place].append(place)
        kept: dict[int, _Kept] = {}

        async def keep(places: list[int]) -> None:
            for place in places:
                kept[place] = await self._keep(items[place], place, arrival)

        ended = await asyncio.gather(*map(keep, courses.values()), return_exceptions=True)
        for each in ended:
            if each is not None:
                raise each
        return [kept[place] for place in range(len(items))]

    async def _keep(self, item: Item, place: int, arrival: _Arrival) -> _Kept:
        found = item.found
        if isinstance(found, Event):
            try:
                message = item.message(found, headers_of(arrival.call, place))
                return _Kept(found, await self.publisher.publish(self.topic, message))
            except PublishRefused as refusal:
                found = Unsendable(Reason.RECORD_TOO_LARGE, str(refusal), found.id or None)
        return _Kept(found, await self._bury(item.raw, found, place, arrival))

    async def _bury(self, body: bytes, why: Unsendable, place: int, arrival: _Arrival) -> Durability:
        refused = RefusedCallback(
            body=body,
            reason=why.reason,
            detail=why.detail,
            content_type=arrival.content_type,
            received_at=arrival.received_at,
            headers=headers_of(arrival.call, place),
        )
        return await bury(self.publisher, self.grave, refused)


def _answer_to_array(kept: Sequence[_Kept]) -> Answer:
    faults = [each.found if isinstance(each.found, Unsendable) else None for each in kept]
    if any(faults):
        return brazeanswer.refused_items(faults)
    events = [each.found for each in kept if isinstance(each.found, Event)]
    durability: Durability = (
        "published" if all(each.durability == "published" for each in kept) else "spooled"
    )
    receivers = [orjson.loads(event.body) for event in events]
    return brazeanswer.received(receivers, durability, events[0].id or None)
