"""Viewers on order: whose acts SEEN tells of, when, and how often."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from connector.sandbox.emulator import Callback, Emulator, Mishap, Viewing, bearer
from connector.sandbox.emulator.orders import Orders
from tests.unit.test_emulator_journey import Receiver, create, receiver, until

__all__ = ["receiver"]  # a fixture


@pytest.fixture
def watched(emulator: Emulator, receiver: Receiver) -> Emulator:
    """SEEN, which calls the receiver for videos and for viewers."""
    emulator.set_callback("acme", Callback(receiver.url))
    emulator.set_viewer("acme", Callback(receiver.url, bearer("viewer-token")))
    return emulator


def acts(receiver: Receiver) -> list[tuple[str, str]]:
    return [(body["event"], body["id"]) for body in receiver.bodies if "event" in body]


def test_a_video_gets_all_that_match_it_and_a_mishap_the_first_alone() -> None:
    viewings = Orders[Viewing](lambda: 0.5)
    viewings.add(Viewing(event="video-played", times=None, chance=0.6))
    viewings.add(Viewing(event="never", times=None, chance=0.4))
    viewings.add(Viewing(event="cta-clicked", id="7"))
    taken = [[each.event for each in viewings.take_all("acme", item)] for item in "677"]
    assert taken == [["video-played"], ["video-played", "cta-clicked"], ["video-played"]]
    assert [each.event for each in viewings.waiting()] == ["video-played", "never"]
    mishaps = Orders[Mishap](lambda: 0.5)
    mishaps.add(Mishap(act="lose"))
    mishaps.add(Mishap(act="stick"))
    assert [mishaps.take("acme", item) for item in "677"] == [Mishap(act="lose"), Mishap(act="stick"), None]


@pytest.mark.parametrize("parts", [{"times": 0}, {"chance": 0}, {"chance": 1.1}])
def test_what_can_match_nothing_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"times|chance"):
        Viewing(**parts)


async def test_once_a_video_is_delivered_its_viewer_acts_as_ordered_and_seen_tells_of_it(
    watched: Emulator, receiver: Receiver
) -> None:
    watched.watch(Viewing(event="cta-clicked", delay_seconds=0.3, times=None))
    watched.watch(Viewing(event="video-played", id="2"))
    await create(watched, "1")
    await create(watched, "2")
    await until(lambda: len(receiver.bodies) == 5)
    assert acts(receiver)[0] == ("video-played", "2")  # it alone does not wait
    assert sorted(acts(receiver)) == [("cta-clicked", "1"), ("cta-clicked", "2"), ("video-played", "2")]
    assert "event" not in receiver.bodies[0]
    assert receiver.headers.count("Bearer viewer-token") == 3
    assert {(each.event, each.status) for each in watched.callbacks()} == {
        (None, 200),
        ("cta-clicked", 200),
        ("video-played", 200),
    }
    assert watched.summary()["journeys"] == {
        "under_way": 0,
        "rendered": 2,
        "200": 2,
        "delivered": 2,
        "viewer 200": 3,
        "viewer delivered": 3,
    }


async def test_a_callback_that_is_repeated_has_its_viewer_act_once(
    watched: Emulator, receiver: Receiver
) -> None:
    watched.befall(Mishap(act="repeat"))
    watched.watch(Viewing(times=None))
    await create(watched, "1")
    await until(lambda: len(receiver.bodies) == 3)
    await asyncio.sleep(0.2)
    assert acts(receiver) == [("video-played", "1")]


async def test_of_a_video_that_nobody_was_told_of_there_is_no_viewer(
    watched: Emulator, receiver: Receiver
) -> None:
    watched.befall(Mishap(act="lose"))
    watched.watch(Viewing(times=None))
    await create(watched, "1")
    await asyncio.sleep(0.3)
    assert receiver.bodies == []


async def test_a_call_that_is_refused_is_made_three_times_and_says_the_same(
    watched: Emulator, receiver: Receiver
) -> None:
    await create(watched, "1")
    await until(lambda: len(receiver.bodies) == 1)
    receiver.statuses = [503]
    watched.act("acme", "1", "share-clicked")
    await until(lambda: len(watched.callbacks()) == 4)
    await asyncio.sleep(0.2)
    bodies = receiver.bodies[1:]
    assert [body["event"] for body in bodies] == ["share-clicked"] * 3
    assert bodies[0] == bodies[1] == bodies[2]
    assert watched.summary()["journeys"] == {
        "under_way": 0,
        "rendered": 1,
        "200": 1,
        "delivered": 1,
        "viewer 503": 3,
        "viewer given up": 1,
    }


async def test_without_a_webhook_nobody_hears_of_viewers(emulator: Emulator, receiver: Receiver) -> None:
    emulator.set_callback("acme", Callback(receiver.url))
    emulator.watch(Viewing(times=None))
    await create(emulator, "1")
    await until(lambda: len(receiver.bodies) == 1)
    await asyncio.sleep(0.2)
    assert acts(receiver) == []


async def test_viewers_are_ordered_shown_cleared_and_made_to_act_over_http(
    emulator: Emulator, receiver: Receiver
) -> None:
    async with aiohttp.ClientSession(emulator.url) as http:
        async with http.post("/_control/viewings", json=[{"event": "video-played", "times": 2}]) as answer:
            (shown,) = await answer.json()
        assert (shown["event"], shown["times"], shown["id"]) == ("video-played", 2, None)
        async with http.get("/_control/viewings") as answer:
            assert await answer.json() == [shown]
        async with http.post("/_control/viewings", json=[{"evnt": "video-played"}]) as answer:
            assert answer.status == 400
        async with http.delete("/_control/viewings") as answer:
            assert await answer.json() == []
        workspace = "/_control/workspaces/acme"
        async with http.put(f"{workspace}/viewer", json={"url": receiver.url}) as answer:
            assert answer.status == 204
        await create(emulator, "1")
        async with http.post(f"{workspace}/acts", json={"id": "1", "event": "cta-clicked"}) as answer:
            assert answer.status == 202
        async with http.post(f"{workspace}/acts", json={"id": "2", "event": "cta-clicked"}) as answer:
            assert answer.status == 404
        await until(lambda: acts(receiver) == [("cta-clicked", "1")])
        async with http.get("/_control/callbacks") as answer:
            assert [each["event"] for each in await answer.json()] == ["cta-clicked"]
        emulator.watch(Viewing())
        async with http.post("/_control/reset") as answer:
            assert answer.status == 204
    assert emulator.viewings() == []
