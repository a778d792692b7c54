"""Poison of every kind ends in the dead letters, whole and with a reason, and the stream goes on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from tests.end_to_end.deployment import headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

HEADERS = [("source", b"crm"), ("source", b"again"), ("bytes", b"\xff\x00"), ("null", None)]
BAD: dict[str, tuple[bytes | None, bytes | None, str, str]] = {
    # kind: key, value, reason, a word of the detail
    "tombstone": (b"tombstone", None, "tombstone", "null"),
    "neither key nor value": (None, None, "empty_record", "neither key nor value"),
    "no JSON": (b"k1", b"\xff\xfe\x00 not json", "not_json", "JSON"),
    "array": (b"k2", b'[{"id": "1"}]', "not_an_object", "array"),
    "NaN": (b"k3", b'{"id": "1", "age": NaN}', "not_json", "NaN"),
    "lone surrogate": (b"k4", b'{"id": "1", "name": "\\ud800"}', "not_json", "surrogate"),
    "deep": (b"k5", b'{"id": "1", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep", "nested"),
    "huge": (b"k6", b'{"id": "1", "text": "' + b"x" * 1_000_000 + b'"}', "record_too_large", "524288"),
    "no id": (b"k7", b'{"name": "Kari"}', "id_missing", "id"),
    "id object": (b"k8", b'{"id": {"crm": 1}}', "mapping_failed", "flat"),
    "image name": (b"k9", b'{"id": "1", "photo": "https://a.example/p.PNG"}', "bad_image", ".png"),
    "image credentials": (
        b"k10",
        b'{"id": "1", "photo": "https://u:p@a.example/p.png"}',
        "bad_image",
        "credentials",
    ),
    "image scheme": (b"k11", b'{"id": "1", "photo": "ftp://a.example/p.png"}', "bad_image", "http"),
}


async def test_every_kind_of_bad_record_is_dead_lettered_unchanged_and_the_stream_goes_on(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace(source={"images": {"properties": ["photo"]}})
    await deployment.create(deployment.topic("events"), {"max.message.bytes": "5000000"}, partitions=1)
    good = {"key": b"good", "value": b'{"id": "good"}'}
    bad = [
        {"key": key, "value": value, "headers": HEADERS} for key, value, _, _ in BAD.values() if key or value
    ]
    async with deployment:
        await deployment.running()
        await deployment.produce(good, *bad)
        await deployment.produce_empty()
        await deployment.produce(good)
        await deployment.settled(len(BAD) + 2)
        assert await deployment.stop() == 0
    assert [arrival.id for arrival in seen.arrivals("acme")] == ["good", "good"]

    letters = {each.key: each for each in await deployment.read("dead_letters")}
    for key, value, reason, word in BAD.values():
        letter = letters[key]
        story = headers_of(letter)
        headers = [pair for pair in letter.headers if not pair[0].startswith("seen-dead-letter-")]
        assert story["seen-dead-letter-reason"] == reason
        assert word in story["seen-dead-letter-detail"]
        assert story["seen-dead-letter-origin-topic"] == deployment.topic("events")
        if key is None:
            assert (letter.value, story["seen-dead-letter-value"]) == (b"", "null")
        else:
            assert (letter.value, headers) == (value, HEADERS), reason
    reasons = [orjson.loads(each.value or b"")["reason"] for each in await deployment.read("outcomes")]
    assert sorted(reasons) == sorted(["created", "created", *(reason for _, _, reason, _ in BAD.values())])
    assert (await deployment.committed()) == {0: len(BAD) + 2}


async def test_a_record_that_its_dead_letter_topic_cannot_take_leaves_its_size_and_hash(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.workspace()
    await deployment.create(deployment.topic("events"), {"max.message.bytes": "5000000"}, partitions=1)
    await deployment.create(deployment.topic("dead_letters"), {"max.message.bytes": "1000000"})
    value = b'{"id": "1", "text": "' + b"x" * 3_000_000 + b'"}'
    async with deployment:
        await deployment.running()
        await deployment.produce(
            {"key": b"large", "value": value, "headers": HEADERS}, {"value": b'{"id": "next"}'}
        )
        await deployment.settled(2)
    (letter,) = await deployment.read("dead_letters")
    story = headers_of(letter)
    assert (letter.key, letter.value) == (b"large", b"")
    assert story["seen-dead-letter-reason"] == "record_too_large"
    assert story["seen-dead-letter-value-size"] == str(len(value))
    assert story["seen-dead-letter-value-sha256"] == hashlib.sha256(value).hexdigest()
    assert story["seen-dead-letter-origin-offset"] == "0"
    assert [arrival.id for arrival in seen.arrivals("acme")] == ["next"]
