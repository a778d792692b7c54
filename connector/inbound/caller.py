"""Whoever makes a call: where from, and whether it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.inbound.accesslog import Noise
    from connector.inbound.connections import Connection
    from connector.inbound.slowing import Slowing


class Caller:
    """The caller of one request, at `address`: the peer's, or what a trusted proxy says."""

    __slots__ = ("_connection", "_is_admitted", "_noise", "_slowing", "address")

    def __init__(self, address: str, connection: Connection, slowing: Slowing, noise: Noise) -> None:
        self.address = address
        self._connection = connection
        self._slowing = slowing
        self._noise = noise
        self._is_admitted = False

    def admitted(self, *, proved: bool) -> None:
        """It may make its call, and send a body: it has `proved` its right, which takes one failure of its address back, or
        none is asked for.
        """
        self._is_admitted = True
        self._connection.may_send_body()
        if proved:
            self._slowing.succeeded(self.address)

    def stays(self) -> None:
        """Its call is made durable: its connection is not closed for another's."""
        self._connection.stays()

    async def failed(self) -> None:
        """It has a wrong secret; returns when it may be told."""
        await self._slowing.failed(self.address)

    def is_logged(self) -> bool:
        """Whether the log has a line for this call: always, if it may make it."""
        return self._is_admitted or self._noise.allows()
