from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.sandbox.emulator import Emulator

AUTHORIZED = {"Authorization": "Bearer acme-token"}
DATA = "/v1/workspaces/acme/data"


@pytest.fixture
async def seen(emulator: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(emulator.url) as session:
        yield session


async def create(seen: aiohttp.ClientSession, key: str) -> int:
    async with seen.post(DATA, json={"id": key}, headers=AUTHORIZED) as response:
        return response.status


async def test_faults_are_ordered_shown_and_cleared_over_http(seen: aiohttp.ClientSession) -> None:
    async with seen.post("/_control/faults", json=[{"status": 503, "times": 2}]) as response:
        (ordered,) = await response.json()
        assert (ordered["status"], ordered["times"]) == (503, 2)
    assert await create(seen, "1") == 503
    async with seen.delete("/_control/faults") as response:
        assert await response.json() == []
    assert await create(seen, "1") == 201


@pytest.mark.parametrize("body", [b"[{", b'[{"statuss": 503}]', b'[{"times": 0}]', b'[{"act": "explode"}]'])
async def test_a_fault_that_is_not_understood_is_refused_with_a_reason(
    seen: aiohttp.ClientSession, body: bytes
) -> None:
    async with seen.post("/_control/faults", data=body) as response:
        assert response.status == 400
        assert (await response.json())["message"]


async def test_what_arrived_is_shown_without_the_token(seen: aiohttp.ClientSession) -> None:
    await create(seen, "1")
    await create(seen, "2")
    async with seen.get("/_control/arrivals", params={"workspace": "acme", "id": "2"}) as response:
        text = await response.text()
        (arrival,) = await response.json()
    assert "acme-token" not in text
    assert (arrival["method"], arrival["path"], arrival["id"]) == ("POST", DATA, "2")
    assert (arrival["body"], arrival["status"]) == ('{"id": "2"}', 201)


async def test_the_summary_counts_answers_and_names_the_worst_window(seen: aiohttp.ClientSession) -> None:
    async with seen.put("/_control/workspaces/acme/quota", json={"requests": 2, "per_seconds": 60}):
        pass
    assert [await create(seen, key) for key in "123"] == [201, 201, 429]
    async with seen.get("/_control/summary") as response:
        acme = (await response.json())["workspaces"]["acme"]
    assert acme["answered"] == {"201": 2, "429": 1}
    assert (acme["worst_window"], acme["items"]) == (3, 2)
    assert acme["quota"] == {"requests": 2, "per_seconds": 60}


async def test_tokens_and_callback_are_set_over_http(seen: aiohttp.ClientSession, emulator: Emulator) -> None:
    async with seen.put("/_control/workspaces/acme/tokens", json=["other-token"]) as response:
        assert response.status == 204
    assert await create(seen, "1") == 401
    async with seen.put("/_control/workspaces/acme/tokens", json=["acme-token"]):
        pass
    callback = {"url": "http://127.0.0.1:1/nobody", "headers": {"Authorization": "Bearer x"}}
    async with seen.put("/_control/workspaces/acme/callback", json=callback) as response:
        assert response.status == 204
    assert await create(seen, "1") == 201
    async with asyncio.timeout(10):
        while not emulator.callbacks():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    async with seen.get("/_control/callbacks") as response:
        made = (await response.json())[0]
    assert (made["workspace"], made["id"], made["attempt"], made["status"]) == ("acme", "1", 1, None)


async def test_an_unknown_workspace_is_a_404(seen: aiohttp.ClientSession) -> None:
    async with seen.put("/_control/workspaces/nobody/tokens", json=[]) as response:
        assert response.status == 404


async def test_a_reset_forgets_everything(seen: aiohttp.ClientSession, emulator: Emulator) -> None:
    await create(seen, "1")
    async with seen.post("/_control/faults", json=[{"status": 503}]):
        pass
    async with seen.put("/_control/workspaces/acme/tokens", json=["other-token"]):
        pass
    async with seen.post("/_control/reset") as response:
        assert response.status == 204
    assert emulator.arrivals() == []
    assert emulator.item("acme", "1") is None
    assert await create(seen, "1") == 201


async def test_an_outage_is_ordered_over_http_and_ends_by_itself(seen: aiohttp.ClientSession) -> None:
    async with seen.post("/_control/outage", json={"seconds": 0.5}) as response:
        assert response.status == 202
    async with seen.post("/_control/outage", json={"seconds": 0.5}) as response:
        assert response.status == 409
    refused = False
    async with asyncio.timeout(10):
        while True:
            try:
                if await create(seen, "1") == 201 and refused:
                    break
            except aiohttp.ClientConnectionError:
                refused = True
            await asyncio.sleep(0.05)
