"""The door: who may call, what becomes of what they say, and that one workspace cannot close it for another."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import orjson

from connector.sandbox.emulator import Callback, bearer
from tests.end_to_end.deployment import CALLBACK_TOKEN, eventually, headers_of
from tests.unit.test_callback import LEGACY_BODY

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

READY = b'{"id": "7", "player_url": "player.example/v/7", "thumbnail_url": "https://m.example/t.jpg"}'


async def test_a_callback_becomes_a_video_ready_event_or_a_dead_letter(deployment: Deployment) -> None:
    deployment.workspace()
    async with deployment:
        await deployment.running()
        assert await deployment.call(READY) == 200
        assert await deployment.call(READY, token="wrong") == 401
        assert await deployment.call(READY, workspace="nobody") == 401
        assert await deployment.call(b'{"video": {"number": 7}}') == 200
        assert await deployment.call(b"no JSON") == 200
    (video,) = await deployment.read("videos")
    assert video.key == b"7"
    data = orjson.loads(video.value or b"")
    assert (data["player_url"], data["found_by"]) == ("https://player.example/v/7", "callback")
    assert data["raw"] == orjson.loads(READY)
    letters = await deployment.read("dead_letters")
    assert {headers_of(each)["seen-dead-letter-reason"] for each in letters} == {
        "callback_without_id",
        "callback_not_json",
    }
    assert {each.value for each in letters} == {b'{"video": {"number": 7}}', b"no JSON"}


def was_taken(seen: Emulator, key: str) -> bool:
    return [each.status for each in seen.callbacks() if each.id == key] == [200]


async def test_seen_may_call_with_post_put_and_patch(deployment: Deployment, seen: Emulator) -> None:
    deployment.workspace()
    async with deployment:
        await deployment.running()
        url = f"{deployment.listener_url}/callbacks/acme"
        for method in ("POST", "PUT", "PATCH"):
            seen.set_callback("acme", Callback(url, bearer(CALLBACK_TOKEN), method))
            await deployment.produce({"value": b'{"id": "%s"}' % method.encode()})
            await eventually(partial(was_taken, seen, method), f"SEEN has called with {method}")
    videos = {each.key: orjson.loads(each.value or b"") for each in await deployment.read("videos")}
    assert set(videos) == {b"POST", b"PUT", b"PATCH"}
    for video in videos.values():
        assert set(video["raw"]) == {"id", "player_url", "thumbnail_url", "email_thumbnail_url"}
        assert {name: video[name] for name in video["raw"]} == video["raw"]


async def test_a_legacy_callback_is_taken_where_the_mapping_says_where_its_id_is(
    deployment: Deployment,
) -> None:
    token = {"auth": {"token": CALLBACK_TOKEN}}
    deployment.workspace(callback=token | {"fields": {"id": "customer_id"}})
    async with deployment:
        await deployment.running()
        assert await deployment.call(LEGACY_BODY) == 200
    (video,) = await deployment.read("videos")
    assert video.key == b"101"
    assert (video.value or b"").endswith(b'"raw":' + LEGACY_BODY + b"}")
    data = orjson.loads(video.value or b"")
    assert data["landing_page_url"] == "https://your.subdomain.com/v/12345"
    assert data["campaign_slug"] == "onboarding"


async def test_ten_megabytes_are_refused_before_they_are_read(deployment: Deployment) -> None:
    deployment.workspace()
    async with deployment:
        await deployment.running()
        host, port = deployment.listener_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = "POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413")  # nothing of the body was sent
        writer.close()
        await writer.wait_closed()


async def test_a_suspended_workspace_takes_its_callbacks_and_leaves_the_others_alone(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace("acme")
    deployment.workspace("bravo")
    seen.set_tokens("acme", "another-token-altogether")
    async with deployment:
        await deployment.running("acme")
        await deployment.running("bravo")
        for name in ("acme", "bravo"):
            await deployment.produce({"value": b'{"id": "7"}'}, topic=deployment.topic("events", name))

        async def suspended() -> bool:
            return bool((await deployment.status("acme"))["state"] == "suspended")

        await eventually(suspended, "acme is suspended")
        await deployment.settled(1, "bravo")
        assert await deployment.call(READY, workspace="acme") == 200
        assert await deployment.call(READY, workspace="bravo") == 200
        assert (await deployment.get("/readyz/listener"))[0] == 200
        status, why = await deployment.get("/readyz")
        assert status == 503
        assert list(orjson.loads(why)["workspaces"]) == ["acme"]


async def test_a_workspace_whose_topics_are_missing_turns_no_callback_of_the_others_away(
    deployment: Deployment,
) -> None:
    deployment.connector["kafka"]["create_topics"] = False
    deployment.workspace("acme")
    deployment.workspace("bravo")
    for role in ("events", "videos", "outcomes", "dead_letters"):
        await deployment.create(deployment.topic(role, "acme"))
    async with deployment:
        await deployment.running("acme")

        async def listener_is_ready() -> bool:
            return (await deployment.get("/readyz/listener"))[0] == 200

        await eventually(listener_is_ready, "load balancers are told to come")
        assert await deployment.call(READY, workspace="acme") == 200
        assert await deployment.call(READY, workspace="bravo") == 503
        _, why = await deployment.get("/readyz")
        missing = orjson.loads(why)["workspaces"]["bravo"]
        for role in ("events", "videos", "outcomes", "dead_letters"):
            assert deployment.topic(role, "bravo") in missing
