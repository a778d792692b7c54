from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from connector.sandbox.emulator import Callback, Emulator, basic, bearer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Receiver:
    """Whoever is called back: answers with `statuses` in turn, the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses = [200]
        self.bodies: list[dict[str, str]] = []
        self.headers: list[str | None] = []

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.headers.append(request.headers.get("Authorization"))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/callbacks/{workspace}", receiver.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    receiver.url = f"http://{host}:{port}/callbacks/{{workspace_id}}"
    yield receiver
    await runner.cleanup()


async def create(emulator: Emulator, key: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{emulator.url}/v1/workspaces/acme/data",
            json={"id": key},
            headers={"Authorization": "Bearer acme-token"},
        ) as response,
    ):
        assert response.status == 201


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def test_when_the_video_is_ready_the_item_shows_it_and_the_callback_is_made(
    emulator: Emulator, receiver: Receiver
) -> None:
    emulator.set_callback("acme", Callback(receiver.url, bearer("callback-token")))
    await create(emulator, "12345")
    await until(lambda: len(receiver.bodies) == 1)
    body = receiver.bodies[0]
    assert set(body) == {"id", "player_url", "thumbnail_url", "email_thumbnail_url"}
    assert body["id"] == "12345"
    assert receiver.headers == ["Bearer callback-token"]
    item = emulator.item("acme", "12345")
    assert item is not None
    (output,) = item["journeyOutputs"]  # type: ignore[misc]
    assert output["players"][0]["link"] == body["player_url"]  # type: ignore[has-type]
    assert output["motions"][0]["emailThumbnail"] == body["email_thumbnail_url"]  # type: ignore[has-type]


async def test_a_callback_that_is_refused_is_made_three_times_and_then_gone(
    emulator: Emulator, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    emulator.set_callback("acme", Callback(receiver.url))
    await create(emulator, "1")
    await until(lambda: len(emulator.callbacks()) == 3)
    await asyncio.sleep(0.2)
    made = [(callback.attempt, callback.status) for callback in emulator.callbacks()]
    assert made == [(1, 503), (2, 503), (3, 503)]
    assert emulator.summary()["journeys"] == {"under_way": 0, "rendered": 1, "503": 3, "given up": 1}


async def test_a_callback_that_is_taken_at_the_second_call_is_not_made_again(
    emulator: Emulator, receiver: Receiver
) -> None:
    receiver.statuses = [503, 202]
    emulator.set_callback("acme", Callback(receiver.url, basic("seen", "secret")))
    await create(emulator, "1")
    await until(lambda: len(emulator.callbacks()) == 2)
    await asyncio.sleep(0.2)
    assert [callback.status for callback in emulator.callbacks()] == [503, 202]
    assert receiver.headers == ["Basic c2VlbjpzZWNyZXQ="] * 2


async def test_a_callback_that_nobody_takes_is_made_again(emulator: Emulator) -> None:
    emulator.set_callback("acme", Callback("http://127.0.0.1:1/nobody"))
    await create(emulator, "1")
    await until(lambda: len(emulator.callbacks()) == 3)
    assert {callback.status for callback in emulator.callbacks()} == {None}


async def test_the_same_id_again_starts_no_second_journey(emulator: Emulator, receiver: Receiver) -> None:
    emulator.set_callback("acme", Callback(receiver.url))
    await create(emulator, "1")
    await create(emulator, "1")
    await until(lambda: len(receiver.bodies) == 1)
    await asyncio.sleep(0.2)
    assert len(receiver.bodies) == 1


async def test_without_a_callback_the_item_gets_its_video_all_the_same(emulator: Emulator) -> None:
    await create(emulator, "1")
    await until(lambda: bool((emulator.item("acme", "1") or {})["journeyOutputs"]))
    assert emulator.callbacks() == []
