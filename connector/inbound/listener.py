"""The HTTP side of callbacks: `POST|PUT|PATCH /callbacks/{workspace}`, and `POST /oauth2/token`.

One call, in this order: length → right → type → room → body → durable → answer. Until the caller has proved its right
nothing of the body is looked at, and no more than the cap is ever held. 2xx is answered only for what is durable.

An unknown workspace and a wrong secret get the same answer: the outside cannot tell which workspaces exist. It comes late
to an address that has failed often (`slowing`). Each workspace has room of its own, so that none can close the door to
another's callbacks.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from connector.errors import KafkaUnavailable, PublishRefused, SpoolUnavailable
from connector.inbound import answer
from connector.inbound.auth import Proof, TokenAuth
from connector.inbound.body import read_body
from connector.inbound.peers import Peers
from connector.inbound.slowing import Slowing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector.clock import Clock
    from connector.inbound.answer import Answer
    from connector.inbound.door import Door
    from connector.inbound.tokenendpoint import TokenEndpoint
    from connector.metrics import Metrics

log = structlog.get_logger()

_JSON_TYPE = re.compile(r"(application|text)/([\w.+-]+\+)?json", re.ASCII)
_METHODS = frozenset({"POST", "PUT", "PATCH"})
_MAX_LOGGED_PATH = 200
_KEEPALIVE_SECONDS = 75.0
# What a refused caller still sends is thrown away, unseen, this long: closing at once would reset the connection, and
# the caller would see that in place of the answer.
_LINGER_SECONDS = 1.0
_CANCEL_SECONDS = 0.5  # aiohttp waits this long for calls under way, then as long for their cancellation
_NO_PROXIES = Peers()
_REFUSALS = {Proof.EXPIRED: answer.EXPIRED, Proof.UNVERIFIABLE: answer.UNVERIFIABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may take. `max_in_flight` counts the calls of one workspace whose body is read or published."""

    max_body_bytes: int = 1_048_576
    body_timeout_seconds: float = 10.0
    publish_timeout_seconds: float = 10.0
    max_in_flight: int = 32


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
        self._doors = doors
        self._host = host
        self._port = port
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._peers = peers
        self._tokens = tokens
        self._slowing = Slowing(clock, metrics)
        self._in_flight: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        self._nobody = TokenAuth((secrets.token_urlsafe(32),))
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
        app.router.add_route("*", "/callbacks/{workspace}", self._call, expect_handler=_not_yet)
        if self._tokens is not None:
            app.router.add_route(
                "*", "/oauth2/token", partial(self._call_for_token, self._tokens), expect_handler=_not_yet
            )
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
                await self._idle.wait()
        except TimeoutError:
            log.warning("callbacks_cancelled", in_flight=self._in_flight.total())
        await runner.cleanup()

    async def _call(self, request: web.Request) -> web.Response:
        started = self._clock.monotonic()
        door = self._doors.get(request.match_info["workspace"])
        address = self._address(request)
        reply = await self._answer(request, door, address)
        if door is None:
            self._metrics.callbacks_unknown.inc()
        else:
            door.metrics.callback(reply.result)
        if reply is answer.UNAUTHENTICATED:
            await self._slowing.failed(address)
        return self._respond(reply, request, door, address, started)

    async def _call_elsewhere(self, request: web.Request) -> web.Response:
        started, address = self._clock.monotonic(), self._address(request)
        return self._respond(answer.NO_SUCH_PATH, request, None, address, started)

    async def _call_for_token(self, tokens: TokenEndpoint, request: web.Request) -> web.Response:
        return self._response(await tokens.serve(request, self._address(request), self._slowing))

    def _address(self, request: web.Request) -> str:
        return self._peers.address(request.remote, request.headers.getall("X-Forwarded-For", []))

    def _respond(
        self, reply: Answer, request: web.Request, door: Door | None, address: str, started: float
    ) -> web.Response:
        level = log.info if reply.result == "published" else log.warning
        level(
            "callback_answered",
            workspace=door and door.workspace,
            method=request.method,
            path=request.rel_url.raw_path[:_MAX_LOGGED_PATH],
            status=reply.status,
            result=reply.result,
            id=reply.id,
            detail=reply.detail,
            duration_seconds=round(self._clock.monotonic() - started, 6),
            remote=address,
        )
        return self._response(reply)

    def _response(self, reply: Answer) -> web.Response:
        response = web.Response(
            status=reply.status, body=reply.body, headers=reply.headers, content_type="application/json"
        )
        if reply.closes or self._runner is None:
            response.force_close()
        return response

    async def _answer(self, request: web.Request, door: Door | None, address: str) -> Answer:
        if request.method not in _METHODS:
            return answer.WRONG_METHOD
        if (request.content_length or 0) > self._limits.max_body_bytes:
            return answer.too_large(self._limits.max_body_bytes)
        authenticator = self._nobody if door is None else door.authenticator
        proof = await authenticator.check(request.headers)
        if proof is not Proof.RIGHT or door is None:
            return _REFUSALS.get(proof, answer.UNAUTHENTICATED)
        self._slowing.succeeded(address)
        if "Content-Encoding" in request.headers:
            return answer.ENCODED
        if not _may_be_json(request.headers.get("Content-Type", "")):
            return answer.WRONG_TYPE
        if self._in_flight[door.workspace] >= self._limits.max_in_flight:
            return answer.BUSY
        with self._room(door.workspace):
            return await self._take(request, door)

    @contextmanager
    def _room(self, workspace: str) -> Iterator[None]:
        self._in_flight[workspace] += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight[workspace] -= 1
            if not self._in_flight.total():
                self._idle.set()

    async def _take(self, request: web.Request, door: Door) -> Answer:
        body = await read_body(request, self._limits.max_body_bytes, self._limits.body_timeout_seconds)
        if not isinstance(body, bytes):
            return body
        try:
            async with asyncio.timeout(self._limits.publish_timeout_seconds):
                callback = await door.take(
                    body,
                    content_type=request.headers.get("Content-Type", ""),
                    received_at=self._clock.wall(),
                )
        except TimeoutError:
            return answer.not_durable("neither Kafka nor the spool took it in time")
        except (KafkaUnavailable, PublishRefused, SpoolUnavailable) as error:
            return answer.not_durable(str(error))
        return answer.taken(callback)


async def _not_yet(_request: web.Request) -> None:
    """Holds `100 Continue` back: a caller that asks first is told to go on only when it may."""


def _may_be_json(content_type: str) -> bool:
    """Whether the header names JSON, or nothing: what then is no JSON is kept as a dead letter and not lost."""
    media_type = content_type.partition(";")[0].strip().lower()
    return not media_type or _JSON_TYPE.fullmatch(media_type) is not None
