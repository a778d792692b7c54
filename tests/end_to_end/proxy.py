"""A TCP proxy on this machine: what lies between two programs, to be broken while both of them live."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from connector.sandbox.emulator.server import reset_connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_CHUNK_BYTES = 65_536


class Proxy:
    """Passes every connection to its port on to one of the ports `targets` of this machine, to each in turn.

    It does so whether somebody listens there or not, as a load balancer without health checks. `passed` has the Unix times
    at which something of a client's was passed on.
    """

    def __init__(self, *targets: int, port: int = 0) -> None:
        """`port` 0: any that is free, known once it listens; not for a proxy that is to refuse, for it may lose that."""
        self.port = port
        self.passed: list[float] = []
        self._targets = itertools.cycle(targets)
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """`host:port` of the proxy."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close_connections(self, *, reset: bool) -> None:
        """Ends those that are open, as the server would: in order, or by a reset. New ones are taken."""
        for client in self._clients:
            if reset and not client.is_closing():
                reset_connection(client.transport)
            else:
                client.close()

    def black_hole(self) -> None:
        """Connections stay open, and new ones are taken, but nothing passes: it is kept until `restore`."""
        self._open.clear()

    def refuse(self) -> None:
        """Resets the connections that are open, and refuses new ones until `restore`."""
        self._stop_listening()
        self.close_connections(reset=True)

    async def restore(self) -> None:
        """Everything passes again, what was kept first."""
        self._open.set()
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._clients.add(writer)
        try:
            await self._open.wait()
            with suppress(OSError):  # an end that is down looks like a connection that ends
                await self._join(reader, writer)
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_connection("127.0.0.1", next(self._targets))
        ways = [
            asyncio.create_task(self._pass(reader, on, is_clients=True)),
            asyncio.create_task(self._pass(back, writer, is_clients=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            on.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_clients: bool
    ) -> None:
        while content := await source.read(_CHUNK_BYTES):
            await self._open.wait()
            if is_clients:
                self.passed.append(time.time())
            target.write(content)
            await target.drain()


@contextmanager
def kept_free(port: int) -> Iterator[None]:
    """Keeps a port from those who look for a free one; it can be listened on all the same, as servers do (SO_REUSEADDR)."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        yield
