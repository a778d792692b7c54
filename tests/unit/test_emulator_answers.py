from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AUTHORIZED = {"Authorization": "Bearer acme-token"}
JSON = {**AUTHORIZED, "Content-Type": "application/json"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(
    http: aiohttp.ClientSession, emulator: Emulator, body: object, workspace: str = "acme"
) -> tuple[int, object]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    url = f"{emulator.url}/v1/workspaces/{workspace}/data"
    async with http.post(url, data=raw, headers=JSON) as response:
        return response.status, orjson.loads(await response.read())


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, object]:
    async with http.get(url, headers=AUTHORIZED) as response:
        return response.status, orjson.loads(await response.read())


async def test_an_object_with_an_id_is_created(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    answer = await post(http, emulator, {"id": "12345", "first_name": "John"})
    assert answer == (201, {"id": "12345", "values": {"first_name": "John"}})


@pytest.mark.parametrize("body", [b"[]", b'[{"id": "1"}]', b'"text"', b"not json", b"", b'{"id": NaN}'])
async def test_a_body_that_is_no_json_object_is_refused(
    http: aiohttp.ClientSession, emulator: Emulator, body: bytes
) -> None:
    refusal = {"code": "ErrRequestBody", "message": "a JSON object is expected"}
    assert await post(http, emulator, body) == (400, refusal)


async def test_a_body_that_is_not_declared_as_json_is_refused(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    url = f"{emulator.url}/v1/workspaces/acme/data"
    async with http.post(url, data=b'{"id": "1"}', headers=AUTHORIZED) as response:
        assert response.status == 400


@pytest.mark.parametrize("key", [12345, None, "", ["1"]])
async def test_an_id_that_is_no_string_is_refused_with_a_500(
    http: aiohttp.ClientSession, emulator: Emulator, key: object
) -> None:
    refusal = {"code": "ErrInvalidRequest", "message": "ID must be a string"}
    assert await post(http, emulator, {"id": key}) == (500, refusal)


async def test_a_missing_id_is_refused_with_a_500(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    refusal = {"code": "ErrInvalidRequest", "message": "ID must be a string"}
    assert await post(http, emulator, {"first_name": "John"}) == (500, refusal)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Token acme-token", "acme-token", "Bearer "])
async def test_a_wrong_key_is_refused(
    http: aiohttp.ClientSession, emulator: Emulator, authorization: str
) -> None:
    async with http.post(
        f"{emulator.url}/v1/workspaces/acme/data", json={"id": "1"}, headers={"Authorization": authorization}
    ) as response:
        refusal = {"code": "ErrUnauthenticated", "message": "api key invalid"}
        assert (response.status, await response.json()) == (401, refusal)
    assert emulator.item("acme", "1") is None


async def test_over_the_limit_the_answer_is_a_page_of_html(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.set_quota("acme", Quota(requests=2, per_seconds=60))
    for key in ("1", "2"):
        await post(http, emulator, {"id": key})
    async with http.post(
        f"{emulator.url}/v1/workspaces/acme/data", json={"id": "3"}, headers=AUTHORIZED
    ) as response:
        page = await response.text()
        assert (response.status, response.content_type) == (429, "text/html")
    assert page.startswith('<!doctype html><meta charset="utf-8">')
    assert page.endswith("<title>429</title>429 Too Many Requests")
    assert emulator.item("acme", "3") is None
    assert emulator.worst_window("acme") == 3


async def test_the_limit_counts_every_call_and_the_refused_ones_too(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.set_quota("acme", Quota(requests=3, per_seconds=60))
    await post(http, emulator, {"id": 1})
    await get(http, f"{emulator.url}/v1/workspaces/acme/data/1")
    async with http.get(f"{emulator.url}/v1/workspaces/acme/data") as unauthenticated:
        assert unauthenticated.status == 401
    async with http.get(f"{emulator.url}/v1/workspaces/acme/data", headers=AUTHORIZED) as fourth:
        assert fourth.status == 429


async def test_each_workspace_has_its_own_limit_and_keys(http: aiohttp.ClientSession) -> None:
    one = WorkspaceSettings(id="one", tokens=("acme-token",), quota=Quota(1, 60))
    other = WorkspaceSettings(id="other", tokens=("acme-token",), quota=Quota(1, 60))
    strange = WorkspaceSettings(id="strange", tokens=("another-token",))
    async with Emulator(EmulatorSettings(workspaces=(one, other, strange))) as emulator:
        assert (await post(http, emulator, {"id": "1"}, "one"))[0] == 201
        assert (await post(http, emulator, {"id": "1"}, "other"))[0] == 201
        assert (await post(http, emulator, {"id": "1"}, "strange"))[0] == 401


async def test_an_unknown_workspace_is_a_404_in_json(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    status, body = await post(http, emulator, {"id": "1"}, "nobody")
    assert status == 404
    assert body == {"code": "ErrNotFound", "message": "workspace not found"}


async def test_the_newer_spelling_is_the_same_workspace(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    await post(http, emulator, {"id": "1"})
    assert (await get(http, f"{emulator.url}/v1/projects/acme/data/1"))[0] == 200


async def test_an_item_is_shown_without_outputs_until_its_video_is_ready(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    await post(http, emulator, {"id": "a/b c", "first_name": "John"})
    item = {"id": "a/b c", "journeyOutputs": [], "values": {"first_name": "John"}}
    assert await get(http, f"{emulator.url}/v1/workspaces/acme/data/a%2Fb%20c") == (200, item)
    assert (await get(http, f"{emulator.url}/v1/workspaces/acme/data/other"))[0] == 404


async def test_the_same_id_twice_is_one_item_with_its_values_merged(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    await post(http, emulator, {"id": "1", "first_name": "John", "city": "Oslo"})
    answer = await post(http, emulator, {"id": "1", "city": "Bergen"})
    assert answer == (201, {"id": "1", "values": {"first_name": "John", "city": "Bergen"}})


async def test_items_are_found_by_a_property_page_by_page(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    for key, name in (("1", "Daniel"), ("2", "Jane"), ("3", "Daniel")):
        await post(http, emulator, {"id": key, "first_name": name})
    status, body = await get(
        http, f"{emulator.url}/v1/workspaces/acme/data?q=first_name:Daniel&limit=1&offset=1"
    )
    item = {"id": "3", "journeyOutputs": [], "values": {"first_name": "Daniel"}}
    assert (status, body) == (200, {"count": 2, "data": [item]})


@pytest.mark.parametrize("query", ["q=Daniel", "q=:x", "limit=-1", "offset=first"])
async def test_a_query_that_means_nothing_is_refused(
    http: aiohttp.ClientSession, emulator: Emulator, query: str
) -> None:
    assert (await get(http, f"{emulator.url}/v1/workspaces/acme/data?{query}"))[0] == 400


async def test_a_changed_token_opens_the_workspace_and_the_old_one_no_longer_does(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.set_tokens("acme", "new-token")
    assert (await post(http, emulator, {"id": "1"}))[0] == 401
    emulator.set_tokens("acme", "new-token", "acme-token")
    assert (await post(http, emulator, {"id": "1"}))[0] == 201
