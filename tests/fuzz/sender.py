"""Sends calls over real connections, many at a time, from many addresses of this machine, and reads what is answered."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tests.fuzz.doors import planted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.fuzz.books import Books
    from tests.fuzz.calls import Call
    from tests.fuzz.described import Described
    from tests.fuzz.wires import Wire

PATIENCE_SECONDS = 30.0
"""An answer that takes longer will never come."""

_GLANCE_SECONDS = 0.25  # so long a caller of what is hardly HTTP waits for more
_SECRETS = planted()
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class Answer(NamedTuple):
    """Headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection, kept for as long as the listener keeps it."""

    def __init__(self, port: int, rng: Random) -> None:
        self._port = port
        self._rng = rng
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """From an address that hardly any other has."""
        if self._reader is None or self._writer is None:
            address = (
                f"127.{self._rng.randrange(1, 255)}.{self._rng.randrange(256)}.{self._rng.randrange(1, 255)}"
            )
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(address, 0), limit=1 << 20
            )
        return self._reader, self._writer

    async def close(self) -> None:
        """At once."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def call(self, call: Call) -> Answer:
        """What is answered. Raises OSError, among them TimeoutError, and asyncio.IncompleteReadError."""
        reader, writer = await self.open()
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(call.head if call.waits else call.head + call.body)
            if not call.waits:
                with suppress(ConnectionError):  # what was answered before can still be read
                    await writer.drain()
            answer = await _read(reader, call.method)
            if answer.status == 100:
                writer.write(call.body)
                await writer.drain()
                answer = await _read(reader, call.method)
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer


async def send_all(calls: Iterator[Call], port: int, rng: Random, books: Books, described: Described) -> None:
    """Until there are no more of them; `calls` may be shared with others."""
    connection = Connection(port, rng)
    for call in calls:
        books.send(call)
        try:
            answer = await _retried(connection, call)
        except (OSError, asyncio.IncompleteReadError) as error:  # TimeoutError is an OSError
            await connection.close()
            came = getattr(error, "partial", b"")
            books.breach(
                "calls without an answer", f"{error!r} {came!r} to {call.head!r} {call.body[:200]!r}"
            )
            continue
        books.answered(call, answer.status, answer.body)
        if any(secret in answer.body or secret in repr(answer.headers).encode() for secret in _SECRETS):
            books.breach("secrets in an answer", f"{answer!r} to {call.head!r}")
        wrong = described.complaint(call.path, call.method, answer.status, answer.headers, answer.body)
        if wrong is not None:
            said = f"{wrong}: {answer.status} to {call.method} {call.head!r} {call.body[:200]!r}"
            books.breach("answers that are not as described", said)
    await connection.close()


async def _retried(connection: Connection, call: Call) -> Answer:
    """A connection that was kept may have been closed meanwhile: then nothing of the call was read."""
    try:
        return await connection.call(call)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
    except ConnectionError:
        pass
    await connection.close()
    return await connection.call(call)


async def send_wires(wires: Iterator[Wire], port: int, rng: Random, books: Books) -> None:
    """Each over a connection of its own."""
    for wire in wires:
        books.send_wire(wire)
        connection = Connection(port, rng)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                text = await _exchange(connection, wire)
        except TimeoutError:
            books.breach("calls without an answer", f"{wire.kind}: {wire.pieces!r}")
            continue
        finally:
            await connection.close()
        _judge(wire, text, books)


async def _exchange(connection: Connection, wire: Wire) -> bytes:
    reader, writer = await connection.open()
    text = b""
    with suppress(OSError):  # the listener closes first, while this is being sent
        for piece in wire.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if wire.ends:
            writer.write_eof()
            return await reader.read(1 << 20)
        if wire.waits:
            return await reader.read()
        expected = 1 if wire.answers is None else min(wire.answers + 1, len(wire.calls))
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS / 2 if wire.answers else _GLANCE_SECONDS):
                while len(_STATUS.findall(text)) < expected and (more := await reader.read(1 << 16)):
                    text += more
    return text


def _judge(wire: Wire, text: bytes, books: Books) -> None:
    statuses = [int(each) for each in _STATUS.findall(text)]
    books.counts.update(f"raw bytes answered {status}" for status in statuses)
    if any(status >= 500 and status != 503 for status in statuses):
        books.breach("answered 500, or no answer of ours", f"{wire.kind}: {wire.pieces!r}: {text!r}")
    if wire.answers is not None and len([each for each in statuses if each < 300]) != wire.answers:
        books.breach("calls without an answer", f"{wire.kind}: {wire.pieces!r}: {text!r}")


async def _read(reader: asyncio.StreamReader, method: str) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if first.startswith("HTTP/1.0"):  # what was not understood is answered so, and the connection ends
        headers["connection"] = "close"
    status = int(first.split(" ", 2)[1])
    length = 0 if method == "HEAD" or status == 100 else int(headers.get("content-length", "0"))
    return Answer(status, headers, await reader.readexactly(length))
