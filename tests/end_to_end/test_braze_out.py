"""Videos on their way back to Braze: a second engine beside the first, which may stand still without anyone noticing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from connector.sandbox.emulator import BrazeSettings, Emulator, EmulatorSettings, Fault, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, eventually, headers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.end_to_end.deployment import Deployment

REST_KEY = "rest-key-of-braze-5b1f"
USERS = 300
EXPORT = "acme/braze"


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """SEEN, and a workspace of Braze."""
    workspace = WorkspaceSettings(id="acme", tokens=(SEEN_TOKEN,))
    settings = EmulatorSettings(workspaces=(workspace,), braze=BrazeSettings(keys=(REST_KEY,)))
    async with Emulator(settings) as emulator:
        yield emulator


def export(deployment: Deployment, seen: Emulator, **settings: Any) -> None:
    """A workspace whose videos go to Braze."""
    out = {
        "base_url": seen.url,
        "auth": {"bearer_token": REST_KEY},
        "attributes": {"player_url": "player_url", "film": "raw.film"},
        "group_id": f"{deployment.group()}-braze",
        "batch": {"max_wait_seconds": 1},
        "timeout_seconds": 2,
        "backoff": {"initial_seconds": 0.2, "max_seconds": 1},
        "probe": {"initial_seconds": 0.2, "max_seconds": 1},
    }
    deployment.workspace(braze_out=out | settings)


async def call_back(deployment: Deployment, film: int, *users: int) -> None:
    """SEEN tells of a `film` of each of `users`."""
    for user in users:
        body = {"id": f"user-{user}", "player_url": f"https://player.seen.io/v/{user}-{film}", "film": film}
        assert await deployment.call(orjson.dumps(body)) == 200


async def has_state(deployment: Deployment, state: str) -> None:
    async def found() -> bool:
        return bool((await deployment.status(EXPORT))["state"] == state)

    await eventually(found, f"the export is {state}")


def written(seen: Emulator) -> list[list[dict[str, Any]]]:
    """The attribute objects of each request that Braze took, in the order in which they arrived."""
    return [list(each.objects) for each in seen.braze.requests if each.status == 201]  # type: ignore[arg-type]


def films(seen: Emulator) -> dict[str, object]:
    """Which film each user of Braze has."""
    return {user: attributes["film"] for user, attributes in seen.braze.attributes.items()}


async def test_each_user_is_written_once_with_the_latest_video_after_braze_has_been_away(
    deployment: Deployment, seen: Emulator
) -> None:
    export(deployment, seen)
    seen.braze.keys = ("another",)
    async with deployment:
        await has_state(deployment, "running")
        await call_back(deployment, 1, 0)
        await has_state(deployment, "suspended")
        for film in (1, 2):
            await call_back(deployment, film, *range(USERS))
        status = await deployment.status()
        assert (status["state"], status["reason"]) == ("running", None)
        assert orjson.loads((await deployment.get("/readyz"))[1])["workspaces"].keys() == {EXPORT}
        seen.braze.keys = (REST_KEY,)
        await eventually(lambda: len(films(seen)) == USERS, "every user is written")
        await deployment.settled(2 * USERS + 1, EXPORT)
        outcomes = (await deployment.status(EXPORT))["outcomes"]
        letters = await deployment.read("dead_letters")
    assert set(films(seen).values()) == {2}
    batches = written(seen)
    users = [each["braze_id"] for batch in batches for each in batch]
    # The probe that found Braze well again may have had the first film of its user.
    assert sorted(set(users)) == sorted(f"user-{user}" for user in range(USERS))
    assert len(users) <= USERS + 1
    assert max(map(len, batches)) == 75
    assert len(batches) <= USERS / 75 + 3
    assert outcomes["accepted"] == len(users)
    assert outcomes["skipped"] == 2 * USERS + 1 - len(users)
    assert not letters
    assert all(each["_update_existing_only"] is True for batch in batches for each in batch)
    log = deployment.log_path.read_text()
    assert REST_KEY not in log
    lines = [orjson.loads(line) for line in log.splitlines() if '"event":"attempt"' in line]
    assert {line["request"] for line in lines if line["workspace"] == EXPORT} == {"track"}


async def test_what_braze_refuses_is_a_dead_letter_in_its_words_and_the_others_are_written(
    deployment: Deployment, seen: Emulator
) -> None:
    export(deployment, seen)
    seen.braze.refusals = {"user-3": "'film' is not what it was", "user-7": "no such country"}
    async with deployment:
        await has_state(deployment, "running")
        await call_back(deployment, 1, *range(10))
        await deployment.settled(10, EXPORT)
        letters = [(headers_of(each), each.value) for each in await deployment.read("dead_letters")]
        videos = [each.value for each in await deployment.read("videos")]
        assert not await deployment.read("outcomes")
    assert films(seen).keys() == {f"user-{user}" for user in range(10) if user not in (3, 7)}
    assert {headers["seen-dead-letter-reason"] for headers, _ in letters} == {"refused_by_braze"}
    words = "".join(headers["seen-dead-letter-detail"] for headers, _ in letters)
    assert "'film' is not what it was" in words
    assert "no such country" in words
    assert {orjson.loads(value or b"")["id"] for _, value in letters} == {"user-3", "user-7"}
    assert all(value in videos for _, value in letters)  # as they were: they can be replayed


async def test_a_kill_leaves_every_user_with_the_latest_video(deployment: Deployment, seen: Emulator) -> None:
    export(deployment, seen, batch={"max_items": 20, "max_wait_seconds": 0.2})
    async with deployment:
        await has_state(deployment, "running")
        await call_back(deployment, 1, *range(100))
        await eventually(lambda: len(films(seen)) > 20, "some users are written")
        seen.fail(Fault(workspace="braze", act="hang", processed=True, times=2))
        await call_back(deployment, 2, *range(100))
        await eventually(lambda: not seen.faults(), "requests are on the wire")
        deployment.kill()
        await deployment.start()
        await eventually(
            lambda: len(films(seen)) == 100 and set(films(seen).values()) == {2},
            "every user has the second film",
        )
        assert not await deployment.read("dead_letters")


async def test_a_429_of_braze_holds_the_export_and_nothing_else(
    deployment: Deployment, seen: Emulator
) -> None:
    export(deployment, seen)
    async with deployment:
        await has_state(deployment, "running")
        seen.fail(Fault(workspace="braze", act="answer", status=429, headers={"Retry-After": "3"}, times=1))
        await call_back(deployment, 1, *range(3))
        await eventually(lambda: not seen.faults(), "Braze has refused one")
        await asyncio.sleep(1)
        assert not films(seen)
        await deployment.produce({"value": orjson.dumps({"id": "user-1"}), "key": b"user-1"})
        await deployment.settled(1)
        assert not films(seen)
        await eventually(lambda: len(films(seen)) == 3, "they are written after that")
        assert (await deployment.status(EXPORT))["outcomes"]["accepted"] == 3


async def test_a_group_that_is_set_back_writes_the_videos_again_and_touches_nothing_else(
    deployment: Deployment, seen: Emulator
) -> None:
    export(deployment, seen)
    async with deployment:
        await has_state(deployment, "running")
        await deployment.produce({"value": orjson.dumps({"id": "user-1"}), "key": b"user-1"})
        await call_back(deployment, 1, *range(20))
        await deployment.settled(20, EXPORT)
        await deployment.settled(1)
        assert await deployment.stop() == 0
        seen.braze.attributes.clear()
        await set_back(deployment)
        await deployment.start()
        await deployment.settled(20, EXPORT)
        assert (await deployment.status())["outcomes"]["accepted"] == 0
        assert len(await deployment.read("videos")) == 20
    assert films(seen) == {f"user-{user}": 1 for user in range(20)}
    assert [each.method for each in seen.arrivals("acme")] == ["POST"]


async def set_back(deployment: Deployment) -> None:
    """What `kafka-consumer-groups.sh --reset-offsets --to-earliest` does with the export's group."""
    records = await deployment.read("videos")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap,
        group_id=f"{deployment.group()}-braze",
        enable_auto_commit=False,
    )
    await consumer.start()
    partitions = [TopicPartition(each.topic, each.partition) for each in records]
    consumer.assign(partitions)
    await consumer.commit(dict.fromkeys(partitions, 0))
    await consumer.stop()
