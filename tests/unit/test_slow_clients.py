"""Two hundred slow clients at once do not keep others from being served. How long that takes is measured by a benchmark."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from connector.inbound.grants import Client
from connector.inbound.limits import Limits
from connector.inbound.tokenendpoint import TokenEndpoint
from tests.unit.test_connections import cut, many, opened, served
from tests.unit.test_listener import BEARER, JSON, Place, until, wire

if TYPE_CHECKING:
    from tests.unit.test_listener import Wire

SLOW = 200
FORM_TYPE = "Content-Type: application/x-www-form-urlencoded"
FORM = b"grant_type=client_credentials&client_id=acme-seen&client_secret=a-secret"
LENGTH = "Content-Length: 4000"
KINDS = {
    "idle connections": None,
    "heads": ("/callbacks/acme", ""),
    "bodies with a right secret": ("/callbacks/acme", "\r\n".join((BEARER, JSON, LENGTH, "", ""))),
    "bodies with a wrong secret": ("/callbacks/acme", "\r\n".join((JSON, LENGTH, "", ""))),
    "forms": ("/oauth2/token", "\r\n".join((FORM_TYPE, LENGTH, "", ""))),
}


class WithTokens(Place):
    """A listener that issues tokens, and cuts off what takes longer than two seconds."""

    def __init__(self) -> None:
        client = Client("acme", "acme-seen", ("a-secret",))
        limits = Limits(head_timeout_seconds=2, body_timeout_seconds=2)
        super().__init__(limits)
        keys = ("a-signing-key-of-32-characters-00",)
        self.listen(
            limits, tokens=TokenEndpoint(lambda: [client], lambda: keys, 300, self.metrics, self.clock)
        )


async def drip(line: Wire, path: str, start: str) -> None:
    """Begins a request at once, and goes on with a byte a second."""
    with suppress(ConnectionError):
        line.writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{start}".encode())
        while True:
            await line.writer.drain()
            await asyncio.sleep(1)
            line.writer.write(b"a")


async def fetches_a_token(place: Place) -> int:
    async with wire(place, "127.0.0.2") as line:
        await line.send("/oauth2/token", FORM_TYPE, f"Content-Length: {len(FORM)}", body=FORM)
        return await line.status()


@pytest.mark.parametrize("kind", KINDS)
async def test_others_are_served_while_two_hundred_are_slow_and_the_slow_ones_are_cut_off(kind: str) -> None:
    place = WithTokens()
    await place.listener.start()
    async with many(place, SLOW) as slow:
        dripping = [
            asyncio.create_task(drip(line, *beginning), name="drip")
            for line in slow
            if (beginning := KINDS[kind])
        ]
        await until(lambda: opened(place) == SLOW or kind.startswith(("forms", "bodies with a wrong")))
        for _ in range(20):
            assert await served(place) == 200
            assert await fetches_a_token(place) == 200
        async with asyncio.timeout(60):
            while opened(place):  # noqa: ASYNC110 - the other side of two hundred sockets
                await asyncio.sleep(0.1)
        if kind in {"idle connections", "heads"}:
            assert cut(place, "slow_head") == SLOW
        for task in dripping:
            task.cancel()
        await asyncio.gather(*dripping, return_exceptions=True)
    await place.listener.stop(5)
