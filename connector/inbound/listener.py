"""The HTTP server that SEEN calls, and Braze: which path leads to which endpoint, and how it starts and ends.

/callbacks/{workspace}                      bodyendpoint.py
/callbacks/{workspace}/viewer               likewise
/v1/workspaces/{workspace_id}/data          likewise, for what Braze posts; these are SEEN's own paths
/v1/projects/{project_id}/data              likewise
/v1/campaigns/{campaign_slug}/receivers/    likewise
/oauth2/token                               tokenendpoint.py
/openapi.json                               documentendpoint.py
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import structlog
from aiohttp import web

from connector.inbound import answer
from connector.inbound.accesslog import Noise, log_call, log_malformed
from connector.inbound.bodyendpoint import BodyEndpoint
from connector.inbound.caller import Caller
from connector.inbound.connections import Connection, Connections
from connector.inbound.documentendpoint import DocumentEndpoint
from connector.inbound.manner import BRAZE, of_callbacks
from connector.inbound.openapi import DOCUMENT_PATH
from connector.inbound.peers import Peers
from connector.inbound.room import Room, Turns, UnderWay
from connector.inbound.slowing import Slowing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.http_exceptions import HttpProcessingError
    from aiohttp.typedefs import Handler

    from connector.clock import Clock
    from connector.inbound.answer import Answer
    from connector.inbound.door import Door
    from connector.inbound.limits import Limits
    from connector.inbound.tokenendpoint import TokenEndpoint
    from connector.metrics import Metrics

log = structlog.get_logger()

_BACKLOG = 512
_SWEEP_SECONDS = 0.5
_CANCEL_SECONDS = 0.5  # aiohttp waits this long for calls under way, then as long for their cancellation
_NO_PROXIES = Peers()
_SERVER = "seen-connector"  # in place of the names and versions of what it is made of


class _Started(NamedTuple):
    runner: web.AppRunner
    server: asyncio.Server
    watch: asyncio.Task[None]


class Endpoint(Protocol):
    """What stands behind a path."""

    async def serve(self, request: web.Request, caller: Caller) -> Answer:
        """What the caller is told; logged and counted."""
        ...


class BrazeDoors(NamedTuple):
    """The doors of those workspaces that take what Braze posts: by their id at SEEN, and by the slug of their campaign."""

    workspaces: Mapping[str, Door]
    campaigns: Mapping[str, Door]


class Listener:
    """Takes callbacks for the workspaces behind `doors`, which is looked up at each call: doors may come and go.

    `braze` are those behind SEEN's own paths; None: there is nothing at them. `tokens` answers requests for access tokens; None: there is nothing at its path.
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
        braze: BrazeDoors | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._peers = peers
        self._metrics = metrics
        self._slowing = Slowing(clock, metrics, limits.max_connections // 4)
        self._noise = Noise(clock)
        self._under_way = UnderWay()
        self._connections = Connections(limits, peers, metrics, clock, self._malformed)
        behind_braze = (*braze.workspaces.values(), *braze.campaigns.values()) if braze else ()
        kinds = sum(len(door.intakes) for door in (*doors.values(), *behind_braze))
        bodies, turns = Room(limits.share_of_bodies(kinds)), Turns(limits.max_in_flight)
        within = (limits, bodies, turns, metrics, clock)
        self._endpoints: dict[str, Endpoint] = {
            "/callbacks/{workspace}": BodyEndpoint(of_callbacks("video"), doors, *within),
            "/callbacks/{workspace}/viewer": BodyEndpoint(of_callbacks("viewer"), doors, *within),
            DOCUMENT_PATH: DocumentEndpoint(),
        }
        if braze is not None:
            data = BodyEndpoint(BRAZE, braze.workspaces, *within)
            self._endpoints["/v1/workspaces/{workspace_id}/data"] = data
            self._endpoints["/v1/projects/{project_id}/data"] = data
            receivers = BodyEndpoint(BRAZE, braze.campaigns, *within)
            self._endpoints["/v1/campaigns/{campaign_slug}/receivers/"] = receivers
        if tokens is not None:
            self._endpoints["/oauth2/token"] = tokens
        self._started: _Started | None = None
        self._is_stopping = False

    @property
    def port(self) -> int:
        """The port that it listens on, also where 0 was asked for. Raises RuntimeError before `start`."""
        if self._started is None:
            raise RuntimeError("the listener has not been started")
        return int(self._started.server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listens from now on. Raises OSError where the address cannot be had."""
        app = web.Application(middlewares=[self._at_no_path])
        for path, endpoint in self._endpoints.items():
            app.router.add_route("*", path, partial(self._call, endpoint), expect_handler=_not_yet)
        app.router.add_route("*", "/{path:.*}", self._call_elsewhere, expect_handler=_not_yet)
        runner = web.AppRunner(app, shutdown_timeout=_CANCEL_SECONDS)
        await runner.setup()
        make = partial(Connection, self._connections, cast("web.Server", runner.server))
        try:
            server = await asyncio.get_running_loop().create_server(
                make, self._host, self._port, backlog=_BACKLOG
            )
        except OSError:
            await runner.cleanup()
            raise
        self._is_stopping = False
        self._started = _Started(runner, server, asyncio.create_task(self._watch(), name="listener: watch"))

    async def stop(self, deadline_seconds: float, *, drain_seconds: float = 0.0) -> None:
        """Takes calls for `drain_seconds` more, the last of each connection; then lets those under way end, and cancels
        unanswered what is left a second before the deadline.
        """
        if self._started is None:
            return
        started, self._started = self._started, None
        self._is_stopping = True
        try:
            async with asyncio.timeout(max(0.0, deadline_seconds - 2 * _CANCEL_SECONDS)):
                if drain_seconds:
                    await asyncio.sleep(drain_seconds)
                self._close(started)
                await self._under_way.ended()
        except TimeoutError:
            if len(self._under_way):
                log.warning("calls_cancelled", in_flight=len(self._under_way))
        self._close(started)
        started.watch.cancel()
        await started.runner.cleanup()

    def _close(self, started: _Started) -> None:
        """Takes no new connection, and holds nothing back."""
        started.server.close()
        self._slowing.stop()
        self._connections.close_waiting()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self._connections.sweep()
            self._noise.tell()

    async def _call(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        connection = cast("Connection", request.protocol)
        connection.asks()
        with self._under_way.one():
            reply = await endpoint.serve(request, self._caller(request, connection))
        return self._response(request, reply, connection)

    @web.middleware
    async def _at_no_path(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # `CONNECT host:port` and `OPTIONS *` name no path at all, so no route leads them anywhere.
        lost = request.match_info.http_exception is not None
        return await (self._call_elsewhere(request) if lost else handler(request))

    async def _call_elsewhere(self, request: web.Request) -> web.Response:
        connection = cast("Connection", request.protocol)
        caller = self._caller(request, connection)
        log_call(answer.NO_SUCH_PATH, request, workspace=None, caller=caller, seconds=0.0)
        return self._response(request, answer.NO_SUCH_PATH, connection)

    def _malformed(
        self, request: web.BaseRequest, connection: Connection, error: HttpProcessingError
    ) -> web.Response:
        self._metrics.malformed_requests.inc()
        caller = Caller(request.remote or "unknown", connection, self._slowing, self._noise)
        log_malformed(type(error).__name__, caller)
        return self._response(request, answer.MALFORMED, connection)

    def _caller(self, request: web.Request, connection: Connection) -> Caller:
        address = self._peers.address(request.remote, request.headers.getall("X-Forwarded-For", []))
        return Caller(address, connection, self._slowing, self._noise)

    def _response(self, request: web.BaseRequest, reply: Answer, connection: Connection) -> web.Response:
        # aiohttp 3.14 takes the last trailer of a body in chunks for a header of the request that follows.
        may_have_trailers = "Transfer-Encoding" in request.headers
        closes = reply.closes or may_have_trailers or self._is_stopping
        connection.is_answered(closes=closes)
        response = web.Response(
            status=reply.status, body=reply.body, headers=reply.headers, content_type="application/json"
        )
        response.headers["Server"] = _SERVER
        if closes:
            response.force_close()
        return response


async def _not_yet(_request: web.Request) -> None:
    """Holds `100 Continue` back: a caller that asks first is told to go on only when it may."""
