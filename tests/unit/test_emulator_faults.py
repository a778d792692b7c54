from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest

from connector.sandbox.emulator import Emulator, Fault

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


@pytest.mark.parametrize(
    "parts", [{"unread": True}, {"act": "reset", "unread": True, "id": "1"}, {"times": 0}]
)
def test_a_fault_that_contradicts_itself_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"unread|times"):
        Fault(**parts)  # type: ignore[arg-type]
