"""The emulator as a value to start, script and ask: what tests hold in their hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from aiohttp import web

from connector.sandbox.emulator.control import Control
from connector.sandbox.emulator.emulation import Emulation
from connector.sandbox.emulator.port import Port

if TYPE_CHECKING:
    from types import TracebackType

    from connector.clock import Clock
    from connector.sandbox.emulator.settings import EmulatorSettings

_BODY_BYTES = 1_048_576


class Emulator(Emulation):
    """SEEN on a port of this machine, with the control routes beside it."""

    def __init__(self, settings: EmulatorSettings, clock: Clock | None = None) -> None:
        super().__init__(settings, clock)
        self.port = Port(settings.host, settings.port)

    @property
    def url(self) -> str:
        """The base URL, `http://host:port`; the port is known once it has started."""
        return self.port.url

    async def start(self) -> None:
        """Returns when requests are taken. Raises SandboxError if the port is not to be had."""
        application = web.Application(client_max_size=_BODY_BYTES)
        control = Control(self, self.port)
        application.add_routes([*self.server().routes(), *self.images.routes(), *control.routes()])
        await self.port.start(application)
        await self._journeys.start()

    async def stop(self) -> None:
        """Ends everything, requests that hang too."""
        await self._journeys.stop()
        await self.port.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
