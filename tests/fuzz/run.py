"""One run: so many requests, many at a time, and the books of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from random import Random
from typing import TYPE_CHECKING

import aiohttp

from tests.fuzz.bodies import drawn
from tests.fuzz.calls import Caller
from tests.fuzz.described import Described
from tests.fuzz.generated import Generated
from tests.fuzz.sender import send_all, send_wires
from tests.fuzz.wires import Wires

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.books import Books
    from tests.fuzz.calls import Call
    from tests.fuzz.place import Place
    from tests.fuzz.wires import Wire

AT_ONCE = 16
"""So many connections bring calls; fewer than a workspace has room for, so that none is turned away."""

WIRES_AT_ONCE = 12
_MOST_DRAWN = 500
_OF_WIRES = 0.15
_REQUESTS_FOR_AN_EXAMPLE = 1_000
_MANY = 5_000
_FEW_DOORS = ("static", "ours")


async def fuzz(place: Place, requests: int, seed: int, books: Books) -> None:
    """Sends `requests` and some, and last of all some that must be taken. Below 5,000 schemathesis calls at two doors only:
    it makes some 70 calls of each at least.
    """
    begun = time.monotonic()
    document = await _document(place)
    described = Described(document)
    rng = Random(seed)
    caller = Caller(rng, place.doors, drawn(min(_MOST_DRAWN, 50 + requests // 20), seed))
    wires = Wires(rng)
    numbers = itertools.count(1)
    most_wires = int(requests * _OF_WIRES)
    # Each workspace opens its connection to Kafka with its first callback.
    await send_all(caller.opening(numbers), place.port, rng, books, described)
    place.count_sockets()

    def calls() -> Iterator[Call]:
        while books.counts["requests"] < requests:
            yield caller.call(next(numbers))

    def bytes_on_the_wire() -> Iterator[Wire]:
        for _ in range(most_wires // 2):
            yield wires.wire(
                next(itertools.islice(numbers, Wires.MOST_CALLS - 1, None)) - Wires.MOST_CALLS + 1
            )

    generated = Generated(document, place.deployment.listener_url, numbers, rng, books)
    examples = max(2, requests // _REQUESTS_FOR_AN_EXAMPLE)
    described_doors = [place.doors[name] for name in (place.doors if requests >= _MANY else _FEW_DOORS)]
    await asyncio.to_thread(generated.run, described_doors, examples, seed)
    shared, shared_wires = calls(), bytes_on_the_wire()
    async with asyncio.TaskGroup() as group:
        for each in range(AT_ONCE):
            group.create_task(send_all(shared, place.port, Random(seed + each), books, described))
        for each in range(WIRES_AT_ONCE):
            group.create_task(send_wires(shared_wires, place.port, Random(seed - each - 1), books))
    await send_all(caller.opening(numbers), place.port, rng, books, described)
    books.counts["seconds"] = round(time.monotonic() - begun)


async def _document(place: Place) -> dict[str, object]:
    url = f"{place.deployment.listener_url}/openapi.json"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        document: dict[str, object] = await answer.json()
        return document
