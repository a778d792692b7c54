"""Braze on both ends: its webhooks become films at SEEN, and the films attributes of its users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from connector.sandbox.emulator import (
    BrazeSettings,
    Callback,
    Emulator,
    EmulatorSettings,
    Quota,
    WorkspaceSettings,
    bearer,
)
from tests.end_to_end.braze import ARRAYS, BRAZE_TOKEN, KEYS, SECONDS, WEBHOOKS, Campaign
from tests.end_to_end.deployment import CALLBACK_TOKEN, SEEN_TOKEN, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.deployment import Deployment

REST_KEY = "rest-key-of-braze-5b1f"
CALLS, PER_SECONDS = 10, 3.0  # SEEN's calls in an hour, an hour scaled


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """A campaign with few calls, and a workspace of Braze that refuses its key at first."""
    quota = Quota(CALLS, PER_SECONDS)
    film = WorkspaceSettings(id="welcome-film", api="receivers", tokens=(SEEN_TOKEN,), quota=quota)
    braze = BrazeSettings(keys=("another",))
    settings = EmulatorSettings(
        workspaces=(film,), braze=braze, render_seconds=1, callback_retry_seconds=0.5, remembered=50_000
    )
    async with Emulator(settings) as emulator:
        yield emulator


def configure(deployment: Deployment, seen: Emulator) -> None:
    """A campaign that Braze feeds, and whose films go back to Braze."""
    target: dict[str, Any] = {
        "api": "receivers",
        "workspace_id": None,
        "campaign_slug": "welcome-film",
        "auth": {"token": SEEN_TOKEN},
        "quota": {"requests": CALLS, "per_seconds": PER_SECONDS, "grace_seconds": 0.5},
    }
    out = {
        "base_url": seen.url,
        "auth": {"bearer_token": REST_KEY},
        "attributes": {"landing_page_url": "landing_page_url", "email_thumbnail_url": "email_thumbnail_url"},
        "group_id": f"{deployment.group()}-braze",
        "batch": {"max_wait_seconds": 1},
        "probe": {"initial_seconds": 0.2, "max_seconds": 1},
    }
    deployment.workspace(
        seen=target,
        braze_in={"auth": {"token": BRAZE_TOKEN}, "topic": deployment.topic("braze")},
        braze_out=out,
        delivery={"max_buffered": 4_000},
    )


@pytest.mark.timeout(180 + 6 * SECONDS)
async def test_a_campaign_of_braze_becomes_films_and_each_user_is_written_once_with_the_latest(
    deployment: Deployment, seen: Emulator
) -> None:
    configure(deployment, seen)
    campaign = Campaign(deployment, ARRAYS)
    users = {f"braze-{number}" for number in range(KEYS)}
    async with deployment:
        await deployment.running()
        callback = Callback(f"{deployment.listener_url}/callbacks/acme", bearer(CALLBACK_TOKEN))
        seen.set_callback("welcome-film", callback)
        await campaign.send(range(WEBHOOKS))
        assert campaign.statuses == {201: WEBHOOKS}
        assert len(await deployment.read("braze")) == WEBHOOKS
        await deployment.settled(WEBHOOKS, seconds=60 + 2 * SECONDS)

        async def all_published() -> bool:
            return {(each.key or b"").decode() for each in await deployment.read("videos")} == users

        await eventually(all_published, "every film is published", 60 + 2 * SECONDS)
        again = {
            "customer_id": "braze-7",
            "campaign_slug": "welcome-film",
            "landing_page_url": "https://film.example.com/v/2",
        }
        assert await deployment.call(orjson.dumps(again)) == 200

        async def all_read() -> bool:
            return bool((await deployment.status("acme/braze"))["buffered_records"] == KEYS + 1)

        await eventually(all_read, "all videos wait for Braze")
        assert not seen.braze.attributes
        seen.braze.keys = (REST_KEY,)
        await eventually(lambda: seen.braze.attributes.keys() == users, "every user is written")
        letters = await deployment.read("dead_letters")
    assert not letters
    assert not [each for each in seen.arrivals("welcome-film") if each.status == 429]
    assert seen.worst_window("welcome-film") <= CALLS
    taken = [each.objects for each in seen.braze.requests if each.status == 201]
    written = [each["braze_id"] for objects in taken for each in objects if isinstance(each, dict)]
    assert len(written) == len(users)  # each once
    assert len(taken) <= len(users) / 75 + 3  # one is the probe, and the last is not full
    assert seen.braze.attributes["braze-7"]["landing_page_url"] == "https://film.example.com/v/2"
    others = [seen.braze.attributes[user]["landing_page_url"] for user in users - {"braze-7"}]
    assert all(str(each).startswith("https://film.example.com/v/") for each in others)
    assert len(set(others)) == len(others)
