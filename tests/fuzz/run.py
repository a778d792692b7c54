"""One run: so many requests, many at a time, and the books of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from random import Random
from typing import TYPE_CHECKING

import aiohttp

from tests.fuzz.bodies import drawn
from tests.fuzz.brazecalls import BrazeCaller
from tests.fuzz.calls import Caller
from tests.fuzz.described import Described
from tests.fuzz.generated import Generated
from tests.fuzz.marks import MOST
from tests.fuzz.sender import send_all, send_wires
from tests.fuzz.wires import Wires

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.books import Books
    from tests.fuzz.calls import Call
    from tests.fuzz.doors import Door
    from tests.fuzz.place import Place
    from tests.fuzz.wires import Wire

AT_ONCE = 16
"""So many connections bring calls; fewer than a workspace has room for, so that none is turned away."""

WIRES_AT_ONCE = 12
_MOST_DRAWN = 500
_WIRES_FOR_A_REQUEST = 0.075
_REQUESTS_FOR_AN_EXAMPLE = 1_000
_MANY = 5_000
_OF_BRAZE = 0.2
_FEW_DOORS = ("static", "ours")


async def fuzz(place: Place, requests: int, seed: int, books: Books) -> None:
    """Sends `requests` and some, and last of all some that must be taken. Below 5,000 schemathesis calls at two doors only:
    it makes some 70 calls of each at least.
    """
    begun = time.monotonic()
    run = _Run(place, seed, books, await _document(place), drawn(min(_MOST_DRAWN, 50 + requests // 20), seed))
    await run.open()
    doors = [place.doors[name] for name in (place.doors if requests >= _MANY else _FEW_DOORS)]
    await run.generated(doors, max(2, requests // _REQUESTS_FOR_AN_EXAMPLE))
    await run.generated(list(place.braze.values()), max(2, requests // _REQUESTS_FOR_AN_EXAMPLE))
    await run.send(requests)
    await run.open()
    books.counts["seconds"] = round(time.monotonic() - begun)


class _Run:
    def __init__(
        self, place: Place, seed: int, books: Books, document: dict[str, object], pool: list[bytes]
    ) -> None:
        self._place = place
        self._seed = seed
        self._books = books
        self._document = document
        self._described = Described(document)
        self._rng = Random(seed)
        self._caller = Caller(self._rng, place.doors, pool)
        self._braze = BrazeCaller(self._rng, place.braze, place.doors, pool)
        self._numbers = itertools.count(1)

    async def open(self) -> None:
        """A call to each door, which must be taken."""
        calls = itertools.chain(self._caller.opening(self._numbers), self._braze.opening(self._numbers))
        await send_all(calls, self._place.port, self._rng, self._books, self._described)

    async def generated(self, doors: list[Door], examples: int) -> None:
        """What schemathesis makes up."""
        url = self._place.deployment.listener_url
        generated = Generated(self._document, url, self._numbers, self._rng, self._books)
        await asyncio.to_thread(generated.run, doors, examples, self._seed)

    async def send(self, requests: int) -> None:
        """Calls and raw bytes, until there were so many requests."""
        port, seed, books = self._place.port, self._seed, self._books
        calls, wires = self._calls(requests), self._wires(int(requests * _WIRES_FOR_A_REQUEST))
        async with asyncio.TaskGroup() as group:
            for each in range(AT_ONCE):
                group.create_task(send_all(calls, port, Random(seed + each), books, self._described))
            for each in range(WIRES_AT_ONCE):
                group.create_task(send_wires(wires, port, Random(seed - each - 1), books))

    def _calls(self, requests: int) -> Iterator[Call]:
        while self._books.counts["requests"] < requests:
            caller = self._braze if self._rng.random() < _OF_BRAZE else self._caller
            yield caller.call(next(self._numbers))

    def _wires(self, count: int) -> Iterator[Wire]:
        # Randomness and numbers of their own: what is sent does not rest on who comes first.
        wires = Wires(Random(self._seed + 1))
        for each in range(count):
            yield wires.wire(MOST // 2 + each * Wires.MOST_CALLS)


async def _document(place: Place) -> dict[str, object]:
    url = f"{place.deployment.listener_url}/openapi.json"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        document: dict[str, object] = await answer.json()
        return document
