"""What viewers do: SEEN tells of it, and it is in the workspace's topic as it came, also where the broker was away."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import orjson
import pytest

from connector.sandbox.emulator import Callback, Viewing, bearer
from tests.end_to_end.deployment import CALLBACK_TOKEN, Deployment, eventually, headers_of

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.emulator import Emulator
    from connector.sandbox.kafka import LocalKafka

EVENTS = ("video-played", "video-watched", "player-opened", "share-clicked", "cta-clicked", "video-dreamt-of")
TYPES = [*(f"seen.viewer.{event}.v1" for event in EVENTS[:-1]), "seen.viewer.unknown.v1"]
IDS = ("1", "2", "3")


def call_back(deployment: Deployment, seen: Emulator, workspace: str) -> None:
    """Has SEEN tell of videos and of viewers."""
    url, token = f"{deployment.listener_url}/callbacks/{workspace}", bearer(CALLBACK_TOKEN)
    seen.set_callback(workspace, Callback(url, token))
    seen.set_viewer(workspace, Callback(f"{url}/viewer", token))


def told(seen: Emulator, workspace: str) -> Counter[tuple[str | None, int | None]]:
    """How often SEEN told of each event, and was answered so."""
    return Counter((each.event, each.status) for each in seen.callbacks() if each.workspace == workspace)


async def make_videos(deployment: Deployment, workspace: str) -> None:
    records = ({"value": b'{"id": "%s"}' % each.encode()} for each in IDS)
    await deployment.produce(*records, topic=deployment.topic("events", workspace))


async def test_what_viewers_do_is_in_the_topic_of_the_workspace_that_has_one(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace("acme", viewers={})
    deployment.workspace("bravo")
    for event in EVENTS:
        seen.watch(Viewing(event=event, times=None))
    async with deployment:
        for workspace in ("acme", "bravo"):
            await deployment.running(workspace)
            call_back(deployment, seen, workspace)
            await make_videos(deployment, workspace)
        await eventually(
            lambda: len(seen.callbacks()) == 2 * len(IDS) + 4 * len(EVENTS) * len(IDS),
            "SEEN has told bravo thrice of each event",
        )
        _, page = await deployment.get("/metrics")
    assert told(seen, "acme") == {(event, 200): len(IDS) for event in (None, *EVENTS)}
    assert told(seen, "bravo") == {(None, 200): len(IDS)} | {(event, 404): 3 * len(IDS) for event in EVENTS}

    records = await deployment.read("viewers")
    found = [(headers_of(each)["ce_type"], headers_of(each)["ce_subject"]) for each in records]
    assert sorted(found) == sorted((kind, each) for kind in TYPES for each in IDS)
    assert len({headers_of(each)["ce_id"] for each in records}) == len(records)
    for record in records:
        body = orjson.loads(record.value or b"")
        assert set(body) == {"event", "id", "occurred_at"}
        assert record.key == body["id"].encode()
    assert await deployment.read("dead_letters", "bravo") == []
    for series in (
        b'viewer_events_total{event="cta-clicked",workspace="acme"} 3.0',
        b'viewer_events_total{event="unknown",workspace="acme"} 3.0',
        b'callbacks_total{result="no_viewer_events",workspace="bravo"} 54.0',
    ):
        assert b"seen_connector_" + series in page.splitlines()


async def test_bodies_are_passed_on_as_they_came_and_those_that_cannot_be_are_dead_letters(
    deployment: Deployment,
) -> None:
    deployment.workspace(viewers={"fields": {"event": "what.name", "id": "who"}})
    await deployment.create(deployment.topic("viewers"), {"max.message.bytes": "65536"})
    mapped = b' {"who": 7, "what": {"name": "video-played"}, "n": 1.10, "n": 1E2, "x": "\\u00e5"}\n'
    huge = orjson.dumps({"who": 7, "x": "x" * 70_000})
    async with deployment:
        await deployment.running()
        for body in (mapped, b"[1]", b"no JSON", huge):
            assert await deployment.call(body, path="/viewer") == 200
        assert await deployment.call(mapped, path="/viewer", token="wrong") == 401
        assert await deployment.call(mapped, path="/viewer", workspace="nobody") == 401
        assert await deployment.call(mapped, path="/viewers") == 404
    records = await deployment.read("viewers")
    assert {(each.key, each.value, headers_of(each)["ce_type"]) for each in records} == {
        (b"7", mapped, "seen.viewer.video-played.v1"),
        (None, b"[1]", "seen.viewer.unknown.v1"),
    }
    letters = await deployment.read("dead_letters")
    assert {(headers_of(each)["seen-dead-letter-reason"], each.value) for each in letters} == {
        ("callback_not_json", b"no JSON"),
        ("callback_too_large", huge),
    }


async def test_a_missing_topic_for_viewers_turns_no_video_away_and_its_limit_is_known_once_it_is_there(
    deployment: Deployment,
) -> None:
    deployment.connector["kafka"]["create_topics"] = False
    deployment.connector["listener"]["publish_timeout_seconds"] = 1
    deployment.workspace(viewers={})
    for role in ("events", "videos", "outcomes", "dead_letters"):
        await deployment.create(deployment.topic(role))
    topic = deployment.topic("viewers")
    async with deployment:

        async def missing() -> bool:
            return f"topics are missing: {topic}".encode() in (await deployment.get("/readyz"))[1]

        await eventually(missing, "the topic is missing")
        assert await deployment.call(b'{"id": "1"}') == 200
        assert await deployment.call(b'{"id": "1"}', path="/viewer") == 503
        await deployment.create(topic, {"max.message.bytes": "65536"})
        await deployment.running()
        assert await deployment.call(b'{"id": "2"}', path="/viewer") == 200
        assert await deployment.call(orjson.dumps("x" * 70_000), path="/viewer") == 200
        assert not [line for line in deployment.log() if line["event"] == "producer_replaced"]
    assert b"2" in {each.key for each in await deployment.read("viewers")}
    assert len(await deployment.read("dead_letters")) == 1


@pytest.fixture
def spooling(tmp_path: Path, own_kafka: LocalKafka, seen: Emulator, prefix: str) -> Deployment:
    deployment = Deployment(tmp_path, own_kafka.bootstrap_servers, seen.url, prefix)
    (tmp_path / "spool").mkdir()
    deployment.connector["listener"] |= {"spool": {"directory": str(tmp_path / "spool")}}
    deployment.workspace(viewers={})
    return deployment


async def test_while_the_broker_is_away_viewer_events_are_taken_and_afterwards_they_are_in_the_topic(
    spooling: Deployment, own_kafka: LocalKafka, seen: Emulator
) -> None:
    async with spooling:
        await spooling.running()
        call_back(spooling, seen, "acme")
        await make_videos(spooling, "acme")
        await eventually(lambda: told(seen, "acme")[None, 200] == len(IDS), "the videos are there")
        await own_kafka.kill()
        for each in IDS:
            for event in EVENTS:
                seen.act("acme", each, event)
        course = [b'{"event": "video-played", "id": "7", "n": %d}' % number for number in range(5)]
        assert [await spooling.call(body, path="/viewer") for body in course] == [202] * 5
        await eventually(
            lambda: len(seen.callbacks()) == len(IDS) * (1 + len(EVENTS)), "SEEN has told of all"
        )
        assert told(seen, "acme") == {(None, 200): len(IDS)} | {(event, 202): len(IDS) for event in EVENTS}
        assert (await spooling.status())["spooled_callbacks"] == len(IDS) * len(EVENTS) + 5
        await own_kafka.start()

        async def drained() -> object:
            return (await spooling.status())["spooled_callbacks"] == 0

        await eventually(drained, "all is in Kafka")
    first = {headers_of(each)["ce_id"]: each for each in reversed(await spooling.read("viewers"))}
    records = sorted(first.values(), key=lambda each: (each.partition, each.offset))
    found = Counter((each.key, headers_of(each)["ce_type"]) for each in records if each.key != b"7")
    assert found == {(each.encode(), kind): 1 for each in IDS for kind in TYPES}
    assert [each.value for each in records if each.key == b"7"] == course
