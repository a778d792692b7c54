"""The listener over real HTTP on the loopback; where bytes on the wire matter, over a bare socket."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
import structlog

from connector.clock import SystemClock
from connector.deadletter import PREFIX
from connector.errors import KafkaUnavailable, PublishRefused, SpoolUnavailable
from connector.inbound.auth import BasicAuth, TokenAuth
from connector.inbound.limits import Limits
from connector.inbound.listener import Listener
from connector.inbound.peers import Peers
from connector.labels import CALLBACK_RESULTS
from connector.metrics import Metrics
from connector.types import ViewerAct
from tests.doors import door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from connector.inbound.taken import Durability
    from connector.inbound.tokenendpoint import TokenEndpoint
    from connector.types import Message

TOKEN = "a-callback-token"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
VIDEO = {"id": "12345", "player_url": "https://player.seen.io/v/x"}
LIMITS = Limits(max_body_bytes=100_000, body_timeout_seconds=5, publish_timeout_seconds=5, max_in_flight=2)
TEN_MB = 10_000_000


class Recorder:
    """A publisher that remembers; `refuse` raises what a test wants, `gate` holds acknowledgements back."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Message]] = []
        self.attempts = 0
        self.refuse: Callable[[str, Message], Exception | None] = lambda _topic, _message: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.durability: Durability = "published"

    async def publish(self, topic: str, message: Message) -> Durability:
        self.attempts += 1
        await self.gate.wait()
        error = self.refuse(topic, message)
        if error is not None:
            raise error
        self.published.append((topic, message))
        return self.durability


class Place:
    """A running listener with two doors, `acme` (a token) and `bolt` (Basic), and one way to call it."""

    def __init__(self, limits: Limits, *proxies: str) -> None:
        self.acme, self.bolt = Recorder(), Recorder()
        self.metrics = Metrics("0.1.0")
        self.doors = {
            "acme": door("acme", TokenAuth((TOKEN,)), self.acme, self.metrics, viewers=True),
            "bolt": door("bolt", BasicAuth((("seen", "pw"),)), self.bolt, self.metrics),
        }
        self.clock = SystemClock()
        self.listen(limits, *proxies)

    def listen(self, limits: Limits, *proxies: str, tokens: TokenEndpoint | None = None) -> None:
        """Makes the listener, which is not started yet."""
        self.listener = Listener(
            self.doors,
            host="127.0.0.1",
            port=0,
            limits=limits,
            metrics=self.metrics,
            clock=self.clock,
            peers=Peers(proxies),
            tokens=tokens,
        )

    async def call(
        self, body: object = VIDEO, path: str = "/callbacks/acme", method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = RIGHT | {"Content-Type": "application/json"} | headers
        url = f"http://127.0.0.1:{self.listener.port}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=io.BytesIO(data), headers=sent) as response,
        ):
            text = await response.read()
            return response.status, orjson.loads(text) if text else {}, dict(response.headers)

    def counted(self, workspace: str = "acme") -> dict[str, float]:
        found = {
            result: self.metrics.registry.get_sample_value(
                "seen_connector_callbacks_total", {"workspace": workspace, "result": result}
            )
            for result in CALLBACK_RESULTS
        }
        return {result: count for result, count in found.items() if count}


@asynccontextmanager
async def running(limits: Limits, *proxies: str) -> AsyncIterator[Place]:
    place = Place(limits, *proxies)
    await place.listener.start()
    try:
        yield place
    finally:
        await place.listener.stop(2)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running(LIMITS) as place:
        yield place


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for is on the other side of a socket
            await asyncio.sleep(0.01)


class Wire:
    """A bare connection: it sends what a test writes, and nothing more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, path: str, *headers: str, body: bytes = b"") -> None:
        head = "\r\n".join((f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""))
        self.writer.write(head.encode() + body)
        await self.writer.drain()

    async def status(self) -> int:
        """The status of the next response, whose head is read."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ")[1])

    async def rest(self) -> bytes:
        """All that comes until the listener closes the connection."""
        async with asyncio.timeout(5):
            return await self.reader.read()


@asynccontextmanager
async def wire(place: Place, address: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """A connection from `address`, which is one of the loopback's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.listener.port, local_addr=(address, 0))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


BEARER = f"Authorization: Bearer {TOKEN}"
JSON = "Content-Type: application/json"


# --- what is taken


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_callback_is_published_and_answered_200(place: Place, method: str) -> None:
    status, body, _ = await place.call(method=method)
    assert (status, body["result"]) == (200, "published")
    [(topic, message)] = place.acme.published
    assert topic == "seen.acme.videos"
    assert message.key == b"12345"
    assert place.counted() == {"published": 1}


async def test_a_callback_on_disk_is_answered_202_whatever_it_will_become(place: Place) -> None:
    place.acme.durability = "spooled"
    status, body, _ = await place.call()
    assert (status, body["result"]) == (202, "spooled")
    status, body, _ = await place.call(b"no JSON")
    assert (status, body["result"]) == (202, "dead_lettered")
    assert place.counted() == {"spooled": 1, "dead_lettered": 1}


async def test_a_callback_that_the_spool_does_not_take_is_answered_503_with_a_time(place: Place) -> None:
    place.acme.refuse = lambda _topic, _message: SpoolUnavailable("the spool is full")
    status, body, headers = await place.call()
    assert (status, body["code"], headers["Retry-After"]) == (503, "not_durable", "60")
    assert place.counted() == {"not_durable": 1}


async def test_basic_credentials_open_a_door_that_asks_for_them(place: Place) -> None:
    right = "Basic " + base64.b64encode(b"seen:pw").decode()
    assert (await place.call(path="/callbacks/bolt", Authorization=right))[0] == 200
    assert (await place.call(path="/callbacks/bolt"))[0] == 401
    assert place.counted("bolt") == {"published": 1, "unauthenticated": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"customer_id": "1"}, b"callback_without_id"),
        ([VIDEO], b"callback_not_an_object"),
        (b"<xml/>", b"callback_not_json"),
        (b"", b"callback_not_json"),
        ({"id": "1", "player_url": 3}, b"callback_mapping_failed"),
    ],
)
async def test_a_callback_of_a_foreign_shape_is_dead_lettered_whole_and_answered_200(
    place: Place, body: object, reason: bytes
) -> None:
    status, reply, _ = await place.call(body)
    assert (status, reply["result"]) == (200, "dead_lettered")
    [(topic, letter)] = place.acme.published
    assert topic == "seen.acme.dead-letters"
    assert letter.value == (body if isinstance(body, bytes) else orjson.dumps(body))
    assert dict(letter.headers)[PREFIX + "reason"] == reason
    assert not any(TOKEN.encode() in (value or b"") for _, value in letter.headers)
    assert place.counted() == {"dead_lettered": 1}


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/vnd.seen+json", "text/json"],
)
async def test_any_content_type_that_means_json_is_taken(place: Place, content_type: str) -> None:
    assert (await place.call(**{"Content-Type": content_type}))[0] == 200


async def test_a_call_that_names_no_content_type_is_taken(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, "Content-Length: 10", body=b'{"id":"1"}')
        assert await line.status() == 200


async def test_a_body_in_chunks_is_taken(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Transfer-Encoding: chunked", body=b'4\r\n{"id\r\n')
        line.writer.write(b'6\r\n":"1"}\r\n0\r\n\r\n')
        assert await line.status() == 200
    assert [message.key for _, message in place.acme.published] == [b"1"]


async def test_regression_a_trailer_of_one_call_is_no_header_of_the_next(place: Place) -> None:
    async with wire(place) as line:
        await line.send(
            "/callbacks/acme", BEARER, JSON, "Transfer-Encoding: chunked", body=b'a\r\n{"id":"1"}\r\n'
        )
        line.writer.write(b"0\r\nAuthorization: Bearer wrong\r\n\r\n")
        await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 10", body=b'{"id":"2"}')
        answers = await line.rest()
    assert answers.count(b"HTTP/1.1 200 OK") == answers.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answers  # so no other call comes behind the trailer


# --- who may call


@pytest.mark.parametrize("path", ["/callbacks/acme", "/callbacks/no-such-workspace"])
async def test_a_wrong_token_and_an_unknown_workspace_get_the_same_answer(place: Place, path: str) -> None:
    status, body, headers = await place.call(path=path, Authorization="Bearer wrong")
    assert status == 401
    assert body == {
        "code": "unauthenticated",
        "message": "the workspace is unknown or the credentials are wrong",
    }
    assert "Bearer" in headers["WWW-Authenticate"]
    assert place.acme.attempts == 0


async def test_the_right_token_of_one_workspace_does_not_open_another(place: Place) -> None:
    assert (await place.call(path="/callbacks/bolt"))[0] == 401


async def test_calls_for_unknown_workspaces_are_counted_together(place: Place) -> None:
    for name in ("a", "b"):
        await place.call(path=f"/callbacks/{name}")
    assert place.metrics.registry.get_sample_value("seen_connector_callbacks_unknown_workspace_total") == 2
    assert b'workspace="a"' not in place.metrics.exposition()


async def test_a_wrong_token_is_refused_before_the_body_is_read(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", "Authorization: Bearer wrong", JSON, "Content-Length: 50000")
        assert await line.status() == 401
        await line.rest()  # it closes: what would follow is not a request
    assert place.counted() == {"unauthenticated": 1}


async def test_a_caller_that_asks_before_it_sends_is_told_to_go_on_only_if_it_may(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", JSON, "Content-Length: 10", "Expect: 100-continue")
        assert await line.status() == 401
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 10", "Expect: 100-continue")
        assert await line.status() == 100
        line.writer.write(b'{"id":"1"}')
        assert await line.status() == 200


# --- how large, how slow, how many


@pytest.mark.parametrize("authorization", [BEARER, "Authorization: Bearer wrong"])
async def test_ten_megabytes_are_refused_without_a_byte_of_them_being_sent(
    place: Place, authorization: str
) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", authorization, JSON, f"Content-Length: {TEN_MB}")
        assert await line.status() == 413
        assert orjson.loads(await line.rest())["code"] == "too_large"
    assert place.counted() == {"too_large": 1}


async def test_a_caller_that_sends_ten_megabytes_sees_the_413_and_not_a_reset(place: Place) -> None:
    status, body, headers = await place.call(b"x" * TEN_MB)
    assert (status, body["code"]) == (413, "too_large")
    assert headers["Connection"] == "close"


async def test_a_body_in_chunks_is_capped_while_it_is_read(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Transfer-Encoding: chunked")
        line.writer.write(b"186A1\r\n" + b"x" * 100_001)  # no end of it: the answer does not wait for one
        assert await line.status() == 413
    assert place.acme.attempts == 0


async def test_a_body_of_exactly_the_cap_is_taken(place: Place) -> None:
    body = b'{"id":"1","x":"' + b"x" * (100_000 - 17) + b'"}'
    assert len(body) == LIMITS.max_body_bytes
    assert (await place.call(body))[0] == 200


async def test_a_compressed_body_is_refused_and_never_inflated(place: Place) -> None:
    bomb = gzip.compress(b" " * TEN_MB)
    status, body, _ = await place.call(bomb, **{"Content-Encoding": "gzip"})
    assert (status, body["code"]) == (415, "wrong_type")
    assert place.acme.attempts == 0


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
async def test_a_content_type_that_is_not_json_is_refused(place: Place, content_type: str) -> None:
    status, body, _ = await place.call(**{"Content-Type": content_type})
    assert (status, body["code"]) == (415, "wrong_type")
    assert place.counted() == {"wrong_type": 1}


async def test_a_body_that_comes_too_slowly_is_given_up() -> None:
    async with running(Limits(body_timeout_seconds=0.1)) as place, wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 100", body=b"{")
        assert await line.status() == 408
        assert orjson.loads(await line.rest())["code"] == "timed_out"
        assert place.counted() == {"timed_out": 1}


async def test_a_caller_that_hangs_up_in_its_body_publishes_nothing(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 10", body=b'{"id"')
    await until(lambda: place.counted() == {"cut_off": 1})
    assert place.acme.attempts == 0


async def test_chunks_that_are_malformed_publish_nothing(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Transfer-Encoding: chunked", body=b"4\r\n{}{}\r\n")
        line.writer.write(b"zz\r\n")
        assert await line.status() == 400
    assert place.acme.attempts == 0


async def test_a_workspace_with_too_many_calls_at_once_does_not_close_the_door_to_another(
    place: Place,
) -> None:
    place.acme.gate.clear()
    waiting = [asyncio.create_task(place.call(), name=f"call {n}") for n in range(2)]
    await until(lambda: place.acme.attempts == 2)
    status, body, headers = await place.call()
    assert (status, body["code"], headers["Retry-After"]) == (503, "busy", "60")
    basic = "Basic " + base64.b64encode(b"seen:pw").decode()
    assert (await place.call(path="/callbacks/bolt", Authorization=basic))[0] == 200
    place.acme.gate.set()
    assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200, 200]
    assert (await place.call())[0] == 200
    assert place.counted() == {"published": 3, "busy": 1}


# --- durable or not


@pytest.mark.parametrize("body", [VIDEO, b"no json"])
async def test_a_callback_that_kafka_does_not_acknowledge_is_never_answered_2xx(
    place: Place, body: object
) -> None:
    place.acme.refuse = lambda _topic, _message: KafkaUnavailable("no acknowledgement")
    status, reply, headers = await place.call(body)
    assert (status, reply["code"], headers["Retry-After"]) == (503, "not_durable", "60")
    assert place.counted() == {"not_durable": 1}


async def test_a_publication_that_hangs_is_given_up() -> None:
    async with running(Limits(publish_timeout_seconds=0.1)) as place:
        place.acme.gate.clear()
        assert (await place.call())[0] == 503
        assert place.counted() == {"not_durable": 1}


async def test_a_bug_in_the_publisher_is_not_a_2xx_either(place: Place) -> None:
    place.acme.refuse = lambda _topic, _message: ZeroDivisionError()
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 10", body=b'{"id":"1"}')
        assert await line.status() == 500


async def test_the_answer_waits_for_the_acknowledgement(place: Place) -> None:
    place.acme.gate.clear()
    call = asyncio.create_task(place.call(), name="call")
    await until(lambda: place.acme.attempts == 1)
    await asyncio.sleep(0.05)
    assert not call.done()
    place.acme.gate.set()
    assert (await call)[0] == 200


async def test_a_video_too_large_for_its_topic_is_dead_lettered(place: Place) -> None:
    place.acme.refuse = lambda topic, _message: PublishRefused("too large") if "videos" in topic else None
    status, reply, _ = await place.call()
    assert (status, reply["result"]) == (200, "dead_lettered")
    [(topic, letter)] = place.acme.published
    assert topic == "seen.acme.dead-letters"
    assert letter.value == orjson.dumps(VIDEO)
    assert dict(letter.headers)[PREFIX + "reason"] == b"callback_too_large"


async def test_a_dead_letter_too_large_for_its_topic_is_written_without_the_body(place: Place) -> None:
    place.acme.refuse = lambda _topic, message: PublishRefused("too large") if message.value else None
    assert (await place.call())[0] == 200
    [(_, letter)] = place.acme.published
    assert letter.value == b""
    assert dict(letter.headers)[PREFIX + "value"] == b"omitted"


async def test_where_not_even_that_fits_the_call_is_not_taken(place: Place) -> None:
    place.acme.refuse = lambda _topic, _message: PublishRefused("too large")
    assert (await place.call())[0] == 503


# --- what viewers do

VIEWER = "/callbacks/acme/viewer"
PLAYED = b'{ "event": "video-played", "id": "7" }'


def viewers_counted(place: Place) -> dict[str, float]:
    counted = {
        act.value: place.metrics.registry.get_sample_value(
            "seen_connector_viewer_events_total", {"workspace": "acme", "event": act}
        )
        for act in ViewerAct
    }
    return {act: count for act, count in counted.items() if count}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_viewer_event_is_published_as_it_came_and_answered_200(place: Place, method: str) -> None:
    status, body, _ = await place.call(PLAYED, VIEWER, method)
    assert (status, body["result"]) == (200, "published")
    [(topic, message)] = place.acme.published
    assert (topic, message.key, message.value) == ("seen.acme.viewers", b"7", PLAYED)
    assert dict(message.headers)["ce_type"] == b"seen.viewer.video-played.v1"
    assert place.counted() == {"published": 1}
    assert viewers_counted(place) == {"video-played": 1}


async def test_a_viewer_event_on_disk_is_answered_202_and_one_that_nothing_takes_503(place: Place) -> None:
    place.acme.durability = "spooled"
    assert (await place.call(PLAYED, VIEWER))[0] == 202
    place.acme.refuse = lambda _topic, _message: SpoolUnavailable("the spool is full")
    status, body, headers = await place.call(PLAYED, VIEWER)
    assert (status, body["code"], headers["Retry-After"]) == (503, "not_durable", "60")
    assert place.counted() == {"spooled": 1, "not_durable": 1}
    assert viewers_counted(place) == {"video-played": 1}


async def test_a_viewer_event_that_is_no_json_is_dead_lettered_and_answered_200(place: Place) -> None:
    status, body, _ = await place.call(b"event=video-played", VIEWER)
    assert (status, body["result"]) == (200, "dead_lettered")
    [(topic, letter)] = place.acme.published
    assert (topic, letter.value) == ("seen.acme.dead-letters", b"event=video-played")
    assert dict(letter.headers)[PREFIX + "reason"] == b"callback_not_json"
    assert (place.counted(), viewers_counted(place)) == ({"dead_lettered": 1}, {})


async def test_a_viewer_event_too_large_for_its_topic_is_dead_lettered(place: Place) -> None:
    place.acme.refuse = lambda topic, _message: PublishRefused("too large") if "viewers" in topic else None
    assert (await place.call(PLAYED, VIEWER))[1]["result"] == "dead_lettered"
    [(topic, letter)] = place.acme.published
    assert (topic, letter.value) == ("seen.acme.dead-letters", PLAYED)
    assert dict(letter.headers)[PREFIX + "reason"] == b"callback_too_large"


async def test_a_workspace_without_a_topic_for_them_says_so_to_those_who_may_call(place: Place) -> None:
    basic = "Basic " + base64.b64encode(b"seen:pw").decode()
    status, body, _ = await place.call(PLAYED, "/callbacks/bolt/viewer", Authorization=basic)
    assert (status, body["code"]) == (404, "no_viewer_events")
    assert "this workspace takes no viewer events" in body["message"]
    assert place.counted("bolt") == {"no_viewer_events": 1}
    assert place.bolt.attempts == 0


@pytest.mark.parametrize("workspace", ["acme", "bolt", "nobody"])
async def test_whoever_may_not_call_is_not_told_which_workspaces_take_viewer_events(
    place: Place, workspace: str
) -> None:
    status, body, _ = await place.call(PLAYED, f"/callbacks/{workspace}/viewer", Authorization="Bearer wrong")
    assert (status, body["code"]) == (401, "unauthenticated")
    assert place.acme.attempts == 0


async def test_a_viewer_event_is_refused_for_the_same_reasons_as_a_callback(place: Place) -> None:
    assert (await place.call(PLAYED, VIEWER, "GET"))[0] == 405
    assert (await place.call(b"x" * TEN_MB, VIEWER))[0] == 413
    assert (await place.call(PLAYED, VIEWER, **{"Content-Encoding": "gzip"}))[0] == 415
    assert (await place.call(PLAYED, VIEWER, **{"Content-Type": "text/plain"}))[0] == 415
    assert place.acme.attempts == 0


async def test_what_viewers_do_does_not_close_the_door_to_videos(place: Place) -> None:
    place.acme.gate.clear()
    waiting = [asyncio.create_task(place.call(PLAYED, VIEWER), name=f"call {n}") for n in range(2)]
    await until(lambda: place.acme.attempts == 2)
    assert (await place.call(PLAYED, VIEWER))[1]["code"] == "busy"
    video = asyncio.create_task(place.call(), name="video")
    await until(lambda: place.acme.attempts == 3)
    place.acme.gate.set()
    assert [status for status, _, _ in await asyncio.gather(*waiting, video)] == [200, 200, 200]


# --- everything else


@pytest.mark.parametrize("path", ["/", "/callbacks", "/callbacks/acme/viewers", "/oauth2/token", "/healthz"])
async def test_nothing_is_at_any_other_path(place: Place, path: str) -> None:
    status, body, _ = await place.call(path=path)
    assert (status, body["code"]) == (404, "not_found")


@pytest.mark.parametrize("target", ["CONNECT seen.io:443", "CONNECT /callbacks/acme", "OPTIONS *"])
async def test_regression_what_names_no_path_is_told_in_our_words_logged_and_left(
    place: Place, target: str
) -> None:
    with structlog.testing.capture_logs() as lines:
        async with wire(place) as line:
            line.writer.write(f"{target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            reply = await line.rest()
    assert reply.startswith(b"HTTP/1.1 404 ")
    assert orjson.loads(reply.partition(b"\r\n\r\n")[2])["code"] == "not_found"
    assert [line["result"] for line in lines] == ["not_found"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused_and_told_which_to_use(place: Place, method: str) -> None:
    status, body, headers = await place.call(method=method)
    assert (status, body["code"], headers["Allow"]) == (405, "wrong_method", "POST, PUT, PATCH")


async def test_a_head_of_unreasonable_size_is_refused(place: Place) -> None:
    async with wire(place) as line:
        await line.send("/callbacks/acme", BEARER, "X-Large: " + "x" * 100_000)
        assert await line.status() == 400
        assert orjson.loads(await line.rest())["code"] == "malformed"


async def test_a_connection_serves_one_callback_after_another(place: Place) -> None:
    async with wire(place) as line:
        for _ in range(3):
            await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 10", body=b'{"id":"1"}')
            assert await line.status() == 200
            await line.reader.readuntil(b"}")
    assert len(place.acme.published) == 3


async def test_a_door_that_is_closed_while_it_runs_is_unknown_at_once(place: Place) -> None:
    del place.doors["acme"]
    assert (await place.call())[0] == 401


async def test_each_call_is_one_line_in_the_log_without_its_secrets_and_contents(place: Place) -> None:
    with structlog.testing.capture_logs() as lines:
        await place.call(path="/callbacks/acme?token=in-the-query")
        await place.call(Authorization="Bearer wr0ng")
        await place.call(b"a private body")
    assert [(line["status"], line["result"], line["id"]) for line in lines] == [
        (200, "published", "12345"),
        (401, "unauthenticated", None),
        (200, "dead_lettered", None),
    ]
    assert {line["event"] for line in lines} == {"callback_answered"}
    assert lines[0]["workspace"] == "acme"
    assert lines[0]["path"] == "/callbacks/acme"
    assert lines[0]["remote"] == "127.0.0.1"
    assert lines[2]["detail"] == "callback_not_json"
    for secret in (TOKEN, "in-the-query", "wr0ng", "private", "player.seen.io"):
        assert secret not in repr(lines)


async def test_stopping_lets_the_calls_under_way_end() -> None:
    async with running(LIMITS) as place:
        place.acme.gate.clear()
        call = asyncio.create_task(place.call(), name="call")
        await until(lambda: place.acme.attempts == 1)
        stop = asyncio.create_task(place.listener.stop(10), name="stop")
        await asyncio.sleep(0.05)
        place.acme.gate.set()
        status, _, headers = await call
        assert (status, headers["Connection"]) == (200, "close")
        await stop


async def test_stopping_cancels_unanswered_what_does_not_end_in_time() -> None:
    async with running(LIMITS) as place:
        place.acme.gate.clear()
        call = asyncio.create_task(place.call(), name="call")
        await until(lambda: place.acme.attempts == 1)
        async with asyncio.timeout(10):
            await place.listener.stop(0)
        with pytest.raises(aiohttp.ClientError):
            await call


async def test_the_port_is_known_only_while_it_listens(place: Place) -> None:
    await place.listener.stop(0)
    with pytest.raises(RuntimeError, match="not been started"):
        _ = place.listener.port


async def test_an_address_in_use_is_an_error_of_the_operating_system(place: Place) -> None:
    second = Listener(
        {},
        host="127.0.0.1",
        port=place.listener.port,
        limits=LIMITS,
        metrics=Metrics("0"),
        clock=SystemClock(),
    )
    with pytest.raises(OSError, match="in use"):
        await second.start()


async def test_no_answer_names_what_the_listener_is_made_of(place: Place) -> None:
    for path in ("/callbacks/acme", "/nowhere"):
        _, _, headers = await place.call(path=path)
        assert headers["Server"] == "seen-connector"
