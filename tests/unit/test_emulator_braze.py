"""The emulator's Braze: its documented answers to attribute objects, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from connector.sandbox.emulator import BrazeSettings, Emulator, EmulatorSettings, Fault, Quota, TrackRequest
from connector.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = {"Authorization": "Bearer braze-key", "Content-Type": "application/json"}
NO_IDENTIFIER = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"


class Clock(FakeClock):
    """It stands still until it is set forward."""

    def set_forward(self, seconds: float) -> None:
        self._wall += seconds
        self._monotonic += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock(wall=1_800_000_001.0)


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[Emulator]:
    braze = BrazeSettings(keys=("braze-key",), users=("jane", "john"), quota=Quota(3, 10.0))
    async with Emulator(EmulatorSettings(workspaces=(), braze=braze), clock) as emulator:
        yield emulator


async def track(
    emulator: Emulator, *objects: object, headers: dict[str, str] | None = None
) -> tuple[int, Any, dict[str, str]]:
    body = orjson.dumps({"attributes": objects})
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{emulator.url}/users/track", data=body, headers=headers or KEY) as response,
    ):
        limits = {
            name.lower(): value
            for name, value in response.headers.items()
            if name.lower().startswith("x-ratelimit")
        }
        return response.status, orjson.loads(await response.read()), limits


def update(user: str, **attributes: object) -> dict[str, object]:
    return {"braze_id": user, "_update_existing_only": True, **attributes}


async def test_attributes_of_users_who_exist_are_written_and_the_rest_stays(emulator: Emulator) -> None:
    status, body, _ = await track(emulator, update("jane", url="a", other=1), update("john", url="b"))
    assert (status, body) == (201, {"message": "success", "attributes_processed": 2})
    await track(emulator, update("jane", url="c", other=None))
    assert emulator.braze.attributes == {"jane": {"url": "c"}, "john": {"url": "b"}}


async def test_who_does_not_exist_is_queued_and_made_only_if_that_is_allowed(emulator: Emulator) -> None:
    status, body, _ = await track(emulator, update("nobody", url="a"))
    assert (status, body) == (201, {"message": "success", "attributes_processed": 1})
    assert emulator.braze.attributes == {}
    await track(emulator, {"external_id": "new", "_update_existing_only": False, "url": "a"})
    assert emulator.braze.attributes == {"new": {"url": "a"}}


async def test_objects_that_are_refused_are_named_and_the_others_are_written(emulator: Emulator) -> None:
    emulator.braze.refusals = {"jane": "'url' must be a string"}
    status, body, _ = await track(
        emulator, update("john", url="b"), update("jane", url=1), {"url": "c"}, "no"
    )
    assert (status, body) == (
        201,
        {
            "message": "success",
            "attributes_processed": 1,
            "errors": [
                {"type": "'url' must be a string", "input_array": "attributes", "index": 1},
                {"type": NO_IDENTIFIER, "input_array": "attributes", "index": 2},
                {"type": NO_IDENTIFIER, "input_array": "attributes", "index": 3},
            ],
        },
    )
    assert emulator.braze.attributes == {"john": {"url": "b"}}


async def test_where_nothing_is_in_order_that_is_a_bad_request(emulator: Emulator) -> None:
    status, body, _ = await track(emulator, {"url": "c"})
    assert (status, body["errors"][0]["index"]) == (400, 0)
    assert (await track(emulator))[0] == 400


async def test_75_objects_are_taken_and_no_more(emulator: Emulator) -> None:
    assert (await track(emulator, *[update("jane", url="a")] * 75))[0] == 201
    status, body, _ = await track(emulator, *[update("jane", url="a")] * 76)
    assert (status, body) == (400, {"message": "Max Input Length Exceeded"})


@pytest.mark.parametrize("authorization", ["Bearer other", "Token braze-key", "braze-key", ""])
async def test_a_key_that_is_not_known_is_refused_and_repeated(
    emulator: Emulator, authorization: str
) -> None:
    status, body, _ = await track(emulator, update("jane", url="a"), headers={"Authorization": authorization})
    assert (status, body) == (401, {"message": f"Invalid API key: {authorization.partition(' ')[2]}"})
    assert emulator.braze.attributes == {}


async def test_every_answer_says_what_is_left_and_the_window_begins_anew(
    emulator: Emulator, clock: Clock
) -> None:
    answers = [await track(emulator, update("jane", n=number)) for number in range(4)]
    assert [status for status, _, _ in answers] == [201, 201, 201, 429]
    assert [limits["x-ratelimit-remaining"] for _, _, limits in answers] == ["2", "1", "0", "0"]
    assert {(each["x-ratelimit-limit"], each["x-ratelimit-reset"]) for _, _, each in answers} == {
        ("3", "1800000010")
    }
    assert emulator.braze.attributes == {"jane": {"n": 2}}
    clock.set_forward(9.0)
    assert (await track(emulator, update("jane", n=5)))[2]["x-ratelimit-remaining"] == "2"


async def test_what_arrived_is_kept_to_be_read(emulator: Emulator, clock: Clock) -> None:
    await track(emulator, update("jane", n=1))
    await track(emulator, {})
    assert list(emulator.braze.requests) == [
        TrackRequest(clock.wall(), (update("jane", n=1),), 201),
        TrackRequest(clock.wall(), ({},), 400),
    ]
    assert [(each.path, each.status) for each in emulator.arrivals("braze")] == [
        ("/users/track", 201),
        ("/users/track", 400),
    ]
    found = emulator.summary()["braze"]
    assert found == {"requests": 2, "answered": {"201": 1, "400": 1}, "users": 1, "worst_window": 2}
    emulator.reset()
    assert (list(emulator.braze.requests), emulator.braze.attributes) == ([], {})


async def test_faults_strike_braze_too_and_count_for_its_limit(emulator: Emulator) -> None:
    emulator.fail(Fault(status=503, path="/users/track", processed=True))
    emulator.fail(Fault(status=502, workspace="braze"))
    body = orjson.dumps({"attributes": [update("jane", n=1)]})
    async with aiohttp.ClientSession() as http:
        for status in (503, 502):
            async with http.post(f"{emulator.url}/users/track", data=body, headers=KEY) as response:
                assert response.status == status
    assert emulator.braze.attributes == {"jane": {"n": 1}}
    assert [each.status for each in emulator.braze.requests] == [201]
    assert (await track(emulator, update("jane", n=2)))[2]["x-ratelimit-remaining"] == "0"


async def test_it_is_scripted_and_asked_over_http(emulator: Emulator) -> None:
    control = f"{emulator.url}/_control/braze"
    async with aiohttp.ClientSession() as http:
        for route, value in (
            ("keys", ["other-key"]),
            ("quota", {"requests": 9, "per_seconds": 1}),
            ("refusals", {"jane": "no"}),
        ):
            async with http.put(f"{control}/{route}", json=value) as response:
                assert response.status == 204
        other = KEY | {"Authorization": "Bearer other-key"}
        status, body, limits = await track(emulator, update("john", n=1), update("jane", n=1), headers=other)
        assert (status, limits["x-ratelimit-limit"]) == (201, "9")
        assert body["errors"][0]["type"] == "no"
        async with http.get(control) as response:
            found = await response.json()
    assert found["users"] == {"john": {"n": 1}}
    assert found["refusals"] == {"jane": "no"}
    assert [each["status"] for each in found["requests"]] == [201]
