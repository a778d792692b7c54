"""What Braze posts to the listener in SEEN's place, over real HTTP: what it is told, and what is published of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
import structlog

from connector.clock import SystemClock
from connector.deadletter import PREFIX
from connector.errors import KafkaUnavailable, PublishRefused
from connector.inbound import brazeanswer
from connector.inbound.auth import TokenAuth
from connector.inbound.brazebody import CALL_HEADER, MAX_RECEIVERS
from connector.inbound.door import Door
from connector.inbound.listener import BrazeDoors, Listener
from connector.labels import BRAZE_RESULTS
from connector.metrics import Metrics
from connector.types import Reason, Unsendable
from tests.doors import braze_intake, door
from tests.unit.test_listener import LIMITS, TOKEN, VIDEO, Recorder, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.inbound.limits import Limits
    from connector.inbound.taken import Durability
    from connector.types import Message

BRAZE_TOKEN = "a-token-of-brazes"
DATA = "/v1/workspaces/w-1/data"
PROJECT = "/v1/projects/w-1/data"
RECEIVERS = "/v1/campaigns/welcome-film/receivers/"
JOHN = {"id": "12345", "first_name": "John", "email": "john@example.com"}
JANE = {"customer_id": "101", "first_name": "Jane"}
TOPIC, LETTERS = "seen.acme.braze", "seen.acme.dead-letters"


class Place:
    """A listener that takes what Braze posts for the workspace `w-1` and for the campaign `welcome-film`."""

    def __init__(self, limits: Limits) -> None:
        self.data, self.campaign, self.callbacks = Recorder(), Recorder(), Recorder()
        self.metrics = Metrics("0.1.0")
        self.listener = Listener(
            {"acme": door("acme", TokenAuth((TOKEN,)), self.callbacks, self.metrics)},
            host="127.0.0.1",
            port=0,
            limits=limits,
            metrics=self.metrics,
            clock=SystemClock(),
            braze=BrazeDoors(
                {"w-1": self._door(self.data, "data")},
                {"welcome-film": self._door(self.campaign, "receivers")},
            ),
        )

    def _door(self, publisher: Recorder, api: Any) -> Door:
        return Door(
            workspace="acme" if api == "data" else "film",
            authenticator=TokenAuth((BRAZE_TOKEN, "its-successor")),
            intakes={"braze": braze_intake(publisher, api)},
            metrics=self.metrics.workspace("acme" if api == "data" else "film"),
        )

    async def call(
        self,
        body: object = JOHN,
        path: str = DATA,
        method: str = "POST",
        authorization: str = f"Bearer {BRAZE_TOKEN}",
        **headers: str,
    ) -> tuple[int, Any, dict[str, str]]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"Authorization": authorization, "Content-Type": "application/json"} | headers
        url = f"http://127.0.0.1:{self.listener.port}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=data, headers=sent) as response,
        ):
            return response.status, orjson.loads(await response.read()), dict(response.headers)

    def counted(self, workspace: str = "acme") -> dict[str, float]:
        found = {
            result: self.metrics.registry.get_sample_value(
                "seen_connector_braze_calls_total", {"workspace": workspace, "result": result}
            )
            for result in BRAZE_RESULTS
        }
        return {result: count for result, count in found.items() if count}


@asynccontextmanager
async def running(limits: Limits = LIMITS) -> AsyncIterator[Place]:
    place = Place(limits)
    await place.listener.start()
    try:
        yield place
    finally:
        await place.listener.stop(2)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running() as place:
        yield place


def letters(recorder: Recorder) -> list[tuple[bytes | None, str]]:
    """The dead letters: value and reason."""
    return [
        (message.value, (dict(message.headers)[PREFIX + "reason"] or b"").decode())
        for topic, message in recorder.published
        if topic == LETTERS
    ]


def records(recorder: Recorder) -> list[tuple[bytes | None, bytes | None]]:
    """The records of the Braze topic: key and value."""
    return [(message.key, message.value) for topic, message in recorder.published if topic == TOPIC]


# --- what is taken


@pytest.mark.parametrize("path", [DATA, PROJECT])
async def test_an_object_is_published_as_it_came_and_answered_as_seen_does(place: Place, path: str) -> None:
    body = b'{ "id":"12345",  "first_name":"J\\u006fhn", "age": 4.50 }'
    status, said, _ = await place.call(body, path)
    assert (status, said) == (201, {"id": "12345", "values": {"first_name": "John", "age": 4.5}})
    assert records(place.data) == [(b"12345", body)]
    assert place.counted() == {"published": 1}


async def test_an_array_of_one_receiver_is_one_record_and_is_answered_201(place: Place) -> None:
    body = b'[ {"customer_id": 101, "first_name": "Jane", "extra_args": {"city": "Oslo"}} ]'
    status, said, _ = await place.call(body, RECEIVERS)
    assert status == 201
    assert said == [{"customer_id": "101", "first_name": "Jane", "extra_args": {"city": "Oslo"}}]
    assert records(place.campaign) == [(b"101", body[2:-2])]
    assert place.counted("film") == {"published": 1}


async def test_each_receiver_of_an_array_is_a_record_of_its_own(place: Place) -> None:
    receivers = [JANE | {"customer_id": str(number)} for number in range(MAX_RECEIVERS)]
    assert (await place.call(receivers, RECEIVERS))[0] == 201
    assert sorted(records(place.campaign)) == sorted(
        (each["customer_id"].encode(), orjson.dumps(each)) for each in receivers
    )


@pytest.mark.parametrize("scheme", ["Bearer", "Token"])
@pytest.mark.parametrize("token", [BRAZE_TOKEN, "its-successor"])
@pytest.mark.parametrize("path", [DATA, RECEIVERS])
async def test_either_token_opens_with_either_scheme_at_each_path(
    place: Place, scheme: str, token: str, path: str
) -> None:
    body = JOHN if path == DATA else [JANE]
    assert (await place.call(body, path, authorization=f"{scheme} {token}"))[0] == 201


async def test_an_integer_id_is_taken_as_its_text(place: Place) -> None:
    status, said, _ = await place.call({"id": 12345})
    assert (status, said) == (201, {"id": "12345", "values": {}})
    assert records(place.data) == [(b"12345", b'{"id":12345}')]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
async def test_a_body_is_read_whatever_its_type_is_called(place: Place, content_type: str) -> None:
    assert (await place.call(**{"Content-Type": content_type}))[0] == 201


async def test_what_is_on_disk_is_answered_201_as_well(place: Place) -> None:
    place.data.durability = place.campaign.durability = "spooled"
    assert (await place.call())[0] == 201
    assert (await place.call([JANE], RECEIVERS))[0] == 201
    assert place.counted() == place.counted("film") == {"spooled": 1}


async def test_regression_two_receivers_that_are_alike_are_two_records(place: Place) -> None:
    """A producer that still waits for one message takes the same message for a repeat of it."""
    twins = [{"first_name": "Ada"}, {"first_name": "Ada"}]
    for _ in range(2):
        assert (await place.call(twins, RECEIVERS))[0] == 201
    messages = [message for _, message in place.campaign.published]
    assert [message.key for message in messages] == [None] * 4
    assert len(set(messages)) == 4
    assert all(name == CALL_HEADER for message in messages for name, _ in message.headers)


@pytest.mark.parametrize(
    ("path", "body", "calls"),
    [(RECEIVERS, b'[{"phone": "1"}, {"phone": "1"}]', 1), (RECEIVERS, b"{}", 2), (DATA, b"{}", 2)],
)
async def test_regression_dead_letters_that_are_alike_are_two(
    place: Place, path: str, body: bytes, calls: int
) -> None:
    """A producer takes equal messages that are on their way for one: then one of the two was lost."""
    for _ in range(calls):
        assert (await place.call(body, path))[0] in {400, 500}
    (recorder,) = (each for each in (place.data, place.campaign) if each.published)
    calls_and_places = [dict(message.headers)[CALL_HEADER] for _, message in recorder.published]
    assert len(calls_and_places) == len(set(calls_and_places)) == 2


async def test_receivers_of_one_id_are_published_one_after_the_other(place: Place) -> None:
    place.campaign.gate.clear()
    twice = [JANE | {"last_name": "first"}, {"first_name": "Ada"}, JANE | {"last_name": "second"}]
    calling = asyncio.create_task(place.call(twice, RECEIVERS))
    await until(lambda: place.campaign.attempts == 2)
    await asyncio.sleep(0.05)
    assert place.campaign.attempts == 2
    place.campaign.gate.set()
    assert (await calling)[0] == 201
    assert [value for key, value in records(place.campaign) if key == b"101"] == [
        orjson.dumps(twice[0]),
        orjson.dumps(twice[2]),
    ]


# --- what is refused


@pytest.mark.parametrize(
    ("body", "status", "code", "message", "reason"),
    [
        (b"", 400, "ErrRequestBody", "a JSON object is expected: ", "not_json"),
        (b"{", 400, "ErrRequestBody", "a JSON object is expected: ", "not_json"),
        (b'[{"id": "1"}]', 400, "ErrRequestBody", "a JSON object is expected, ", "not_an_object"),
        ({"first_name": "John"}, 500, "ErrInvalidRequest", "ID must be a string: ", "id_missing"),
        ({"id": ""}, 500, "ErrInvalidRequest", "ID must be a string: ", "id_missing"),
        ({"id": True}, 500, "ErrInvalidRequest", "ID must be a string: ", "id_not_a_string"),
        ({"id": 1.5}, 500, "ErrInvalidRequest", "ID must be a string: ", "id_not_a_string"),
        ({"id": "x" * 1025}, 400, "ErrRequestBody", "`id` has 1025 bytes", "id_too_long"),
        (
            {"id": "1", "city": {"name": "Oslo"}},
            400,
            "ErrRequestBody",
            "'city' is an object",
            "mapping_failed",
        ),
        ({"id": "1", "": 1}, 400, "ErrRequestBody", "'' is no name", "bad_property_name"),
        (
            b'{"id": "1", "n": 123456789012345678901}',
            400,
            "ErrRequestBody",
            "an integer",
            "number_out_of_range",
        ),
    ],
)
async def test_what_seen_would_refuse_gets_seens_error_and_is_a_dead_letter(
    place: Place, body: object, status: int, code: str, message: str, reason: str
) -> None:
    found, said, _ = await place.call(body)
    assert (found, said["code"], said.keys()) == (status, code, {"code", "message"})
    assert said["message"].startswith(message)
    assert letters(place.data) == [(body if isinstance(body, bytes) else orjson.dumps(body), reason)]
    assert records(place.data) == []
    assert place.counted() == {"dead_lettered": 1}


@pytest.mark.parametrize(
    ("fault", "field", "reason"),
    [
        ({"first_name": ""}, "first_name", "no_first_name"),
        ({"phone": "12345678"}, "phone", "bad_phone"),
        ({"email": "no address"}, "email", "bad_email"),
        ({"customer_id": "x" * 1025}, "customer_id", "id_too_long"),
        ({"last_name": 7}, "non_field_errors", "bad_field"),
    ],
)
async def test_a_faulty_receiver_is_a_dead_letter_and_the_others_are_published(
    place: Place, fault: dict[str, object], field: str, reason: str
) -> None:
    faulty, ada = JANE | fault, {"customer_id": "102", "first_name": "Ada"}
    status, said, _ = await place.call([JANE, faulty, ada], RECEIVERS)
    assert status == 400
    assert [list(each) for each in said] == [[], [field], []]
    assert isinstance(said[1][field][0], str)
    assert sorted(records(place.campaign)) == [(b"101", orjson.dumps(JANE)), (b"102", orjson.dumps(ada))]
    assert letters(place.campaign) == [(orjson.dumps(faulty), reason)]
    assert place.counted("film") == {"dead_lettered": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (JANE, "bad_field"),
        ([], "bad_field"),
        ([{"first_name": "Ada"}] * (MAX_RECEIVERS + 1), "request_too_large"),
    ],
)
async def test_what_is_no_array_of_receivers_is_a_dead_letter_whole(
    place: Place, body: object, reason: str
) -> None:
    status, said, _ = await place.call(body, RECEIVERS)
    assert (status, said["code"]) == (400, "ErrRequestBody")
    assert letters(place.campaign) == [(body if isinstance(body, bytes) else orjson.dumps(body), reason)]
    assert records(place.campaign) == []


async def test_an_item_that_is_no_object_is_faulty_like_any_other(place: Place) -> None:
    status, said, _ = await place.call([1, JANE], RECEIVERS)
    assert (status, list(said[0]), said[1]) == (400, ["non_field_errors"], {})
    assert letters(place.campaign) == [(b"1", "not_an_object")]


async def test_what_is_too_large_for_the_topic_is_a_dead_letter(place: Place) -> None:
    place.data.refuse = lambda topic, _: PublishRefused("too large") if topic == TOPIC else None
    status, said, _ = await place.call()
    assert (status, said["code"]) == (400, "ErrRequestBody")
    assert letters(place.data) == [(orjson.dumps(JOHN), "record_too_large")]


async def test_a_dead_letter_tells_when_what_came_and_what_is_wrong_with_it(place: Place) -> None:
    before = time.time()
    await place.call(b'{"id": "1", "city": []}', **{"Content-Type": "text/x-braze"})
    ((_, message),) = place.data.published
    story = {name.removeprefix(PREFIX): (value or b"").decode() for name, value in message.headers}
    assert (story["content-type"], story["detail"][:15]) == ("text/x-braze", "'city' is an ar")
    assert before - 1 < datetime.fromisoformat(story["received-at"]).timestamp() < time.time() + 1


@pytest.mark.parametrize(("body", "what"), [(b"null", "null"), (b"{}", "an object"), (b"[]", "an empty one")])
async def test_what_is_no_array_is_called_by_its_name(place: Place, body: bytes, what: str) -> None:
    _, said, _ = await place.call(body, RECEIVERS)
    assert said["message"] == f"an array of receivers is expected, this is {what}"


@pytest.mark.parametrize(("body", "path"), [(JOHN, DATA), (b"", DATA), ([JANE], RECEIVERS), ([1], RECEIVERS)])
async def test_a_connection_goes_on_after_what_was_read_whole(place: Place, body: object, path: str) -> None:
    _, _, headers = await place.call(body, path)
    assert "Connection" not in headers


def test_every_fault_of_a_receiver_is_told_of_the_field_that_has_it() -> None:
    told = brazeanswer.refused_items([Unsendable(Reason.NO_ADDRESS, "nobody can be reached"), None]).document
    assert told == [{"email": ["nobody can be reached"]}, {}]


# --- who may call


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        (DATA, "Bearer wrong"),
        (DATA, f"Bearer {TOKEN}"),
        (DATA, ""),
        ("/v1/workspaces/w-2/data", f"Bearer {BRAZE_TOKEN}"),
        ("/v1/workspaces/welcome-film/data", f"Bearer {BRAZE_TOKEN}"),
        ("/v1/campaigns/w-1/receivers/", f"Bearer {BRAZE_TOKEN}"),
        (RECEIVERS, "Token wrong"),
    ],
)
async def test_a_wrong_token_and_an_unknown_workspace_get_seens_401(
    place: Place, path: str, authorization: str
) -> None:
    status, said, headers = await place.call(path=path, authorization=authorization)
    assert (status, said) == (401, {"code": "ErrUnauthenticated", "message": "api key invalid"})
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert (place.data.attempts, place.campaign.attempts) == (0, 0)


async def test_brazes_token_announces_no_videos(place: Place) -> None:
    assert (await place.call(VIDEO, "/callbacks/acme"))[0] == 401
    assert place.callbacks.attempts == 0


async def test_wrong_tokens_are_answered_late_after_a_while(place: Place) -> None:
    for _ in range(7):
        await place.call(authorization="Bearer wrong")
    assert place.metrics.registry.get_sample_value("seen_connector_late_refusals_total") == 2
    assert place.counted() == {"unauthenticated": 7}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_method_is_refused(place: Place, method: str) -> None:
    status, _, headers = await place.call(method=method)
    assert (status, headers["Allow"]) == (405, "POST")
    assert place.counted() == {"wrong_method": 1}


@pytest.mark.parametrize("path", [RECEIVERS.rstrip("/"), DATA + "/", "/v1/workspaces/w-1", "/v1"])
async def test_only_seens_own_paths_lead_anywhere(place: Place, path: str) -> None:
    assert (await place.call(path=path))[0] == 404


async def test_the_log_has_the_id_and_neither_token_nor_content(place: Place) -> None:
    with structlog.testing.capture_logs() as lines:
        await place.call()
        await place.call({"first_name": "John"})
        await place.call([JANE], RECEIVERS)
        await place.call({"id": "77", "city": ["Oslo"]})
        await place.call([JANE, {"customer_id": "102", "first_name": "Ada", "last_name": 7}], RECEIVERS)
        place.data.refuse = lambda topic, _: PublishRefused("too large") if topic == TOPIC else None
        await place.call()
    assert [(line["log_level"], line["result"], line["id"], line["detail"]) for line in lines] == [
        ("info", "published", "12345", None),
        ("warning", "dead_lettered", None, "id_missing"),
        ("info", "published", "101", None),
        ("warning", "dead_lettered", None, "mapping_failed"),
        ("warning", "dead_lettered", "102", "bad_field"),
        ("warning", "dead_lettered", "12345", "record_too_large"),
    ]
    assert not any(word in str(lines) for word in ("John", "Jane", BRAZE_TOKEN))


# --- what cannot be made durable


async def test_what_is_not_durable_is_answered_503_with_a_time(place: Place) -> None:
    place.data.refuse = lambda _topic, _message: KafkaUnavailable("away")
    for body in (JOHN, b"no JSON"):
        status, said, headers = await place.call(body)
        assert (status, said["code"], headers["Retry-After"]) == (503, "not_durable", "60")
    assert place.data.published == []
    assert place.counted() == {"not_durable": 2}


@pytest.mark.parametrize("place_of_it", [0, 1, 2])
async def test_an_array_is_taken_when_all_of_it_is_durable(place: Place, place_of_it: int) -> None:
    receivers = [JANE | {"customer_id": str(number)} for number in range(3)]
    lost = str(place_of_it).encode()
    place.campaign.refuse = lambda _, message: KafkaUnavailable("away") if message.key == lost else None
    assert (await place.call(receivers, RECEIVERS))[0] == 503
    assert len(place.campaign.published) == 2


async def test_an_array_is_answered_when_nothing_of_it_is_under_way_any_more(place: Place) -> None:
    """Its place would be free, and its end unknown, while the rest of it is still made durable."""
    held = asyncio.Event()
    publish = place.campaign.publish

    async def slow(topic: str, message: Message) -> Durability:
        if message.key == b"1":
            await held.wait()
        return await publish(topic, message)

    place.campaign.publish = slow  # type: ignore[method-assign]
    place.campaign.refuse = lambda _, message: KafkaUnavailable("away") if message.key == b"0" else None
    receivers = [JANE | {"customer_id": str(number)} for number in range(2)]
    calling = asyncio.create_task(place.call(receivers, RECEIVERS))
    await until(lambda: place.campaign.attempts == 1)
    done, _ = await asyncio.wait([calling], timeout=0.2)
    assert not done
    held.set()
    assert (await calling)[0] == 503


async def test_an_array_of_which_a_part_is_on_disk_is_spooled(place: Place) -> None:
    publish = place.campaign.publish

    async def partly(topic: str, message: Message) -> Durability:
        await publish(topic, message)
        return "spooled" if message.key == b"1" else "published"

    place.campaign.publish = partly  # type: ignore[method-assign]
    receivers = [JANE | {"customer_id": str(number)} for number in range(3)]
    assert (await place.call(receivers, RECEIVERS))[0] == 201
    assert place.counted("film") == {"spooled": 1}


async def test_a_dead_letter_that_is_not_durable_has_the_array_called_again(place: Place) -> None:
    place.campaign.refuse = lambda topic, _: KafkaUnavailable("away") if topic == LETTERS else None
    assert (await place.call([JANE, {}], RECEIVERS))[0] == 503


async def test_a_burst_waits_for_its_turn_and_none_of_it_is_refused(place: Place) -> None:
    place.data.gate.clear()
    calls = [asyncio.create_task(place.call(JOHN | {"id": str(number)})) for number in range(20)]
    await until(lambda: place.data.attempts == LIMITS.max_in_flight)
    await asyncio.sleep(0.05)
    assert place.data.attempts == LIMITS.max_in_flight
    place.data.gate.set()
    assert {(await each)[0] for each in calls} == {201}
    assert {key for key, _ in records(place.data)} == {str(number).encode() for number in range(20)}


async def test_a_call_that_waits_too_long_is_answered_503() -> None:
    async with running(replace(LIMITS, publish_timeout_seconds=0.2, max_in_flight=1)) as place:
        place.data.gate.clear()
        calls = [asyncio.create_task(place.call()) for _ in range(30)]
        async with asyncio.timeout(4):  # one after the other they would take six
            assert {(await each)[0] for each in calls} == {503}
        place.data.gate.set()
        assert (await place.call())[0] == 201


async def test_bodies_beyond_the_room_of_braze_are_answered_503() -> None:
    limits = replace(LIMITS, max_body_bytes=1_000, max_bodies_bytes=3_000)
    async with running(limits) as place:  # a third for callbacks, and one for each of both doors
        place.data.gate.clear()
        large = orjson.dumps(JOHN | {"text": "x" * 600})
        first = asyncio.create_task(place.call(large))
        await until(lambda: place.data.attempts == 1)
        status, said, headers = await place.call(large)
        assert (status, said["code"], headers["Retry-After"]) == (503, "busy", "60")
        place.data.gate.set()
        assert (await first)[0] == 201


async def test_braze_cannot_close_the_door_to_callbacks_nor_they_to_braze(place: Place) -> None:
    place.data.gate.clear()
    flood = [asyncio.create_task(place.call()) for _ in range(20)]
    await until(lambda: place.data.attempts == LIMITS.max_in_flight)
    seen = {"authorization": f"Bearer {TOKEN}"}
    assert (await place.call(VIDEO, "/callbacks/acme", **seen))[0] == 200
    place.callbacks.gate.clear()
    held = [
        asyncio.create_task(place.call(VIDEO, "/callbacks/acme", **seen)) for _ in range(LIMITS.max_in_flight)
    ]
    await until(lambda: place.callbacks.attempts == LIMITS.max_in_flight + 1)
    assert (await place.call([JANE], RECEIVERS))[0] == 201
    place.data.gate.set()
    place.callbacks.gate.set()
    assert {(await each)[0] for each in flood} == {201}
    assert {(await each)[0] for each in held} == {200}


async def test_calls_that_wait_for_their_turn_keep_no_place_from_callbacks() -> None:
    async with running(replace(LIMITS, max_connections=16)) as place:
        place.data.gate.clear()
        flood = [asyncio.create_task(place.call()) for _ in range(16)]
        await until(lambda: place.data.attempts == LIMITS.max_in_flight)
        connections = partial(place.metrics.registry.get_sample_value, "seen_connector_listener_connections")
        await until(lambda: connections() == 16)
        seen = {"authorization": f"Bearer {TOKEN}"}
        assert (await place.call(VIDEO, "/callbacks/acme", **seen))[0] == 200
        place.data.gate.set()
        ended = await asyncio.gather(*flood, return_exceptions=True)
    answered = [each for each in ended if not isinstance(each, BaseException)]
    assert len(answered) == 15
    assert {status for status, _, _ in answered} == {201}


async def test_a_body_that_is_too_large_is_refused_unread(place: Place) -> None:
    status, said, _ = await place.call(b"x" * (LIMITS.max_body_bytes + 1))
    assert (status, said["code"]) == (413, "too_large")
    assert place.counted() == {"too_large": 1}


async def test_without_a_workspace_that_takes_it_there_is_nothing_at_seens_paths() -> None:
    metrics = Metrics("0.1.0")
    listener = Listener({}, host="127.0.0.1", port=0, limits=LIMITS, metrics=metrics, clock=SystemClock())
    await listener.start()
    url = f"http://127.0.0.1:{listener.port}"
    try:
        async with aiohttp.ClientSession() as session:
            for path in (DATA, PROJECT, RECEIVERS):
                async with session.post(url + path, json=JOHN) as response:
                    assert response.status == 404
    finally:
        await listener.stop(2)
