"""Makes callbacks over a few connections, which stay open meanwhile, and takes the time of each answer.

It is written close to the socket, so that it takes little of the machine that it shares with those it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import orjson

from connector.sandbox.emulator.links import links

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its answer's status, and the seconds from when it was due until its answer was there."""

    status: int
    seconds: float


class Caller:
    """Calls one listener, as SEEN does for a workspace of the platform. Each call tells of another video.

    What calls raises OSError if nothing listens or a connection ends, TimeoutError if an answer takes half a minute.
    """

    def __init__(self, port: int, workspace: str, token: str, connections: int) -> None:
        self._port = port
        self._connections = connections
        self._requests = _requests(workspace, token)

    async def flat_out(self, seconds: float) -> list[Call]:
        """Each connection calls again as soon as it has its answer, for so long."""

        def dues() -> Iterator[float]:
            end = time.perf_counter() + seconds
            while (now := time.perf_counter()) < end:
                yield now

        return await self._call(dues(), seconds)

    async def at_a_pace(self, calls_a_second: float, seconds: float) -> list[Call]:
        """So many calls a second, evenly. One that finds no connection free is late, and that counts."""

        def dues() -> Iterator[float]:
            began = time.perf_counter()
            for number in range(round(calls_a_second * seconds)):
                yield began + number / calls_a_second

        return await self._call(dues(), seconds)

    async def _call(self, dues: Iterator[float], seconds: float) -> list[Call]:
        loop = asyncio.get_running_loop()
        course = _Course(dues, self._requests)
        opened: list[_Connection] = []
        try:
            for _ in range(self._connections):
                _, connection = await loop.create_connection(
                    lambda: _Connection(course), "127.0.0.1", self._port
                )
                opened.append(connection)
            async with asyncio.timeout(seconds + _ANSWER_SECONDS):
                await asyncio.gather(*(connection.begin() for connection in opened))
        finally:
            for connection in opened:
                connection.close()
        return course.made


def _requests(workspace: str, token: str) -> Iterator[bytes]:
    """Requests without end: each body has another id and another player, and all are of one length."""
    body = orjson.dumps(links(workspace, "customer").callback("customer-%08d") | {"player_url": "%s/%08d"})
    body = body.replace(b"%s", links(workspace, "customer").player.encode())
    head = (
        f"POST /callbacks/{workspace} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body % (0, 0))}\r\n\r\n"
    )
    request = head.encode() + body
    return (request % (number, number) for number in itertools.count())


class _Course:
    """What the connections of one course share: when calls are due, what they send, and what came of it."""

    def __init__(self, dues: Iterator[float], requests: Iterator[bytes]) -> None:
        self.dues = dues
        self.requests = requests
        self.made: list[Call] = []


class _Connection(asyncio.Protocol):
    """One connection: one request at a time, and as much of HTTP as the answers of listeners need."""

    def __init__(self, course: _Course) -> None:
        self._course = course
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._received = b""
        self._due = 0.0

    async def begin(self) -> None:
        """Makes calls for as long as there are any."""
        self._next()
        await self._ended

    def close(self) -> None:
        """Closes it."""
        self._ended.cancel()
        self._transport.close()

    def _next(self) -> None:
        due = next(self._course.dues, None)
        if due is None:
            self._ended.set_result(None)
            return
        self._due = due
        early = due - time.perf_counter()
        if early > 0:
            self._loop.call_later(early, self._send)
        else:
            self._send()

    def _send(self) -> None:
        if not self._ended.done():
            self._transport.write(next(self._course.requests))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """As `asyncio.Protocol`."""
        if not self._ended.done():
            self._ended.set_exception(ConnectionError("the listener has closed the connection"))

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol`."""
        self._received += data
        head, end, body = self._received.partition(_HEAD_END)
        if not end or len(body) < _content_length(head):
            return
        self._received = b""
        self._course.made.append(Call(int(head[9:12]), time.perf_counter() - self._due))
        self._next()


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0] or 0)
