"""The HTTP server that SEEN calls: which path leads to which endpoint, and how it starts and ends.

/callbacks/{workspace}          callbackendpoint.py
/callbacks/{workspace}/viewer   likewise
/oauth2/token                   tokenendpoint.py
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog
from aiohttp import web

from connector.inbound import answer
from connector.inbound.accesslog import log_call
from connector.inbound.callbackendpoint import CallbackEndpoint
from connector.inbound.peers import Peers
from connector.inbound.room import Room
from connector.inbound.slowing import Slowing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.clock import Clock
    from connector.inbound.answer import Answer
    from connector.inbound.door import Door
    from connector.inbound.limits import Limits
    from connector.inbound.tokenendpoint import TokenEndpoint
    from connector.metrics import Metrics

log = structlog.get_logger()

_KEEPALIVE_SECONDS = 75.0
# What a refused caller still sends is thrown away, unseen, this long: closing at once would reset the connection, and
# the caller would see that in place of the answer.
_LINGER_SECONDS = 1.0
_CANCEL_SECONDS = 0.5  # aiohttp waits this long for calls under way, then as long for their cancellation
_NO_PROXIES = Peers()


class Endpoint(Protocol):
    """What stands behind a path."""

    async def serve(self, request: web.Request, address: str, slowing: Slowing) -> Answer:
        """What the caller at `address` is told; logged and counted."""
        ...


class Listener:
    """Takes callbacks for the workspaces behind `doors`, which is looked up at each call: doors may come and go.

    `tokens` answers requests for access tokens; None: there is nothing at its path.
    """

    def __init__(  # noqa: PLR0913 - each is something else that a listener stands on
        self,
        doors: Mapping[str, Door],
        *,
        host: str,
        port: int,
        limits: Limits,
        metrics: Metrics,
        clock: Clock,
        peers: Peers = _NO_PROXIES,
        tokens: TokenEndpoint | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._peers = peers
        self._slowing = Slowing(clock, metrics)
        self._room = Room(limits.max_in_flight)
        behind = (doors, limits, self._room, metrics, clock)
        self._endpoints: dict[str, Endpoint] = {
            "/callbacks/{workspace}": CallbackEndpoint("video", *behind),
            "/callbacks/{workspace}/viewer": CallbackEndpoint("viewer", *behind),
        }
        if tokens is not None:
            self._endpoints["/oauth2/token"] = tokens
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, also where 0 was asked for. Raises RuntimeError before `start`."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the listener has not been started")
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listens from now on. Raises OSError where the address cannot be had."""
        app = web.Application()
        for path, endpoint in self._endpoints.items():
            app.router.add_route("*", path, partial(self._call, endpoint), expect_handler=_not_yet)
        app.router.add_route("*", "/{path:.*}", self._call_elsewhere, expect_handler=_not_yet)
        runner = web.AppRunner(
            app,
            access_log=None,  # one line of our own for each call
            auto_decompress=False,  # an inflated body would pass the cap
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            shutdown_timeout=_CANCEL_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self, deadline_seconds: float) -> None:
        """Takes no new connection, lets calls under way end, cancels unanswered what is left a second before the deadline."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        self._slowing.stop()
        for site in runner.sites:
            await site.stop()
        try:
            async with asyncio.timeout(max(0.0, deadline_seconds - 2 * _CANCEL_SECONDS)):
                await self._room.emptied()
        except TimeoutError:
            log.warning("callbacks_cancelled", in_flight=self._room.in_flight)
        await runner.cleanup()

    async def _call(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        return self._response(await endpoint.serve(request, self._address(request), self._slowing))

    async def _call_elsewhere(self, request: web.Request) -> web.Response:
        address = self._address(request)
        log_call(answer.NO_SUCH_PATH, request, workspace=None, address=address, seconds=0.0)
        return self._response(answer.NO_SUCH_PATH)

    def _address(self, request: web.Request) -> str:
        return self._peers.address(request.remote, request.headers.getall("X-Forwarded-For", []))

    def _response(self, reply: Answer) -> web.Response:
        response = web.Response(
            status=reply.status, body=reply.body, headers=reply.headers, content_type="application/json"
        )
        if reply.closes or self._runner is None:
            response.force_close()
        return response


async def _not_yet(_request: web.Request) -> None:
    """Holds `100 Continue` back: a caller that asks first is told to go on only when it may."""
