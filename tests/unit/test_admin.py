from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from connector.admin import Admin
from connector.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Told:
    """A connector that tells what the test wants it to."""

    def __init__(self) -> None:
        self.is_alive = True
        self.workspaces: dict[str, str] = {}
        self.spool: str | None = None
        self.listener: str | None = None
        self.hangs = False

    def alive(self) -> bool:
        return self.is_alive

    def unready(self) -> dict[str, str]:
        return self.workspaces

    def spool_unready(self) -> str | None:
        return self.spool

    async def listener_unready(self) -> str | None:
        if self.hangs:
            await asyncio.Event().wait()
        return self.listener

    def status(self) -> dict[str, object]:
        return {"workspaces": {"acme": {"state": "sending", "lag": 3}}}

    def exposition(self) -> bytes:
        return Metrics("0.1.0").exposition()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def http(told: Told) -> AsyncIterator[aiohttp.ClientSession]:
    admin = Admin(told, host="127.0.0.1", port=0, probe_timeout_seconds=0.1)
    await admin.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{admin.port}") as session:
        yield session
    await admin.stop()


async def ask(http: aiohttp.ClientSession, path: str) -> tuple[int, object]:
    async with http.get(path) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/listener"])
async def test_every_probe_says_ok_while_all_is_well(http: aiohttp.ClientSession, path: str) -> None:
    assert await ask(http, path) == (200, {"status": "ok"})


async def test_a_connector_that_is_not_alive_is_not_healthy(http: aiohttp.ClientSession, told: Told) -> None:
    told.is_alive = False
    status, body = await ask(http, "/healthz")
    assert status == 503
    assert body == {"status": "unready", "reason": "the connector does not make progress"}


async def test_readiness_says_what_somebody_must_see_to_at_the_spool(
    http: aiohttp.ClientSession, told: Told
) -> None:
    told.spool = "damaged, and set aside: damaged-1.db"
    assert await ask(http, "/readyz") == (503, {"status": "unready", "spool": told.spool})
    assert (await ask(http, "/readyz/listener"))[0] == 200


async def test_readiness_names_the_workspace_and_the_reason_and_closes_no_other_probe(
    http: aiohttp.ClientSession, told: Told
) -> None:
    told.workspaces = {"acme": "suspended: unauthenticated"}
    assert await ask(http, "/readyz") == (
        503,
        {"status": "unready", "workspaces": {"acme": "suspended: unauthenticated"}},
    )
    assert await ask(http, "/healthz") == (200, {"status": "ok"})
    assert await ask(http, "/readyz/listener") == (200, {"status": "ok"})


async def test_the_listener_is_unready_when_no_callback_can_be_made_durable(
    http: aiohttp.ClientSession, told: Told
) -> None:
    told.listener = "Kafka does not answer"
    assert await ask(http, "/readyz/listener") == (
        503,
        {"status": "unready", "reason": "Kafka does not answer"},
    )


async def test_a_probe_that_hangs_is_answered_all_the_same(http: aiohttp.ClientSession, told: Told) -> None:
    told.hangs = True
    status, body = await ask(http, "/readyz/listener")
    assert status == 503
    assert "within 0.1 s" in str(body)


async def test_metrics_are_in_the_prometheus_text_format(http: aiohttp.ClientSession) -> None:
    async with http.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert 'seen_connector_build_info{version="0.1.0"} 1.0' in await response.text()


async def test_status_is_json_that_a_person_can_read(http: aiohttp.ClientSession) -> None:
    async with http.get("/status") as response:
        assert await response.text() == (
            '{\n  "workspaces": {\n    "acme": {\n      "state": "sending",\n      "lag": 3\n    }\n  }\n}\n'
        )


async def test_an_address_in_use_is_an_error_of_the_operating_system(told: Told) -> None:
    first = Admin(told, host="127.0.0.1", port=0)
    await first.start()
    with pytest.raises(OSError, match="in use"):
        await Admin(told, host="127.0.0.1", port=first.port).start()
    await first.stop()


async def test_the_port_is_known_only_while_it_listens(told: Told) -> None:
    admin = Admin(told, host="127.0.0.1", port=0)
    await admin.stop()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = admin.port
