"""One request to an image's host, over a connection of its own, and as much of the answer as is needed.

A client made for hosts that mean well reads whatever it is sent. Interim answers (1xx) or chunks of one byte, as fast as a
host can write them, would keep the event loop from everything else. So here all that is read has a limit, and others have
their turn between two pieces.

Rules:
 1. One of the addresses that are given is connected to, and no other. The certificate must be valid for the host's name.
 2. The lines before a body, those of interim answers among them, are counted, and none is longer than a limit.
 3. A body is counted and not kept, up to a limit; so are its chunks.
 4. The connection is cut off at the end. No host is waited for.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

from aiohappyeyeballs import start_connection
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aiohappyeyeballs import AddrInfoType
    from yarl import URL

_NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305, 8
_MOST_LINES = 256
_LONGEST_LINE = 8192
_MOST_CHUNKS = 8192
_PIECE = 65_536
_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: .*)?", re.DOTALL)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)", re.DOTALL)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,18}")


class NoHttpError(Exception):
    """What a host sends is no HTTP, or more of it than any answer takes; the text says what, for people."""


class Answer:
    """An answer whose body is still to come."""

    def __init__(self, status: int, headers: Mapping[str, str], reader: asyncio.StreamReader) -> None:
        """`status` is none of 1xx but 101. Names in `headers` know no case; a header that comes twice is a list."""
        self.status = status
        self.headers = headers
        self._reader = reader

    async def size(self, most: int) -> int:
        """The bytes of the body, as the host says or as they come; some number above `most` if there are more.

        Raises NoHttpError, and EOFError if the connection ends before the body does.
        """
        coding = self.headers.get("Transfer-Encoding")
        if coding is not None:
            return await self._size_of_chunks(coding, most)
        length = self.headers.get("Content-Length")
        if length is None:
            return await self._size_until_end(most)
        if not _LENGTH.fullmatch(length):
            raise NoHttpError("a length that is none")
        return int(length)

    async def _size_until_end(self, most: int) -> int:
        size = 0
        while size <= most and (piece := await self._reader.read(_PIECE)):
            size += len(piece)
        return size

    async def _size_of_chunks(self, coding: str, most: int) -> int:
        if coding.lower() != "chunked":
            raise NoHttpError("a transfer coding that was not asked for")
        size = 0
        for _ in range(_MOST_CHUNKS):
            chunk = await self._chunk()
            size += chunk
            if not chunk or size > most:
                return size
            await self._pass_over(chunk)
            await asyncio.sleep(0)  # what has come already is read without a wait
        raise NoHttpError(f"more than {_MOST_CHUNKS} chunks")

    async def _chunk(self) -> int:
        if (found := _CHUNK.fullmatch(await _line(self._reader))) is None:
            raise NoHttpError("a chunk without a size")
        return int(found[1], 16)

    async def _pass_over(self, size: int) -> None:
        while size:
            piece = await self._reader.read(min(size, _PIECE))
            if not piece:
                raise EOFError
            size -= len(piece)
        if await _line(self._reader):
            raise NoHttpError("a chunk that is longer than it says")


@asynccontextmanager
async def exchange(
    method: str, url: URL, addresses: Sequence[str], headers: Mapping[str, str]
) -> AsyncIterator[Answer]:
    """Sends `method` for `url` to one of `addresses`; yields the answer, and ends the connection afterwards.

    Raises OSError, of which `ssl.SSLError` is one, if there is no connection; EOFError if it ends too early; NoHttpError.
    """
    reader, writer = await _connected(url, addresses)
    try:
        lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode())
        yield await _answer(reader)
    finally:
        writer.transport.abort()


async def _connected(url: URL, addresses: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if url.port is None or url.raw_host is None:
        raise ValueError("the URL names no host")
    places = [_place(each, url.port) for each in addresses]
    sock = await start_connection(places, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
    try:
        if url.scheme != "https":
            return await asyncio.open_connection(sock=sock, limit=_LONGEST_LINE)
        name = url.raw_host.removesuffix(".")
        return await asyncio.open_connection(
            sock=sock, limit=_LONGEST_LINE, ssl=_trust(), server_hostname=name
        )
    except BaseException:
        sock.close()
        raise


def _place(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates: reading them takes tens of milliseconds."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _answer(reader: asyncio.StreamReader) -> Answer:
    """The first answer that is no interim one."""
    status, headers = 0, CIMultiDict[str]()
    for _ in range(_MOST_LINES):
        line = await _line(reader)
        if not status:
            status = _status(line)
        elif line:
            _note(line, headers)
        elif status >= 200 or status == 101:
            return Answer(status, headers, reader)
        else:
            status, headers = 0, CIMultiDict[str]()
    raise NoHttpError(f"more than {_MOST_LINES} lines before a body")


def _status(line: bytes) -> int:
    if (found := _STATUS.fullmatch(line)) is None:
        raise NoHttpError("another first line")
    return int(found[1])


def _note(line: bytes, headers: CIMultiDict[str]) -> None:
    if (found := _HEADER.fullmatch(line)) is None:
        raise NoHttpError("a header without a name")
    name, value = found[1].decode("ascii"), found[2].decode("latin-1").strip(" \t")
    headers[name] = f"{headers[name]}, {value}" if name in headers else value


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line, without its end. Raises EOFError if there is none."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise NoHttpError(f"a line of more than {_LONGEST_LINE} bytes") from None
    return line.removesuffix(b"\n").removesuffix(b"\r")
