"""SEEN's APIs over real HTTP: from a request to `Workspace.answer` and back, with the faults on the way."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from connector.sandbox.emulator import answers
from connector.sandbox.emulator.answers import Answer
from connector.sandbox.emulator.arrivals import Arrival, kept
from connector.sandbox.emulator.campaigns import Campaign
from connector.sandbox.emulator.faults import Fault
from connector.sandbox.emulator.grants import grant
from connector.sandbox.emulator.workspaces import Call, json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.clock import Clock
    from connector.sandbox.emulator.arrivals import ArrivalLog
    from connector.sandbox.emulator.braze import Braze
    from connector.sandbox.emulator.faults import Faults
    from connector.sandbox.emulator.journey import Journeys
    from connector.sandbox.emulator.workspaces import Workspace

_READ_SECONDS = 30.0
_HANG_SECONDS = 3600.0
_DATA = "/v1/{owner:workspaces|projects}/{workspace}/data"
_RECEIVERS = "/v1/campaigns/{workspace}/receivers/"
_NO_FAULT = Fault(act="none")

BRAZE = "braze"
"""The workspace that requests to Braze are filed under."""


class Server:
    """The routes of the API. What it is given is shared with `Emulator`, which owns it."""

    def __init__(
        self,
        workspaces: Mapping[str, Workspace],
        faults: Faults,
        arrivals: ArrivalLog,
        journeys: Journeys,
        braze: Callable[[], Braze],
        clock: Clock,
    ) -> None:
        self._workspaces = workspaces
        self._faults = faults
        self._arrivals = arrivals
        self._journeys = journeys
        self._braze = braze
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Create and list on the collection, find on an item, under both spellings of the documents; receivers; access
        tokens; Braze's users.
        """
        return [
            web.route("*", _DATA, self._take),
            web.route("*", _DATA + "/{item}", self._take),
            web.route("*", _RECEIVERS, self._take),
            web.route("*", "/oauth2/token", self._grant),
            web.post("/users/track", self._track),
        ]

    async def _take(self, request: web.Request) -> web.Response:
        """One request to a workspace: it counts the moment its head is there."""
        arrival = self._arrival_of(request)
        workspace = self._addressed(request, arrival.workspace)
        is_within_quota = workspace is None or workspace.arrive(arrival.monotonic)

        def carry_out(body: bytes) -> Answer:
            call = _call(request, body, arrival.monotonic)
            answer = self._carry_out(workspace, call, is_within_quota=is_within_quota)
            arrival.processed = answer.status == 201
            return answer

        def note(body: bytes) -> None:
            arrival.body = kept(body)
            if arrival.id is None:
                named = (json_object(body) or {}).get("id")
                arrival.id = named if isinstance(named, str) else None

        return await self._serve(request, arrival, note, carry_out)

    def _addressed(self, request: web.Request, name: str) -> Workspace | None:
        """The workspace or the campaign of this name, whichever the path is about."""
        found = self._workspaces.get(name)
        is_campaign = isinstance(found, Campaign)
        return found if is_campaign != ("owner" in request.match_info) else None

    async def _grant(self, request: web.Request) -> web.Response:
        """One request for an access token: it counts for no quota, and its body, which holds a secret, is not kept."""

        def carry_out(body: bytes) -> Answer:
            if request.method != "POST":
                return answers.METHOD_NOT_ALLOWED
            return grant(self._workspaces.values(), request.content_type, body, self._clock.monotonic())

        return await self._serve(request, self._arrival_of(request), lambda _: None, carry_out)

    async def _track(self, request: web.Request) -> web.Response:
        """One request to Braze."""
        arrival, braze = self._arrival_of(request, BRAZE), self._braze()
        is_within_limit = braze.arrive(arrival.at, arrival.monotonic)

        def note(body: bytes) -> None:
            arrival.body = kept(body)

        def carry_out(body: bytes) -> Answer:
            authorization = request.headers.get("Authorization", "")
            answer = braze.answer(authorization, body, arrival.at, is_within_limit=is_within_limit)
            arrival.processed = answer.status == 201
            return answer

        return await self._serve(request, arrival, note, carry_out)

    async def _serve(
        self,
        request: web.Request,
        arrival: Arrival,
        note: Callable[[bytes], None],
        carry_out: Callable[[bytes], Answer],
    ) -> web.Response:
        """Reads a request, then answers it, or does to it what a fault says. `note` is told the body before that."""
        if self._fault_for(arrival, unread=True):
            return _reset(request)
        body = await _read(request, arrival)
        if body is None:
            return _reset(request)
        note(body)
        fault = self._fault_for(arrival, unread=False) or _NO_FAULT
        own = carry_out(body) if fault.early else None
        await asyncio.sleep(fault.delay_seconds)
        answer = Answer(fault.status, fault.body.encode(), fault.content_type)
        if fault.processed or fault.act == "none":
            own = own or carry_out(body)
            answer = own if fault.act == "none" else answer
        if fault.act == "hang":
            await asyncio.sleep(_HANG_SECONDS)
        if fault.act in {"hang", "reset"}:
            return _reset(request)
        arrival.status, arrival.answered = answer.status, self._clock.monotonic()
        return _response(answer, fault)

    def _arrival_of(self, request: web.Request, workspace: str = "") -> Arrival:
        arrival = Arrival(
            at=self._clock.wall(),
            monotonic=self._clock.monotonic(),
            method=request.method,
            path=request.path_qs,
            workspace=request.match_info.get("workspace", workspace),
            id=request.match_info.get("item"),
        )
        self._arrivals.add(arrival)
        return arrival

    def _fault_for(self, arrival: Arrival, *, unread: bool) -> Fault | None:
        fault = self._faults.take(
            now=self._clock.monotonic(),
            workspace=arrival.workspace,
            method=arrival.method,
            item=arrival.id,
            path=arrival.path.partition("?")[0],
            unread=unread,
        )
        if fault:
            arrival.fault = fault.act
        return fault

    def _carry_out(self, workspace: Workspace | None, call: Call, *, is_within_quota: bool) -> Answer:
        if workspace is None:
            return answers.UNKNOWN_WORKSPACE if call.is_data else answers.UNKNOWN_CAMPAIGN
        if not is_within_quota:
            return answers.TOO_MANY_REQUESTS
        answer = workspace.answer(call)
        for key in answer.starts_journeys:
            self._journeys.begin(workspace, workspace.items[key])
        return answer


async def _read(request: web.Request, arrival: Arrival) -> bytes | None:
    """The body, None if the client left or took too long. Raises aiohttp's 413 for one over 1 MiB."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            body = await request.read()
    except (ConnectionError, TimeoutError):
        return None
    except web.HTTPRequestEntityTooLarge as error:
        arrival.status = error.status
        raise
    return body


def _call(request: web.Request, body: bytes, at: float) -> Call:
    return Call(
        at=at,
        method=request.method,
        item=request.match_info.get("item"),
        is_data="owner" in request.match_info,
        authorization=request.headers.get("Authorization", ""),
        content_type=request.content_type if "Content-Type" in request.headers else "",
        query=request.query,
        body=body,
    )


def _response(answer: Answer, fault: Fault) -> web.Response:
    headers = {**answer.headers, **fault.headers, "Content-Type": answer.content_type}
    response = web.Response(status=answer.status, body=answer.body, headers=headers)
    if fault.close:
        response.force_close()
    return response


def _reset(request: web.Request) -> web.Response:
    """Resets the connection; the response that aiohttp wants can no longer be written and goes nowhere."""
    if request.transport:
        reset_connection(request.transport)
    return web.Response(status=500)


def reset_connection(transport: asyncio.BaseTransport) -> None:
    """Ends a connection by a TCP RST, as a crash would: no linger, then abort."""
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
