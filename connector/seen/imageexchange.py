"""One request to an image's host, over a connection of its own, and as much of the answer as is needed.

A client made for hosts that mean well reads whatever it is sent. Interim answers (1xx) or chunks of one byte, as fast as a
host can write them, would keep the event loop from everything else. So here h11 understands the bytes, and this module
decides how many of them there may be.

Rules:
 1. One of the addresses that are given is connected to, and no other. The certificate must be valid for the host's name.
 2. What a host sends is read in small pieces, between which others have their turn; headers have a limit, and so has the
    number of interim answers and chunks.
 3. A body is counted and not kept, up to a limit.
 4. The connection is cut off at the end. No host is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from functools import cache
from typing import TYPE_CHECKING

import h11
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from yarl import URL

_NEXT_ADDRESS_SECONDS = 1.0
_MOST_HEADER_BYTES = 65_536
_MOST_EVENTS = 8192
_PIECE = 4096  # of the shortest chunks these are some hundreds: a few milliseconds


class NoHttpError(Exception):
    """What a host sends is no HTTP, or more of it than any answer takes; the text says what, for people."""


class _Host:
    """What comes from a host, one event of HTTP after the other."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADER_BYTES)
        self._events = 0
        self._has_ended = False

    def request(self, method: str, url: URL, headers: Mapping[str, str]) -> bytes:
        """The bytes that ask for `url`."""
        named = {"Host": url.host_port_subcomponent or "", **headers, "Connection": "close"}
        request = h11.Request(method=method, target=url.raw_path_qs, headers=list(named.items()))
        return (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    async def next(self) -> h11.Event:
        """The next event. Raises NoHttpError, and EOFError if the connection has ended too early."""
        self._events += 1
        if self._events > _MOST_EVENTS:
            raise NoHttpError(f"more than {_MOST_EVENTS} interim answers or pieces")
        try:
            while not isinstance(event := self._http.next_event(), h11.Event):
                await self._read()
        except h11.RemoteProtocolError as error:
            if self._has_ended:
                raise EOFError from None
            raise NoHttpError(str(error).partition(":")[0]) from None  # what follows repeats what was sent
        return event

    async def _read(self) -> None:
        piece = await self._reader.read(_PIECE)
        self._has_ended = not piece
        self._http.receive_data(piece)
        await asyncio.sleep(0)  # what has come already is read without a wait


class Answer:
    """An answer whose body is still to come."""

    def __init__(self, head: h11.Response, host: _Host) -> None:
        """Names in `headers` know no case; a header that comes twice is a list."""
        self.status = head.status_code
        self.headers = CIMultiDict[str]()
        for name, value in head.headers:
            self.headers.add(name.decode("ascii"), value.decode("latin-1"))
        self._host = host

    async def size(self, most: int) -> int:
        """The bytes of the body, as the host says or as they come; some number above `most` if there are more.

        Raises NoHttpError, and EOFError if the connection ends before the body does.
        """
        if "Content-Length" in self.headers and "Transfer-Encoding" not in self.headers:
            return int(self.headers["Content-Length"])
        size = 0
        while size <= most and isinstance(event := await self._host.next(), h11.Data):
            size += len(event.data)
        return size


@contextlib.asynccontextmanager
async def exchange(
    method: str, url: URL, addresses: Sequence[str], headers: Mapping[str, str]
) -> AsyncIterator[Answer]:
    """Sends `method` for `url` to one of `addresses`; yields the answer, and ends the connection afterwards.

    Raises OSError, of which `ssl.SSLError` is one, if there is no connection; EOFError if it ends too early; NoHttpError.
    """
    reader, writer = await _connected(url, addresses)
    try:
        host = _Host(reader)
        writer.write(host.request(method, url, headers))
        head = await host.next()
        while isinstance(head, h11.InformationalResponse):
            head = await host.next()
        if not isinstance(head, h11.Response):
            raise NoHttpError("no answer")
        yield Answer(head, host)
    finally:
        writer.transport.abort()


async def _connected(url: URL, addresses: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the first address that has one within some time; the last may take all that is left."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(_NEXT_ADDRESS_SECONDS):
                return await _opened(url, address)
    return await _opened(url, last)


async def _opened(url: URL, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if url.scheme != "https":
        return await asyncio.open_connection(address, url.port, limit=_PIECE)
    name = (url.raw_host or "").removesuffix(".")
    return await asyncio.open_connection(address, url.port, limit=_PIECE, ssl=_trust(), server_hostname=name)


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates: reading them takes tens of milliseconds."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
