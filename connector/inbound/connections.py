"""The connections of the listener: who may open one, and which are cut off.

aiohttp limits the lines of a head and the number of its headers, reads of a body no more than is asked for, and closes a
connection that is idle. The rest is done here: how many connections there are, and how many of one address; the time for
a whole head, however its bytes come; how much may be sent before a right is proved; and the time for taking an answer.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Protocol, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from connector.inbound.attempts import network
from connector.inbound.places import Places

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.inbound.limits import Limits
    from connector.inbound.peers import Peers
    from connector.metrics import Metrics

_MAX_HEADERS = 64
_ANSWER_SECONDS = 10.0
# What a refused caller still sends is thrown away, unseen, this long: closing at once would reset the connection, and
# the caller would see that in place of the answer.
_LINGER_SECONDS = 1.0
_READ_AHEAD = (
    16_384  # of a body that is not read aiohttp holds twice this, and what one read brings: 256 KiB at most
)
_UNPROVED_BYTES = 262_144 + 4 * _READ_AHEAD


class Malformed(Protocol):
    """What to answer to bytes that are no request."""

    def __call__(
        self, request: web.BaseRequest, connection: Connection, error: HttpProcessingError
    ) -> web.StreamResponse:
        """The answer; it is logged and counted."""
        ...


class Connections:
    """All that are open, within `limits`. Connections of trusted `peers` count as nobody's own."""

    def __init__(
        self, limits: Limits, peers: Peers, metrics: Metrics, clock: Clock, malformed: Malformed
    ) -> None:
        self.limits = limits
        self.malformed = malformed
        self._peers = peers
        self._metrics = metrics
        self._clock = clock
        self._places: Places[Connection] = Places(
            limits.max_connections, limits.max_connections_per_address, limits.head_timeout_seconds
        )

    def entered(self, connection: Connection, peer: str) -> bool:
        """A new one, of `peer`: whether it has a place. Another may be cut off for it."""
        address = None if self._peers.trusts(peer) else network(peer)
        leaver = self._places.enter(connection, address, self._clock.monotonic())
        if leaver is connection:
            self._metrics.connection_cut("no_place")
            return False
        self._metrics.connections.inc()
        if leaver is not None:
            self._metrics.connections.dec()
            self._metrics.connection_cut("displaced")
            leaver.abort()
        return True

    def head_began(self, connection: Connection) -> None:
        """The first byte of a request after another has come."""
        self._places.head_began(connection, self._clock.monotonic())

    def asks(self, connection: Connection) -> None:
        """A whole head has come."""
        self._places.asks(connection)

    def stays(self, connection: Connection) -> None:
        """Its request is made durable."""
        self._places.stays(connection)

    def waits(self, connection: Connection) -> None:
        """Its request is answered."""
        self._places.waits(connection)

    def left(self, connection: Connection) -> None:
        """It is closed."""
        if self._places.leave(connection):
            self._metrics.connections.dec()

    def cut(self, connection: Connection, cause: str) -> None:
        """Cuts it off, without a word."""
        self.left(connection)
        self._metrics.connection_cut(cause)
        connection.abort()

    def sweep(self) -> None:
        """Cuts off whose time is over. To be called often."""
        now = self._clock.monotonic()
        for connection in self._places.overdue(now):
            self.cut(connection, "slow_head")
        for connection in list(self._places):
            if now - connection.stuck_since(now) >= _ANSWER_SECONDS:
                self.cut(connection, "slow_reader")

    def close_waiting(self) -> None:
        """Closes those without a request."""
        for connection in self._places.waiting():
            connection.end()


class Connection(web.RequestHandler):
    """aiohttp's protocol, watched."""

    __slots__ = ("_allowance", "_connections", "_is_idle", "_is_stuck_since", "_wire")

    def __init__(self, connections: Connections, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=connections.limits.keepalive_seconds,
            access_log=None,  # type: ignore[arg-type] # one line of our own for each call
            auto_decompress=False,  # an inflated body would pass the cap
            lingering_time=_LINGER_SECONDS,
            max_headers=_MAX_HEADERS,
            read_bufsize=_READ_AHEAD,
        )
        self._connections = connections
        self._wire: asyncio.Transport | None = None
        self._allowance = _UNPROVED_BYTES  # so many bytes may still come
        self._is_idle = False  # between an answer and the first byte of the next request
        self._is_stuck_since: float | None = None

    # What the event loop tells of it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Goes on where there is a place for it, else ends it."""
        self._wire = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if self._connections.entered(self, str(peer[0]) if peer else ""):
            super().connection_made(transport)
        else:
            self._wire.abort()

    def data_received(self, data: bytes) -> None:
        """Goes on while no more comes than may."""
        self._allowance -= len(data)
        if self._allowance < 0:
            self._connections.cut(self, "too_much")
            return
        if self._is_idle:
            self._is_idle = False
            self._connections.head_began(self)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Gives its place back."""
        self._connections.left(self)
        super().connection_lost(exc)

    # What becomes of its requests

    def asks(self) -> None:
        """A request has begun to be answered."""
        self._is_idle = False
        self._connections.asks(self)

    def may_send_body(self) -> None:
        """The request may be made: its body may come."""
        self._allowance += self._connections.limits.max_body_bytes

    def stays(self) -> None:
        """The request is made durable: whoever comes, the connection stays until the answer."""
        self._connections.stays(self)

    def is_answered(self, *, closes: bool) -> None:
        """The request's answer is known. `closes`: what still comes is thrown away, then the connection ends."""
        self._allowance = sys.maxsize if closes else _UNPROVED_BYTES
        self._is_idle = True
        self._connections.waits(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request: never a word of what was sent. A bug is aiohttp's affair."""
        if not isinstance(exc, HttpProcessingError) or request.writer.output_size:
            return super().handle_error(request, status, exc, message)
        self.is_answered(closes=True)
        return self._connections.malformed(request, self, exc)

    # What is done to it

    def stuck_since(self, now: float) -> float:
        """Since when bytes wait that the caller does not take; `now` where none do. To be asked often."""
        wire = self._wire
        if wire is None or not wire.get_write_buffer_size():
            self._is_stuck_since = None
            return now
        if self._is_stuck_since is None:
            self._is_stuck_since = now
        return self._is_stuck_since

    def end(self) -> None:
        """Closes it when all that was said has been sent."""
        if self._wire is not None:
            self._wire.close()

    def abort(self) -> None:
        """Closes it now."""
        if self._wire is not None:
            self._wire.abort()
