"""The port that the emulator listens on, which goes down and comes up again while the process lives."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from connector.errors import SandboxError
from connector.sandbox.emulator.server import reset_connection

_SHUTDOWN_SECONDS = 1.0
_OUTAGE_BEGINS_SECONDS = 0.1


class Port:
    """One port. It stays ours through outages, so what listens on it afterwards is found where it was."""

    def __init__(self, host: str, port: int) -> None:
        """`port` 0 takes any that is free at the start."""
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._socket: socket.socket | None = None
        self._outage: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The base URL, `http://host:port`; the port is known once it has started."""
        return f"http://{self._host}:{self._port}"

    async def start(self, application: web.Application) -> None:
        """Returns when requests are taken. Raises SandboxError if the port is not to be had."""
        self._socket = _bound(self._host, self._port)
        self._port = self._socket.getsockname()[1]
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await self.come_up()

    async def stop(self) -> None:
        """Ends everything, requests that hang too."""
        if self._outage:
            self._outage.cancel()
            await asyncio.gather(self._outage, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()
        if self._socket:
            self._socket.close()
        self._runner = self._site = self._socket = self._outage = None

    async def go_down(self) -> None:
        """From now on connections are refused; those that are open are reset. What SEEN knows stays."""
        if self._runner is None or self._site is None:
            return
        await self._site.stop()
        self._site = None
        self._socket = _bound(self._host, self._port)  # keeps the port ours while nobody listens
        if self._runner.server:
            for connection in self._runner.server.connections:
                if connection.transport:
                    reset_connection(connection.transport)

    async def come_up(self) -> None:
        """Takes requests again, on the same port."""
        if self._runner is None or self._socket is None or self._site is not None:
            return
        self._site = web.SockSite(self._runner, self._socket)
        await self._site.start()

    def outage(self, seconds: float) -> None:
        """Goes down in a moment and comes up again after so many seconds. Raises SandboxError during another one."""
        if self._outage and not self._outage.done():
            raise SandboxError("the emulator is in an outage already")
        self._outage = asyncio.create_task(self._be_out(seconds), name="emulator-outage")

    async def _be_out(self, seconds: float) -> None:
        await asyncio.sleep(_OUTAGE_BEGINS_SECONDS)  # the answer to whoever ordered it gets out first
        await self.go_down()
        await asyncio.sleep(seconds)
        await self.come_up()


def _bound(host: str, port: int) -> socket.socket:
    """A socket that holds the port and does not listen yet: connections to it are refused."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SandboxError(f"the emulator cannot listen on {host}:{port}: {error.strerror}") from error
    return bound
