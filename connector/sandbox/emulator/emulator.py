"""The emulator as a value to start, script and ask: what tests hold in their hands, and what the control routes call."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import TYPE_CHECKING, Self

from aiohttp import web

from connector.clock import LoopClock
from connector.errors import SandboxError
from connector.sandbox.emulator.arrivals import Arrival, ArrivalLog
from connector.sandbox.emulator.control import Control
from connector.sandbox.emulator.faults import Fault, Faults
from connector.sandbox.emulator.journey import CallbackMade, Journeys
from connector.sandbox.emulator.server import Server, reset_connection
from connector.sandbox.emulator.workspaces import Workspace

if TYPE_CHECKING:
    from types import TracebackType

    from connector.clock import Clock
    from connector.sandbox.emulator.settings import Callback, EmulatorSettings, Quota

_BODY_BYTES = 1_048_576
_SHUTDOWN_SECONDS = 1.0
_OUTAGE_BEGINS_SECONDS = 0.1


class Emulator:
    """SEEN on a port of this machine. Methods that name a workspace raise KeyError for one that it does not have."""

    def __init__(self, settings: EmulatorSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or LoopClock()
        self._workspaces = {each.id: Workspace(each) for each in settings.workspaces}
        self._faults = Faults()
        self._arrivals = ArrivalLog(settings.remembered)
        self._journeys = Journeys(settings, self._clock)
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._socket: socket.socket | None = None
        self._outage: asyncio.Task[None] | None = None
        self._port = settings.port

    @property
    def url(self) -> str:
        """The base URL, `http://host:port`; the port is known once it has started."""
        return f"http://{self._settings.host}:{self._port}"

    async def start(self) -> None:
        """Returns when requests are taken. Raises SandboxError if the port is not to be had."""
        application = web.Application(client_max_size=_BODY_BYTES)
        server = Server(self._workspaces, self._faults, self._arrivals, self._journeys, self._clock)
        application.add_routes([*server.routes(), *Control(self).routes()])
        self._socket = _bound(self._settings.host, self._port)
        self._port = self._socket.getsockname()[1]
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await self._journeys.start()
        await self.come_up()

    async def stop(self) -> None:
        """Ends everything, requests that hang too."""
        if self._outage:
            self._outage.cancel()
            await asyncio.gather(self._outage, return_exceptions=True)
        await self._journeys.stop()
        if self._runner:
            await self._runner.cleanup()
        if self._socket:
            self._socket.close()
        self._runner = self._site = self._socket = self._outage = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def go_down(self) -> None:
        """From now on connections are refused; those that are open are reset. What SEEN knows stays."""
        if self._runner is None or self._site is None:
            return
        await self._site.stop()
        self._site = None
        self._socket = _bound(self._settings.host, self._port)  # keeps the port ours while nobody listens
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

    def fail(self, fault: Fault) -> None:
        """Orders a fault, behind those that are ordered already."""
        self._faults.add(fault, self._clock.monotonic())

    def clear_faults(self) -> None:
        """Forgets all ordered faults; a request that is held by one stays held."""
        self._faults.clear()

    def faults(self) -> list[Fault]:
        """The faults that can still strike."""
        return self._faults.waiting(self._clock.monotonic())

    def arrivals(self, workspace: str | None = None, item: str | None = None) -> list[Arrival]:
        """The requests that arrived, oldest first: of a workspace, of an item's id, or all that are remembered."""
        return list(self._arrivals.select(workspace=workspace, item=item))

    def callbacks(self) -> list[CallbackMade]:
        """The callbacks that were made, oldest first."""
        return list(self._journeys.made)

    def item(self, workspace: str, key: str) -> dict[str, object] | None:
        """An item as SEEN would show it; None if it has none of this id."""
        item = self._workspaces[workspace].items.get(key)
        return item.document() if item else None

    def workspaces(self) -> list[str]:
        """The ids of the workspaces."""
        return list(self._workspaces)

    def worst_window(self, workspace: str) -> int:
        """The most requests that arrived in any one window of the quota."""
        return self._workspaces[workspace].window.worst

    def set_tokens(self, workspace: str, *tokens: str) -> None:
        """From now on these tokens open the workspace, and no others."""
        self._workspaces[workspace].tokens = tokens

    def set_quota(self, workspace: str, quota: Quota) -> None:
        """Counts by another quota from now on, from zero; the worst window begins anew too."""
        self._workspaces[workspace].set_quota(quota)

    def set_callback(self, workspace: str, callback: Callback | None) -> None:
        """Calls back there from now on; None: nowhere. A call that waits to be made again goes there too."""
        self._workspaces[workspace].callback = callback

    def summary(self) -> dict[str, object]:
        """What happened so far, as JSON can hold it: by workspace, and of the journeys of all."""
        return {
            "workspaces": {each.id: self._summary_of(each) for each in self._workspaces.values()},
            "journeys": {"under_way": self._journeys.under_way, **self._journeys.tally},
        }

    def reset(self) -> None:
        """Forgets all that happened and was ordered: everything is as the settings say."""
        self._faults.clear()
        self._arrivals.clear()
        self._journeys.forget()
        for each in self._settings.workspaces:
            self._workspaces[each.id] = Workspace(each)

    def _summary_of(self, workspace: Workspace) -> dict[str, object]:
        answered = Counter(
            "none" if arrival.status is None else str(arrival.status)
            for arrival in self._arrivals.select(workspace=workspace.id)
        )
        return {
            "requests": answered.total(),
            "answered": dict(sorted(answered.items())),
            "items": len(workspace.items),
            "quota": {"requests": workspace.quota.requests, "per_seconds": workspace.quota.per_seconds},
            "worst_window": workspace.window.worst,
        }


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
