from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Fault, WorkspaceSettings
from connector.sandbox.emulator.faults import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AUTHORIZED = {"Authorization": "Bearer acme-token"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def create(
    http: aiohttp.ClientSession, emulator: Emulator, key: str, *, patience: float = 10.0
) -> tuple[int, str]:
    async with http.post(
        f"{emulator.url}/v1/workspaces/acme/data",
        json={"id": key},
        headers=AUTHORIZED,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=patience),
    ) as response:
        return response.status, await response.text()


async def test_the_next_requests_get_the_ordered_answers_in_order(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.fail(Fault(status=503, body="down", times=2))
    emulator.fail(Fault(status=500, body="{}", content_type="application/json"))
    answers = [await create(http, emulator, "1") for _ in range(4)]
    assert [status for status, _ in answers] == [503, 503, 500, 201]
    assert answers[0][1] == "down"


async def test_a_fault_strikes_only_what_it_matches(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    emulator.fail(Fault(status=503, id="2", method="POST", workspace="acme", times=None))
    assert [(await create(http, emulator, key))[0] for key in "1223"] == [201, 503, 503, 201]
    async with http.get(f"{emulator.url}/v1/workspaces/acme/data/2", headers=AUTHORIZED) as response:
        assert response.status == 404
    emulator.clear_faults()
    assert (await create(http, emulator, "2"))[0] == 201


async def test_a_struck_request_counts_for_the_quota(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    emulator.fail(Fault(status=503))
    await create(http, emulator, "1")
    assert emulator.worst_window("acme") == 1


async def test_a_redirect_is_an_answer_with_a_location(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.fail(Fault(status=307, headers={"Location": "http://127.0.0.1:9/"}))
    assert (await create(http, emulator, "1"))[0] == 307


async def test_a_delayed_request_is_carried_out_late(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    emulator.fail(Fault(act="none", delay_seconds=0.2))
    with pytest.raises(TimeoutError):
        await create(http, emulator, "1", patience=0.05)
    assert emulator.item("acme", "1") is None
    async with asyncio.timeout(10):
        while emulator.item("acme", "1") is None:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def test_a_reset_comes_before_the_body_is_read(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    emulator.fail(Fault(act="reset", unread=True))
    with pytest.raises(aiohttp.ClientConnectionError):
        await create(http, emulator, "1")
    (arrival,) = emulator.arrivals()
    assert (arrival.status, arrival.fault, arrival.body) == (None, "reset", b"")


async def test_a_reset_after_the_body_leaves_nothing_behind(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.fail(Fault(act="reset"))
    with pytest.raises(aiohttp.ClientConnectionError):
        await create(http, emulator, "1")
    assert emulator.item("acme", "1") is None
    assert [arrival.body for arrival in emulator.arrivals(item="1")] == [b'{"id": "1"}']


async def test_a_reset_can_hide_that_the_request_was_carried_out(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.fail(Fault(act="reset", processed=True))
    with pytest.raises(aiohttp.ClientConnectionError):
        await create(http, emulator, "1")
    assert emulator.item("acme", "1") is not None


async def test_a_request_that_hangs_is_never_answered_and_does_not_hold_up_the_stop(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    emulator.fail(Fault(act="hang", processed=True))
    with pytest.raises(TimeoutError):
        await create(http, emulator, "1", patience=0.1)
    assert emulator.item("acme", "1") is not None
    waiting = asyncio.create_task(create(http, emulator, "2"))
    emulator.fail(Fault(act="hang"))
    async with asyncio.timeout(15):
        await emulator.stop()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_an_outage_of_answers_ends_by_itself(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    emulator.fail(Fault(status=503, times=None, for_seconds=0.3))
    assert (await create(http, emulator, "1"))[0] == 503
    begun = time.monotonic()
    while (await create(http, emulator, "1"))[0] == 503:
        await asyncio.sleep(0.02)
        assert time.monotonic() - begun < 10


async def test_while_it_is_down_connections_are_refused_and_what_it_knows_stays(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    where = emulator.url
    await create(http, emulator, "1")
    await emulator.port.go_down()
    with pytest.raises(aiohttp.ClientConnectionError):
        await create(http, emulator, "2")
    with pytest.raises(aiohttp.ClientConnectorError):
        await create(http, emulator, "2")
    await emulator.port.come_up()
    assert emulator.url == where
    assert (await create(http, emulator, "2"))[0] == 201
    assert emulator.item("acme", "1") is not None


async def test_an_answer_can_close_the_connection(emulator: Emulator) -> None:
    opened: list[object] = []

    async def note(*args: object) -> None:
        opened.append(args)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as http:
        assert [(await create(http, emulator, key))[0] for key in "123"] == [201] * 3
        assert len(opened) == 1
        emulator.fail(Fault(act="none", close=True, times=None))
        assert [(await create(http, emulator, key))[0] for key in "4567"] == [201] * 4
    assert len(opened) == 1 + 3  # the first of the four found a connection


async def test_an_answer_is_noted_with_its_time(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    emulator.fail(Fault(act="none", delay_seconds=0.2))
    emulator.fail(Fault(act="reset"))
    await create(http, emulator, "1")
    with pytest.raises(aiohttp.ClientConnectionError):
        await create(http, emulator, "2")
    late, reset = emulator.arrivals()
    assert late.answered is not None
    assert late.answered - late.monotonic >= 0.2
    assert reset.answered is None


@pytest.mark.parametrize(
    "parts",
    [
        {"unread": True},
        {"act": "reset", "unread": True, "id": "1"},
        {"times": 0},
        {"chance": 0.0},
        {"chance": 1.1},
        {"delay_seconds": 1.0, "delay_up_to_seconds": 0.5},
    ],
)
def test_a_fault_that_contradicts_itself_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"unread|times|chance|delay"):
        Fault(**parts)  # type: ignore[arg-type]


def struck(faults: Faults, count: int) -> list[Fault | None]:
    return [
        faults.take(now=0.0, workspace="acme", method="POST", item=None, path="/v1") for _ in range(count)
    ]


def test_a_share_of_the_requests_is_struck_by_chance_and_by_the_same_seed_the_same_ones() -> None:
    runs = []
    for _ in range(2):
        faults = Faults(random.Random(7).random)
        faults.add(Fault(chance=0.1, times=None), now=0.0)
        runs.append([each is not None for each in struck(faults, 2_000)])
    assert runs[0] == runs[1]
    assert 150 < sum(runs[0]) < 250


async def test_what_is_left_to_chance_is_drawn_from_the_seed_of_the_emulator(
    http: aiohttp.ClientSession,
) -> None:
    async def statuses(seed: int) -> list[int]:
        acme = WorkspaceSettings(id="acme", tokens=("acme-token",))
        async with Emulator(EmulatorSettings(workspaces=(acme,), seed=seed)) as emulator:
            emulator.fail(Fault(status=503, chance=0.5, times=None))
            return [(await create(http, emulator, str(number)))[0] for number in range(30)]

    first = await statuses(1)
    assert set(first) == {201, 503}
    assert await statuses(1) == first
    assert await statuses(2) != first


def test_a_request_that_chance_spares_uses_up_nothing_and_may_be_struck_by_the_next_fault() -> None:
    draws = iter([0.9, 0.1, 0.1])
    faults = Faults(lambda: next(draws))
    faults.add(Fault(status=500, chance=0.5, times=2), now=0.0)
    faults.add(Fault(status=503, times=None), now=0.0)
    assert [each and each.status for each in struck(faults, 4)] == [503, 500, 500, 503]


def test_a_delay_is_drawn_evenly_between_its_bounds() -> None:
    draws = iter([0.0, 0.5, 0.999])
    faults = Faults(lambda: next(draws))
    faults.add(Fault(act="none", delay_seconds=1.0, delay_up_to_seconds=3.0, times=None), now=0.0)
    drawn = [each.delay_seconds for each in struck(faults, 3) if each]
    assert drawn == pytest.approx([1.0, 2.0, 3.0], abs=0.01)
