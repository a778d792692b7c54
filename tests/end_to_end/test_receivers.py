"""The legacy API, end to end: events go to a campaign in batches, within its few calls; its videos come back."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connector.sandbox.emulator import (
    Callback,
    Emulator,
    EmulatorSettings,
    Fault,
    Quota,
    WorkspaceSettings,
    bearer,
)
from tests.end_to_end.deployment import CALLBACK_TOKEN, SEEN_TOKEN, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.deployment import Deployment

EVENTS = 5_000
KEYS = 1_500
CALLS, PER_SECONDS = 10, 3.0
PROPERTIES = {
    "first_name": "name",
    "last_name": "surname",
    "customer_id": "id",
    "phone": "phone",
}


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """A campaign with few calls, as SEEN's; only the window is shorter."""
    campaign = WorkspaceSettings(
        id="welcome-film", api="receivers", tokens=(SEEN_TOKEN,), quota=Quota(CALLS, PER_SECONDS)
    )
    settings = EmulatorSettings(workspaces=(campaign,), render_seconds=0.5, callback_retry_seconds=0.5)
    async with Emulator(settings) as emulator:
        yield emulator


def campaign(deployment: Deployment, **seen: Any) -> None:
    settings = {
        "api": "receivers",
        "workspace_id": None,
        "campaign_slug": "welcome-film",
        "auth": {"token": SEEN_TOKEN},
        "quota": {"requests": CALLS, "per_seconds": PER_SECONDS, "grace_seconds": 0.5},
    }
    source = {"properties": PROPERTIES, "extra_args": {"number": "number", "city": "city"}}
    deployment.workspace(
        seen=settings | seen, source=source, delivery={"max_buffered": 2_000, "max_uncommitted": 10_000}
    )


def receiver(number: int) -> dict[str, Any]:
    """What a customer event says; of a hundred, SEEN refuses one, and we refuse another before a call is spent."""
    surname = "x" * 101 if number % 100 == 7 else "Lovelace"
    phone = "12345678" if number % 100 == 8 else "+4712345678"
    return {
        "id": f"c-{number}",
        "name": "Ada",
        "surname": surname,
        "phone": phone,
        "number": number,
        "city": "Oslo",
    }


async def produce(deployment: Deployment, numbers: range) -> None:
    records = (
        {"value": orjson.dumps(receiver(number)), "key": f"k-{number % KEYS}".encode()} for number in numbers
    )
    await deployment.produce(*records)


def created(seen: Emulator) -> list[int]:
    """The numbers of the receivers that were created, in the order in which their calls arrived."""
    calls = [orjson.loads(each.body) for each in seen.arrivals("welcome-film") if each.status == 201]
    return [item["extra_args"]["number"] for call in calls for item in call]


async def test_five_thousand_events_need_a_tenth_of_the_calls_and_survive_a_kill(
    deployment: Deployment, seen: Emulator
) -> None:
    campaign(deployment)
    refused_by_seen = {f"c-{number}" for number in range(7, EVENTS, 100)}
    refused_by_us = {f"c-{number}" for number in range(8, EVENTS, 100)}
    async with deployment:
        await deployment.running()
        await produce(deployment, range(EVENTS))
        await eventually(lambda: len(created(seen)) > 1_500, "a part of them is created")
        seen.fail(Fault(act="hang", processed=True, times=2))  # these are on the wire when it dies
        await eventually(lambda: not seen.faults(), "calls are on the wire")
        deployment.kill()
        await deployment.start()
        await deployment.everything_committed(EVENTS)
        outcomes = [
            (headers_of(each), orjson.loads(each.value or b"")) for each in await deployment.read("outcomes")
        ]
        letters = [headers_of(each) for each in await deployment.read("dead_letters")]
    kinds = defaultdict(set)
    for headers, data in outcomes:
        kinds[headers["ce_type"]].add(data["id"])
    assert kinds["seen.data.rejected.v1"] == refused_by_seen | refused_by_us
    assert len(kinds["seen.data.accepted.v1"]) == EVENTS - len(refused_by_seen | refused_by_us)
    assert not kinds["seen.data.accepted.v1"] & kinds["seen.data.rejected.v1"]
    reasons = defaultdict(set)
    for each in letters:
        reasons[each["seen-dead-letter-reason"]].add(each["seen-dead-letter-detail"])
    assert reasons["bad_request"] == {
        'SEEN answered 400 ({"last_name":["Ensure this field has no more than 100 characters."]})'
    }
    assert reasons["bad_phone"] == {"`phone` is no number in the form of E.164, such as +4712345678"}

    order: dict[int, list[int]] = defaultdict(list)
    for number in created(seen):
        order[number % KEYS].append(number)
    assert all(numbers == sorted(set(numbers)) for numbers in order.values())
    calls = seen.arrivals("welcome-film")
    assert len(calls) <= EVENTS / 10
    assert not [each for each in calls if each.status == 429]
    assert seen.worst_window("welcome-film") <= CALLS


async def test_one_event_of_an_idle_campaign_leaves_alone_and_its_video_comes_back(
    deployment: Deployment, seen: Emulator
) -> None:
    campaign(deployment)
    async with deployment:
        await deployment.running()
        url = f"{deployment.listener_url}/callbacks/acme"
        seen.set_callback("welcome-film", Callback(url, bearer(CALLBACK_TOKEN)))
        await produce(deployment, range(1))
        await deployment.settled(1)
        (call,) = seen.arrivals("welcome-film")
        (outcome,) = await deployment.read("outcomes")
        read_at = orjson.loads(outcome.value or b"")["origin"]["timestamp"]
        assert call.method == "POST"
        assert orjson.loads(call.body)[0]["extra_args"] == {"number": 0, "city": "Oslo"}
        assert read_at
        await eventually(lambda: bool(seen.callbacks()), "SEEN has called")

        async def is_there() -> bool:
            return bool(await deployment.read("videos"))

        await eventually(is_there, "its video is published")
        (video,) = await deployment.read("videos")
        data = orjson.loads(video.value or b"")
        assert (data["id"], data["campaign_slug"], video.key) == ("c-0", "welcome-film", b"c-0")
        assert data["landing_page_url"].startswith("https://film.example.com/v/")


@pytest.mark.parametrize(("already_exists", "kind"), [("accept", "accepted"), ("reject", "rejected")])
async def test_one_that_exists_already_is_what_the_file_says(
    deployment: Deployment, seen: Emulator, already_exists: str, kind: str
) -> None:
    campaign(deployment, already_exists=already_exists)
    async with deployment:
        await deployment.running()
        await produce(deployment, range(1))
        await deployment.settled(1)
        await produce(deployment, range(1))
        await deployment.settled(2)
        outcomes = [headers_of(each)["ce_type"] for each in await deployment.read("outcomes")]
    assert outcomes == ["seen.data.accepted.v1", f"seen.data.{kind}.v1"]


async def test_a_wrong_token_suspends_a_campaign_and_keeps_its_events(
    deployment: Deployment, seen: Emulator
) -> None:
    seen.set_tokens("welcome-film", "another")
    campaign(deployment)
    async with deployment:
        await deployment.running()
        await produce(deployment, range(3))

        async def suspended() -> bool:
            return bool((await deployment.status())["state"] == "suspended")

        await eventually(suspended, "it is suspended")
        await asyncio.sleep(1)
        seen.set_tokens("welcome-film", SEEN_TOKEN)
        await deployment.settled(3)
        assert sorted(created(seen)) == [0, 1, 2]
