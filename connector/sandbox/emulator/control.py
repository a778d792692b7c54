"""The control routes, `/_control/...`: `Emulation` and `Port` over HTTP, JSON in and out. See docs/emulator.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

import orjson
from aiohttp import web
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from connector.errors import SandboxError
from connector.sandbox.emulator.faults import Fault
from connector.sandbox.emulator.mishaps import Mishap
from connector.sandbox.emulator.settings import Callback, OAuthClient, Quota
from connector.sandbox.emulator.viewings import Viewing

if TYPE_CHECKING:
    from connector.sandbox.emulator.emulation import Emulation
    from connector.sandbox.emulator.port import Port

T = TypeVar("T")
_WORKSPACE = "/_control/workspaces/{workspace}"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _Outage:
    seconds: float


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _Act:
    id: str
    event: str


_FAULTS = TypeAdapter(list[Fault])
_MISHAPS = TypeAdapter(list[Mishap])
_VIEWINGS = TypeAdapter(list[Viewing])
_TOKENS = TypeAdapter(tuple[str, ...])
_CLIENTS = TypeAdapter(tuple[OAuthClient, ...])
_QUOTA = TypeAdapter(Quota)
_REFUSALS = TypeAdapter(dict[str, str])
_CALLBACK: TypeAdapter[Callback | None] = TypeAdapter(Callback | None)
_OUTAGE = TypeAdapter(_Outage)
_ACT = TypeAdapter(_Act)


class Control:
    """The control routes of one emulator. Bad JSON is answered 400, an unknown workspace or item 404, with a message."""

    def __init__(self, emulation: Emulation, port: Port) -> None:
        self._emulation = emulation
        self._port = port

    def routes(self) -> list[web.RouteDef]:
        """Everything under `/_control`; nothing of it counts for any quota."""
        return [
            web.get("/_control/summary", self._summary),
            web.get("/_control/arrivals", self._arrivals),
            web.get("/_control/callbacks", self._callbacks),
            web.get("/_control/images", self._images),
            web.get("/_control/braze", self._braze),
            web.put("/_control/braze/keys", self._set_braze_keys),
            web.put("/_control/braze/quota", self._set_braze_quota),
            web.put("/_control/braze/refusals", self._set_refusals),
            web.get("/_control/faults", self._faults),
            web.post("/_control/faults", self._fail),
            web.delete("/_control/faults", self._clear_faults),
            web.get("/_control/mishaps", self._mishaps),
            web.post("/_control/mishaps", self._befall),
            web.delete("/_control/mishaps", self._clear_mishaps),
            web.get("/_control/viewings", self._viewings),
            web.post("/_control/viewings", self._watch),
            web.delete("/_control/viewings", self._clear_viewings),
            web.post("/_control/outage", self._outage),
            web.post("/_control/reset", self._reset),
            web.put(f"{_WORKSPACE}/tokens", self._set_tokens),
            web.put(f"{_WORKSPACE}/clients", self._set_clients),
            web.delete(f"{_WORKSPACE}/issued", self._revoke_tokens),
            web.put(f"{_WORKSPACE}/quota", self._set_quota),
            web.put(f"{_WORKSPACE}/callback", self._set_callback),
            web.put(f"{_WORKSPACE}/viewer", self._set_viewer),
            web.post(f"{_WORKSPACE}/acts", self._act),
        ]

    async def _summary(self, _request: web.Request) -> web.Response:
        return _json(self._emulation.summary())

    async def _arrivals(self, request: web.Request) -> web.Response:
        found = self._emulation.arrivals(request.query.get("workspace"), request.query.get("id"))
        return _json([{**asdict(each), "body": each.body.decode(errors="replace")} for each in found])

    async def _images(self, request: web.Request) -> web.Response:
        found = self._emulation.images.requests(request.query.get("path"))
        return _json([asdict(each) for each in found])

    async def _braze(self, _request: web.Request) -> web.Response:
        braze = self._emulation.braze
        requests = [asdict(each) for each in braze.requests]
        return _json({"users": braze.attributes, "refusals": braze.refusals, "requests": requests})

    async def _set_braze_keys(self, request: web.Request) -> web.Response:
        self._emulation.braze.keys = await _body(request, _TOKENS)
        return web.Response(status=204)

    async def _set_braze_quota(self, request: web.Request) -> web.Response:
        self._emulation.braze.set_quota(await _body(request, _QUOTA))
        return web.Response(status=204)

    async def _set_refusals(self, request: web.Request) -> web.Response:
        self._emulation.braze.refusals = await _body(request, _REFUSALS)
        return web.Response(status=204)

    async def _callbacks(self, _request: web.Request) -> web.Response:
        return _json([asdict(each) for each in self._emulation.callbacks()])

    async def _faults(self, _request: web.Request) -> web.Response:
        return _json([asdict(each) for each in self._emulation.faults()])

    async def _fail(self, request: web.Request) -> web.Response:
        for fault in await _body(request, _FAULTS):
            self._emulation.fail(fault)
        return await self._faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._emulation.clear_faults()
        return await self._faults(request)

    async def _mishaps(self, _request: web.Request) -> web.Response:
        return _json([asdict(each) for each in self._emulation.mishaps()])

    async def _befall(self, request: web.Request) -> web.Response:
        for mishap in await _body(request, _MISHAPS):
            self._emulation.befall(mishap)
        return await self._mishaps(request)

    async def _clear_mishaps(self, request: web.Request) -> web.Response:
        self._emulation.clear_mishaps()
        return await self._mishaps(request)

    async def _viewings(self, _request: web.Request) -> web.Response:
        return _json([asdict(each) for each in self._emulation.viewings()])

    async def _watch(self, request: web.Request) -> web.Response:
        for viewing in await _body(request, _VIEWINGS):
            self._emulation.watch(viewing)
        return await self._viewings(request)

    async def _clear_viewings(self, request: web.Request) -> web.Response:
        self._emulation.clear_viewings()
        return await self._viewings(request)

    async def _outage(self, request: web.Request) -> web.Response:
        wanted = await _body(request, _OUTAGE)
        try:
            self._port.outage(wanted.seconds)
        except SandboxError as error:
            raise _refusal(web.HTTPConflict, str(error)) from error
        return web.Response(status=202)

    async def _reset(self, _request: web.Request) -> web.Response:
        self._emulation.reset()
        return web.Response(status=204)

    async def _set_tokens(self, request: web.Request) -> web.Response:
        self._emulation.set_tokens(self._workspace(request), *await _body(request, _TOKENS))
        return web.Response(status=204)

    async def _set_clients(self, request: web.Request) -> web.Response:
        self._emulation.set_clients(self._workspace(request), *await _body(request, _CLIENTS))
        return web.Response(status=204)

    async def _revoke_tokens(self, request: web.Request) -> web.Response:
        self._emulation.revoke_tokens(self._workspace(request))
        return web.Response(status=204)

    async def _set_quota(self, request: web.Request) -> web.Response:
        self._emulation.set_quota(self._workspace(request), await _body(request, _QUOTA))
        return web.Response(status=204)

    async def _set_callback(self, request: web.Request) -> web.Response:
        self._emulation.set_callback(self._workspace(request), await _body(request, _CALLBACK))
        return web.Response(status=204)

    async def _set_viewer(self, request: web.Request) -> web.Response:
        self._emulation.set_viewer(self._workspace(request), await _body(request, _CALLBACK))
        return web.Response(status=204)

    async def _act(self, request: web.Request) -> web.Response:
        workspace, wanted = self._workspace(request), await _body(request, _ACT)
        if self._emulation.item(workspace, wanted.id) is None:
            raise _refusal(web.HTTPNotFound, f"no item {wanted.id}")
        self._emulation.act(workspace, wanted.id, wanted.event)
        return web.Response(status=202)

    def _workspace(self, request: web.Request) -> str:
        name = request.match_info["workspace"]
        if name not in self._emulation.workspaces():
            raise _refusal(web.HTTPNotFound, f"no workspace {name}")
        return name


async def _body(request: web.Request, shape: TypeAdapter[T]) -> T:
    try:
        return shape.validate_json(await request.read())
    except ValidationError as error:
        raise _refusal(web.HTTPBadRequest, str(error)) from error


def _refusal(kind: type[web.HTTPError], message: str) -> web.HTTPError:
    return kind(text=orjson.dumps({"message": message}).decode(), content_type="application/json")


def _json(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
