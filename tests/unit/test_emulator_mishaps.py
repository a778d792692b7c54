"""Mishaps on order: which journeys they strike, and what becomes of these."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from connector.sandbox.emulator import Callback, Emulator, Fault, Mishap
from connector.sandbox.emulator.orders import Orders
from tests.unit.test_emulator_journey import Receiver, create, receiver, until

if TYPE_CHECKING:
    from typing import Any

__all__ = ["receiver"]  # a fixture


def test_a_mishap_strikes_as_often_as_ordered_and_only_what_agrees() -> None:
    mishaps = Orders[Mishap](lambda: 0.5)
    mishaps.add(Mishap(act="lose", id="7", times=2))
    mishaps.add(Mishap(act="stick", workspace="acme", times=None))
    assert mishaps.take("other", "1") is None
    struck = [mishaps.take("acme", "7") for _ in range(3)]
    assert [each.act for each in struck if each] == ["lose", "lose", "stick"]
    assert [each.act for each in mishaps.waiting()] == ["stick"]
    mishaps.clear()
    assert mishaps.take("acme", "7") is None


def test_one_that_chance_spares_uses_up_none_of_its_times() -> None:
    chances = iter([0.9, 0.1])
    mishaps = Orders[Mishap](lambda: next(chances))
    mishaps.add(Mishap(act="lose", chance=0.5))
    assert [mishaps.take("acme", "7") is None for _ in range(3)] == [True, False, True]


@pytest.mark.parametrize(
    "parts",
    [
        {"act": "lose", "times": 0},
        {"act": "lose", "chance": 0},
        {"act": "lose", "delay_seconds": 1},
        {"act": "delay"},
    ],
)
def test_parts_that_contradict_each_other_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"times|chance|delay"):
        Mishap(**parts)


async def test_a_lost_callback_is_never_made_and_the_video_is_there(
    emulator: Emulator, receiver: Receiver
) -> None:
    emulator.set_callback("acme", Callback(receiver.url))
    emulator.befall(Mishap(act="lose", id="1"))
    await create(emulator, "1")
    await create(emulator, "2")
    await until(lambda: len(receiver.bodies) == 1)
    await asyncio.sleep(0.2)
    assert [each["id"] for each in receiver.bodies] == ["2"]
    item = emulator.item("acme", "1")
    assert item is not None
    assert item["journeyOutputs"]
    assert emulator.summary()["journeys"] == {
        "under_way": 0,
        "rendered": 2,
        "lost": 1,
        "200": 1,
        "delivered": 1,
    }


async def test_a_video_that_sticks_is_never_there(emulator: Emulator, receiver: Receiver) -> None:
    emulator.set_callback("acme", Callback(receiver.url))
    emulator.befall(Mishap(act="stick"))
    await create(emulator, "1")
    await asyncio.sleep(0.3)
    assert receiver.bodies == []
    assert (emulator.item("acme", "1") or {})["journeyOutputs"] == []
    assert emulator.summary()["journeys"] == {"under_way": 0, "stuck": 1}


async def test_a_repeated_callback_is_made_twice_and_a_delayed_one_after_others(
    emulator: Emulator, receiver: Receiver
) -> None:
    emulator.set_callback("acme", Callback(receiver.url))
    emulator.befall(Mishap(act="delay", delay_seconds=0.5))
    emulator.befall(Mishap(act="repeat"))
    await create(emulator, "late")
    await create(emulator, "twice")
    await until(lambda: len(receiver.bodies) == 3)
    await asyncio.sleep(0.2)
    assert [each["id"] for each in receiver.bodies] == ["twice", "twice", "late"]
    assert emulator.summary()["journeys"] == {
        "under_way": 0,
        "rendered": 2,
        "delayed": 1,
        "repeated": 1,
        "200": 3,
        "delivered": 3,
    }


async def test_a_callback_may_come_before_the_answer_to_its_request(
    emulator: Emulator, receiver: Receiver
) -> None:
    emulator.set_callback("acme", Callback(receiver.url))
    emulator.fail(Fault(act="none", early=True, delay_seconds=1))
    creating = asyncio.create_task(create(emulator, "1"))
    await until(lambda: len(receiver.bodies) == 1)
    assert not creating.done()
    await creating


def test_early_is_for_seens_own_answer() -> None:
    with pytest.raises(ValueError, match="early"):
        Fault(early=True)


async def test_mishaps_are_ordered_shown_and_cleared_over_http(emulator: Emulator) -> None:
    async with aiohttp.ClientSession(emulator.url) as http:
        async with http.post("/_control/mishaps", json=[{"act": "lose", "times": 2}]) as answer:
            (shown,) = await answer.json()
        assert (shown["act"], shown["times"], shown["id"]) == ("lose", 2, None)
        async with http.get("/_control/mishaps") as answer:
            assert await answer.json() == [shown]
        async with http.post("/_control/mishaps", json=[{"act": "explode"}]) as answer:
            assert answer.status == 400
        async with http.delete("/_control/mishaps") as answer:
            assert await answer.json() == []
        emulator.befall(Mishap(act="stick"))
        async with http.post("/_control/reset") as answer:
            assert answer.status == 204
    assert emulator.mishaps() == []
