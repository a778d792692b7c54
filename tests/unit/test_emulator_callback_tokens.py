"""The emulator authenticates its callbacks by OAuth 2.0 as SEEN's documents say: client credentials, in a form."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from connector.sandbox.emulator import (
    Callback,
    Emulator,
    EmulatorSettings,
    TokenClient,
    WorkspaceSettings,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Receiver:
    """A token endpoint, and callbacks that want the last token that it issued."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.shown: list[str] = []
        self.good = ""
        self.expires_in: object = 60
        self.grants = True
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-www-form-urlencoded"
        assert "Authorization" not in request.headers
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        if not self.grants:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.good = f"token-{len(self.forms)}"
        return web.json_response(
            {"access_token": self.good, "token_type": "bearer", "expires_in": self.expires_in}
        )

    async def callback(self, request: web.Request) -> web.Response:
        self.shown.append(request.headers.get("Authorization", ""))
        return web.Response(status=200 if self.shown[-1] == f"Bearer {self.good}" else 401)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Receiver]:
        app = web.Application()
        app.add_routes([web.post("/token", self.token), web.post("/callback", self.callback)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as receiver:
        yield receiver


@pytest.fixture
async def seen(receiver: Receiver) -> AsyncIterator[Emulator]:
    client = TokenClient(
        token_url=f"{receiver.url}/token", client_id="us", client_secret="s & s", scope="a b"
    )
    callback = Callback(f"{receiver.url}/callback", oauth2=client)
    acme = WorkspaceSettings(id="acme", tokens=("token",), callback=callback)
    settings = EmulatorSettings(workspaces=(acme,), render_seconds=0, callback_retry_seconds=0.05)
    async with Emulator(settings) as emulator:
        yield emulator


async def post(seen: Emulator, *ids: str) -> None:
    headers = {"Authorization": "Bearer token"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for each in ids:
            url = f"{seen.url}/v1/workspaces/acme/data"
            async with session.post(url, json={"id": each}) as answer:
                assert answer.status == 201


async def called(seen: Emulator, count: int) -> list[tuple[str, int, int | None]]:
    """The first so many callbacks, once they are made."""
    async with asyncio.timeout(10):
        while len(seen.callbacks()) < count:  # noqa: ASYNC110 - what is waited for is in another task
            await asyncio.sleep(0.01)
    return [(each.id, each.attempt, each.status) for each in seen.callbacks()]


async def test_a_token_is_fetched_once_for_many_callbacks(seen: Emulator, receiver: Receiver) -> None:
    await post(seen, *map(str, range(20)))
    assert {status for _, _, status in await called(seen, 20)} == {200}
    assert receiver.forms == [
        {"grant_type": "client_credentials", "client_id": "us", "client_secret": "s & s", "scope": "a b"}
    ]


async def test_a_token_that_is_refused_is_fetched_anew_for_the_next_call(
    seen: Emulator, receiver: Receiver
) -> None:
    await post(seen, "1")
    assert await called(seen, 1) == [("1", 1, 200)]
    receiver.good = "revoked"
    await post(seen, "2")
    assert (await called(seen, 3))[1:] == [("2", 1, 401), ("2", 2, 200)]
    assert receiver.shown == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_a_token_that_has_expired_is_not_shown(seen: Emulator, receiver: Receiver) -> None:
    receiver.expires_in = 0
    await post(seen, "1", "2")
    assert {status for _, _, status in await called(seen, 2)} == {200}
    assert len(receiver.forms) == 2


async def test_a_call_without_a_token_is_one_of_the_three(seen: Emulator, receiver: Receiver) -> None:
    receiver.grants = False
    await post(seen, "1")
    assert await called(seen, 3) == [("1", 1, None), ("1", 2, None), ("1", 3, None)]
    assert receiver.shown == []
    assert seen.summary()["journeys"] == {"under_way": 0, "rendered": 1, "no answer": 3, "given up": 1}


async def test_a_token_endpoint_that_is_away_is_no_end_of_the_callbacks(
    seen: Emulator, receiver: Receiver
) -> None:
    client = TokenClient(token_url="http://127.0.0.1:9/token", client_id="us", client_secret="s")
    seen.set_callback("acme", Callback(f"{receiver.url}/callback", oauth2=client))
    await post(seen, "1")
    await called(seen, 1)
    seen.set_callback(
        "acme",
        Callback(f"{receiver.url}/callback", oauth2=replace(client, token_url=f"{receiver.url}/token")),
    )
    assert ("1", 200) in [(item, status) for item, _, status in await called(seen, 2)]


async def test_the_control_route_takes_such_a_callback_and_no_route_shows_the_secret(
    seen: Emulator, receiver: Receiver
) -> None:
    oauth2 = {"token_url": f"{receiver.url}/token", "client_id": "you", "client_secret": "another-secret"}
    callback = {"url": f"{receiver.url}/callback", "oauth2": oauth2}
    async with aiohttp.ClientSession() as session:
        url = f"{seen.url}/_control/workspaces/acme/callback"
        async with session.put(url, json=callback) as answer:
            assert answer.status == 204
        await post(seen, "1")
        assert await called(seen, 1) == [("1", 1, 200)]
        assert receiver.forms[-1]["client_id"] == "you"
        for route in ("summary", "arrivals", "callbacks"):
            async with session.get(f"{seen.url}/_control/{route}") as answer:
                assert "another-secret" not in await answer.text()
    assert "another-secret" not in repr(Callback(callback["url"], oauth2=TokenClient(**oauth2)))  # type: ignore[arg-type]
