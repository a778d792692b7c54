"""Health, metrics and status, on a port of their own: for operators, Prometheus and load balancers, not for SEEN.

Every answer comes within the probe's limit, also when what is asked about hangs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reported(Protocol):
    """What the connector tells of itself. All but `listener_unready` answer at once, from memory."""

    def alive(self) -> bool:
        """Whether the process does its work at all; where not, restarting it is the cure."""
        ...

    def unready(self) -> dict[str, str]:
        """Workspace → why it is not well; empty when all are."""
        ...

    def spool_unready(self) -> str | None:
        """What somebody must see to at the spool of callbacks, None if nothing."""
        ...

    async def listener_unready(self) -> str | None:
        """Why a callback cannot be made durable here, None if it can."""
        ...

    def status(self) -> dict[str, object]:
        """The state of everything, as values that JSON knows; no secrets."""
        ...

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        ...


class Admin:
    """Serves `/healthz`, `/readyz`, `/readyz/listener`, `/metrics` and `/status`.

    The three probes answer 200 `{"status": "ok"}`, or 503 with what is wrong.
    """

    def __init__(
        self, reported: Reported, *, host: str, port: int, probe_timeout_seconds: float = 5.0
    ) -> None:
        self._reported = reported
        self._host = host
        self._port = port
        self._probe_timeout_seconds = probe_timeout_seconds
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, also where 0 was asked for. Raises RuntimeError before `start`."""
        if self._runner is None:
            raise RuntimeError("the admin port has not been started")
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listens from now on. Raises OSError where the address cannot be had."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/readyz/listener", self._readyz_listener)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/status", self._status)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=75.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Closes the port; within a few seconds, whoever is connected."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _health({} if self._reported.alive() else {"reason": "the connector does not make progress"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        found = {"workspaces": self._reported.unready(), "spool": self._reported.spool_unready()}
        return _health({part: what for part, what in found.items() if what})

    async def _readyz_listener(self, _request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._probe_timeout_seconds):
                reason = await self._reported.listener_unready()
        except TimeoutError:
            reason = f"Kafka did not say within {self._probe_timeout_seconds:g} s that it takes callbacks"
        return _health({} if reason is None else {"reason": reason})

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._reported.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _status(self, _request: web.Request) -> web.Response:
        return _json(200, self._reported.status())


def _health(wrong: Mapping[str, object]) -> web.Response:
    return _json(503, {"status": "unready", **wrong}) if wrong else _json(200, {"status": "ok"})


def _json(status: int, body: Mapping[str, object]) -> web.Response:
    text = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(status=status, body=text, content_type="application/json")
