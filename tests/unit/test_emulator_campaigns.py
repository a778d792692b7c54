"""The emulator's campaigns: SEEN's documented answers to receivers, over real HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from connector.sandbox.emulator import Callback, Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = {"Authorization": "Token campaign-token", "Content-Type": "application/json; charset=utf-8"}
JOHN = {
    "first_name": "John",
    "last_name": "Rowley",
    "email": "john.rowley@seen.io",
    "phone": "+4745860321",
    "customer_id": "100",
    "extra_args": {"gender": "male", "city": "Oslo"},
}
JANE = {"first_name": "Jane", "customer_id": "101"}
JIM = {"first_name": "Jim", "customer_id": "102"}
EXISTS = {"customer_id": ["A receiver with this ID already exists."]}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    film = WorkspaceSettings(
        id="film", api="receivers", tokens=("campaign-token",), quota=Quota(requests=5, per_seconds=60)
    )
    acme = WorkspaceSettings(id="acme", tokens=("t",))
    settings = EmulatorSettings(workspaces=(film, acme), render_seconds=0.05, callback_retry_seconds=0.05)
    async with Emulator(settings) as emulator:
        yield emulator


async def post(
    emulator: Emulator, body: object, *, headers: dict[str, str] | None = None, path: str = "film/receivers/"
) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    url = f"{emulator.url}/v1/campaigns/{path}"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=raw, headers=headers or TOKEN) as response,
    ):
        text = await response.read()
        return response.status, orjson.loads(text) if response.content_type == "application/json" else text


async def test_receivers_are_created_and_one_that_exists_is_refused_alone(emulator: Emulator) -> None:
    assert (await post(emulator, [JOHN]))[0] == 201
    assert (await post(emulator, [JANE]))[0] == 201
    assert await post(emulator, [JOHN | {"customer_id": "103"}, JANE, JIM]) == (400, [{}, EXISTS, {}])
    assert emulator.item("film", "102") is None, "a call is carried out whole or not at all"
    assert (await post(emulator, [JIM]))[0] == 201
    assert emulator.worst_window("film") == 4


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("first_name", "", "This field is required."),
        ("first_name", 7, "Not a valid string."),
        ("last_name", "x" * 101, "Ensure this field has no more than 100 characters."),
        ("phone", "45860321", "The phone number entered is not valid."),
        ("email", "john", "Enter a valid email address."),
        ("last-name", "x", "Invalid field name."),
    ],
)
async def test_a_faulty_field_is_named(emulator: Emulator, field: str, value: object, message: str) -> None:
    assert await post(emulator, [JANE, JOHN | {field: value}]) == (400, [{}, {field: [message]}])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[7]", b"null", b"\xff"])
async def test_what_is_no_array_of_objects_is_refused_in_a_shape_of_its_own(
    emulator: Emulator, body: bytes
) -> None:
    assert await post(emulator, body) == (400, {"detail": "Expected a list of receivers."})


@pytest.mark.parametrize(
    ("authorization", "path", "status"),
    [
        ("Bearer campaign-token", "film/receivers/", 401),
        ("Token wrong", "film/receivers/", 401),
        ("Token campaign-token", "film/receivers", 404),
        ("Token campaign-token", "other/receivers/", 404),
        ("Token campaign-token", "acme/receivers/", 404),
    ],
)
async def test_the_scheme_the_slug_and_the_slash_at_the_end_are_part_of_it(
    emulator: Emulator, authorization: str, path: str, status: int
) -> None:
    assert (await post(emulator, [JOHN], headers=TOKEN | {"Authorization": authorization}, path=path))[
        0
    ] == status


async def test_calls_are_limited_and_not_receivers(emulator: Emulator) -> None:
    answers = [await post(emulator, [{"first_name": "Ada"}] * 50) for _ in range(6)]
    assert [status for status, _ in answers] == [201] * 5 + [429]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    bodies: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(orjson.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", bodies
    finally:
        await runner.cleanup()


async def test_a_campaign_calls_back_in_the_legacy_shape_with_a_link_without_a_scheme(
    emulator: Emulator,
) -> None:
    async with listening() as (url, bodies):
        emulator.set_callback("film", Callback(url))
        await post(emulator, [JOHN, {"first_name": "Nobody"}])
        await eventually(lambda: len(bodies) == 2, "it has called for both", 10)
    (body,) = [each for each in bodies if each["customer_id"] == "100"]
    assert body.keys() == {
        "customer_id",
        "campaign_slug",
        "landing_page_url",
        "video_url",
        "thumbnail_url",
        "email_thumbnail_url",
    }
    assert body["campaign_slug"] == "film"
    assert "://" not in body["landing_page_url"]
    assert body["video_url"].endswith("/output.m3u8")
    assert None in [each["customer_id"] for each in bodies]
