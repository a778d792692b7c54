"""SEEN's API over real HTTP: what each answer becomes, what the permit is told, and what never leaves."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from connector.config.secrets import Redactor
from connector.http import exchange as http
from connector.http.exchange import NoResponse, Response
from connector.sandbox.emulator import Fault, Quota
from connector.seen.auth import StaticToken
from connector.seen.client import SeenClient, SeenEndpoint
from connector.seen.verdict import judge, sight
from connector.testing import FakeClock
from connector.types import Absent, Accepted, InDoubt, Reason, Reject, Remaining, Retry, Suspend
from tests.permits import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.sandbox.emulator import Emulator
    from connector.types import Verdict

TOKEN = "acme-token"
BODY = orjson.dumps({"id": "12345", "first_name": "John"})
CLOCK = FakeClock(wall=1_800_000_000.0)  # 2027-01-15T08:00:00Z


@asynccontextmanager
async def client(
    url: str, *, token: str = TOKEN, timeout_seconds: float = 5.0, max_connections: int = 4
) -> AsyncIterator[SeenClient]:
    redactor = Redactor()
    redactor.add(token)
    endpoint = SeenEndpoint(url, "acme", timeout_seconds, max_connections)
    one = SeenClient(endpoint, StaticToken(lambda: token), CLOCK, redactor.clean)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@pytest.fixture
def permit() -> Permit:
    return Permit()


@pytest.fixture
async def seen(emulator: Emulator) -> AsyncIterator[SeenClient]:
    async with client(emulator.url) as one:
        yield one


# Answers of create data

FAULTS: dict[str, tuple[Fault, type[Verdict], Reason]] = {
    "500 without a code": (Fault(status=500, body="oops"), Retry, Reason.SERVER_ERROR),
    "502": (Fault(status=502, body="<html>", content_type="text/html"), Retry, Reason.UNAVAILABLE),
    "503": (Fault(status=503), Retry, Reason.UNAVAILABLE),
    "a late 201": (Fault(act="none", delay_seconds=0.1), Accepted, Reason.CREATED),
    "204": (Fault(status=204), InDoubt, Reason.UNEXPECTED_ANSWER),
    "201 that is no JSON": (Fault(status=201, body="created"), InDoubt, Reason.UNEXPECTED_ANSWER),
    "409": (Fault(status=409), InDoubt, Reason.CONFLICT),
    "413": (Fault(status=413), Reject, Reason.REFUSED_BY_SEEN),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_answer_ends_the_request_and_has_its_verdict(
    seen: SeenClient, emulator: Emulator, permit: Permit, name: str
) -> None:
    fault, kind, reason = FAULTS[name]
    emulator.fail(fault)
    found = judge(await seen.create(BODY, permit), "12345")
    assert (type(found), found.reason) == (kind, reason)
    assert permit.words == ["answered"]


async def test_a_created_item_is_answered_201_and_is_what_was_sent(
    seen: SeenClient, emulator: Emulator, permit: Permit
) -> None:
    exchange = await seen.create(BODY, permit)
    assert judge(exchange, "12345") == Accepted(reason=Reason.CREATED, status=201)
    assert permit.words == ["answered"]
    item = emulator.item("acme", "12345")
    assert item is not None
    assert item["values"] == {"first_name": "John"}


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        (b"[]", Reason.BAD_REQUEST, "SEEN answered 400 ErrRequestBody (a JSON object is expected)"),
        (b'{"id": 5}', Reason.INVALID_REQUEST, "SEEN answered 500 ErrInvalidRequest (ID must be a string)"),
    ],
)
async def test_what_seen_refuses_is_rejected_in_its_own_words(
    seen: SeenClient, permit: Permit, body: bytes, reason: Reason, words: str
) -> None:
    found = judge(await seen.create(body, permit), "5")
    assert isinstance(found, Reject)
    assert (found.reason, found.detail) == (reason, words)
    assert permit.words == ["answered"]


async def test_over_the_limit_the_page_of_html_is_a_429_and_nothing_else(
    seen: SeenClient, emulator: Emulator, permit: Permit
) -> None:
    emulator.set_quota("acme", Quota(requests=1, per_seconds=60))
    await seen.create(BODY, Permit())
    found = judge(await seen.create(BODY, permit), "12345")
    assert isinstance(found, Retry)
    assert (found.reason, found.hold_seconds) == (Reason.OVER_QUOTA, None)
    assert "<title>429</title>" in found.response
    assert permit.words == ["answered"]


async def test_a_wrong_key_suspends_and_is_read_anew_when_asked(emulator: Emulator, permit: Permit) -> None:
    tokens = ["yesterday", TOKEN]
    one = SeenClient(
        SeenEndpoint(emulator.url, "acme", 5, 4), StaticToken(lambda: tokens.pop(0)), CLOCK, lambda text: text
    )
    await one.start()
    found = judge(await one.create(BODY, permit), "12345")
    assert (type(found), found.reason) == (Suspend, Reason.UNAUTHENTICATED)
    assert permit.words == ["answered"]
    await one.renew_credentials()
    assert isinstance(judge(await one.create(BODY, Permit()), "12345"), Accepted)
    await one.stop()


async def test_a_redirect_is_not_followed(seen: SeenClient, emulator: Emulator, permit: Permit) -> None:
    data = f"{emulator.url}/v1/workspaces/acme/data"
    emulator.fail(Fault(status=307, headers={"Location": data}))
    assert judge(await seen.create(BODY, permit), "12345").reason is Reason.REDIRECTED
    emulator.fail(Fault(status=302, headers={"Location": f"{data}/1"}))
    assert sight(await seen.get("12345", permit), {"id": "12345"}).reason is Reason.REDIRECTED
    assert len(emulator.arrivals()) == 2
    assert permit.words == ["answered", "answered"]


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0), ("soon", None)]
)
async def test_a_retry_after_is_read_from_the_answer(
    seen: SeenClient, emulator: Emulator, permit: Permit, header: str, seconds: float | None
) -> None:
    emulator.fail(Fault(status=503, headers={"Retry-After": header}))
    exchange = await seen.create(BODY, permit)
    assert isinstance(exchange, Response)
    assert exchange.retry_after_seconds == seconds


async def test_what_an_answer_says_is_left_of_the_quota_goes_to_the_permit(
    seen: SeenClient, emulator: Emulator, permit: Permit
) -> None:
    headers = {"X-RateLimit-Remaining": "42", "X-RateLimit-Reset": "7"}
    emulator.fail(Fault(act="none", headers=headers))
    await seen.create(BODY, permit)
    assert permit.remaining == Remaining(42, 7)
    await seen.get("1", permit)
    assert permit.remaining is None


# Look-ups


@pytest.mark.parametrize("key", ["a/b?c#d%20 é..", ".", "..", "%2E", "+"])
async def test_an_item_is_looked_up_by_its_id_whatever_characters_it_has(
    seen: SeenClient, emulator: Emulator, permit: Permit, key: str
) -> None:
    await seen.create(orjson.dumps({"id": key, "name": "Kari"}), Permit())
    assert sight(await seen.get(key, permit), {"id": key, "name": "Kari"}).reason is Reason.FOUND
    assert sight(await seen.get(key, permit), {"id": key, "name": "Ola"}).reason is Reason.NOT_FOUND
    assert permit.words == ["answered", "answered"]
    assert {arrival.id for arrival in emulator.arrivals()} == {key}


async def test_an_item_that_is_not_there_is_absent(seen: SeenClient, permit: Permit) -> None:
    sighting = sight(await seen.get("nobody", permit), {"id": "nobody"})
    assert (type(sighting), sighting.status) == (Absent, 404)
    assert permit.words == ["answered"]


# No answer


@pytest.mark.parametrize("request_kind", ["create", "look_up"])
async def test_a_connection_that_is_refused_sends_nothing(
    emulator: Emulator, seen: SeenClient, permit: Permit, request_kind: str
) -> None:
    await emulator.port.go_down()
    exchange = await (seen.create(BODY, permit) if request_kind == "create" else seen.get("1", permit))
    assert isinstance(exchange, NoResponse)
    assert exchange.fault is http.Fault.NOT_SENT
    assert permit.words == ["unused"]


async def test_a_host_that_does_not_exist_is_one_that_cannot_be_connected_to(permit: Permit) -> None:
    async with client("http://no-such-host.invalid") as one:
        found = judge(await one.create(BODY, permit), "12345")
    assert (type(found), found.reason) == (Retry, Reason.CANNOT_CONNECT)
    assert permit.words == ["unused"]


async def test_a_request_that_gets_no_connection_in_time_sends_nothing(permit: Permit) -> None:
    async with RawServer(silent=True).running() as server:
        secured = server.url.replace("http://", "https://")  # where no handshake is ever answered
        async with client(secured, timeout_seconds=0.2) as one:
            found = judge(await one.create(BODY, permit), "12345")
    assert (type(found), found.reason) == (Retry, Reason.CANNOT_CONNECT)
    assert permit.words == ["unused"]


async def test_a_timeout_after_the_request_was_sent_is_in_doubt_and_its_permit_is_left_without_a_word(
    emulator: Emulator, permit: Permit
) -> None:
    emulator.fail(Fault(act="hang", processed=True))
    async with client(emulator.url, timeout_seconds=1) as one:
        found = judge(await one.create(BODY, permit), "12345")
    assert found == InDoubt(reason=Reason.TIMED_OUT, detail="no answer within 1 s")
    assert permit.words == []
    assert emulator.item("acme", "12345") is not None


@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
@pytest.mark.parametrize(
    "fault",
    [Fault(act="reset", unread=True), Fault(act="reset"), Fault(act="reset", processed=True)],
    ids=["before it is read", "after it is read", "after it is carried out"],
)
async def test_a_reset_is_in_doubt_and_the_permit_is_left_without_a_word(
    seen: SeenClient, emulator: Emulator, permit: Permit, fault: Fault, kept: bool
) -> None:
    if kept:
        await seen.get("nobody", Permit())
    emulator.fail(fault)
    found = judge(await seen.create(BODY, permit), "12345")
    assert (type(found), found.reason) == (InDoubt, Reason.CONNECTION_LOST)
    assert permit.words == []
    assert sum(arrival.method == "POST" for arrival in emulator.arrivals()) == 1
    assert (emulator.item("acme", "12345") is not None) is fault.processed


@pytest.mark.parametrize("fault", [Fault(act="reset"), Fault(act="reset", unread=True)])
async def test_regression_a_look_up_on_a_kept_connection_is_sent_once_for_one_permit(
    seen: SeenClient, emulator: Emulator, permit: Permit, fault: Fault
) -> None:
    await seen.create(BODY, Permit())
    emulator.fail(fault)
    sighting = sight(await seen.get("12345", permit), {"id": "12345"})
    assert (type(sighting), sighting.reason) == (InDoubt, Reason.CONNECTION_LOST)
    assert permit.words == []
    assert len(emulator.arrivals()) == 2


async def test_a_cancelled_request_leaves_its_permit_without_a_word(permit: Permit) -> None:
    async with RawServer(silent=True).running() as server, client(server.url) as one:
        task = asyncio.create_task(one.create(BODY, permit))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert permit.words == []


async def test_a_client_that_was_not_started_says_so(permit: Permit) -> None:
    one = SeenClient(SeenEndpoint("http://127.0.0.1:9", "acme", 1, 1), StaticToken(lambda: TOKEN), CLOCK, str)
    with pytest.raises(RuntimeError, match="not started"):
        await one.create(BODY, permit)
    await one.stop()


# Servers that are not what they should be


class RawServer:
    """Answers every request with `answer`, then with `block` so many times, and closes; or says nothing at all.

    `written` counts the bytes of the blocks that the client's side took.
    """

    def __init__(
        self, answer: bytes = b"", block: bytes = b"", blocks: int = 0, *, silent: bool = False
    ) -> None:
        self._answer = answer
        self._block = block
        self._blocks = blocks
        self._silent = silent
        self.url = ""
        self.written = 0
        self.requests = 0
        self.asked = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._silent:
                await self._listen(reader)
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            writer.write(self._answer)
            for _ in range(self._blocks):
                writer.write(self._block)
                await writer.drain()
                self.written += len(self._block)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            self.asked.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RawServer]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self
        await asyncio.gather(*self._connections)


OK = b"HTTP/1.1 200 OK\r\n"
STRANGE = {
    "nothing": b"",
    "no HTTP": b"<html>\r\n\r\n",
    "half a head": OK + b"Content-Le",
    "a status in words": b"HTTP/1.1 OK fine\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n",
    "a body that ends too early": OK + b"Content-Length: 50\r\n\r\n{}",
    "a length below zero": OK + b"Content-Length: -5\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a header of 20 KB": OK + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    "5,000 headers": OK + b"".join(b"X-%d: a\r\n" % number for number in range(5000)) + b"\r\n",
    "no gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
    "an unknown encoding": OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nabcde",
    "another protocol": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nabc",
    "a redirect to nowhere": b"HTTP/1.1 302 X\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
    "a Retry-After in bytes": b"HTTP/1.1 503 X\r\nRetry-After: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "a cookie of bytes": OK + b"Set-Cookie: \xff=;;;=\r\nContent-Length: 0\r\n\r\n",
    "a type of bytes": OK + b"Content-Type: ;;;\xff charset=nope\r\nContent-Length: 1\r\n\r\n1",
    "an item of another kind": OK + b'Content-Length: 9\r\n\r\n[{}, "1"]',
}


@pytest.mark.parametrize("name", STRANGE)
async def test_whatever_comes_back_is_an_exchange_and_the_event_is_not_taken_for_delivered(
    permit: Permit, name: str
) -> None:
    async with RawServer(STRANGE[name]).running() as server:
        async with client(server.url, timeout_seconds=2) as one:
            created = await one.create(BODY, permit)
        async with client(server.url, timeout_seconds=2) as one:
            found = await one.get("12345", permit)
        assert server.requests == 2
    assert not isinstance(judge(created, "12345"), Accepted | Reject)
    assert not isinstance(sight(found, orjson.loads(BODY)), Accepted | Absent)
    assert "unused" not in permit.words


@pytest.mark.parametrize(
    "date",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Fri, 15 Jan 2027 08:00:00 +99999999999999999999"],
)
async def test_regression_a_retry_after_beyond_all_calendars_is_ignored(permit: Permit, date: str) -> None:
    head = f"HTTP/1.1 503 X\r\nRetry-After: {date}\r\nContent-Length: 0\r\n\r\n"
    async with RawServer(head.encode()).running() as server, client(server.url) as one:
        found = judge(await one.create(BODY, permit), "12345")
    assert isinstance(found, Retry)
    assert found.hold_seconds is None


CAP = 4 * 1024 * 1024


@pytest.mark.parametrize("length", [b"Content-Length: 1073741824\r\n", b""], ids=["1 GB", "endless"])
async def test_a_body_over_the_cap_is_not_read_whole(permit: Permit, length: bytes) -> None:
    raw = RawServer(OK + length + b"\r\n", b"x" * 65_536, 16_384)
    async with raw.running() as server, client(server.url, timeout_seconds=20) as one:
        exchange = await one.create(BODY, permit)
    assert isinstance(exchange, Response)
    assert CAP <= len(exchange.body) < 2 * CAP
    assert raw.written < 16 * CAP
    assert judge(exchange, "12345").reason is Reason.UNEXPECTED_ANSWER
    assert permit.words == ["answered"]


async def test_a_small_body_that_unpacks_to_200_mb_is_not_unpacked_whole(permit: Permit) -> None:
    packed = gzip.compress(bytes(200_000_000), 1)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with RawServer(head + packed).running() as server, client(server.url) as one:
        exchange = await one.create(BODY, permit)
    assert isinstance(exchange, Response)
    assert len(exchange.body) < 2 * CAP


# What is said


@pytest.mark.parametrize("before", ["", "x" * 2040, "é" * 2040, "€" * 1360, "\U0001f600" * 1020])
async def test_regression_no_part_of_a_secret_is_in_the_excerpt_wherever_it_lies(
    emulator: Emulator, permit: Permit, before: str
) -> None:
    token = "s3cr3t-" * 40
    emulator.fail(Fault(status=500, body=before + token))
    async with client(emulator.url, token=token) as one:
        exchange = await one.create(BODY, permit)
    assert isinstance(exchange, Response)
    assert "s3cr3t" not in exchange.excerpt
    assert exchange.excerpt.startswith(before[:2048])
    assert len(exchange.excerpt) <= 2048


async def test_no_secret_is_in_the_detail_of_a_request_that_got_no_answer(permit: Permit) -> None:
    secret = "acme-secret"
    for answer in (b"HTTP/1.1 %s\r\n\r\n" % secret.encode(), b"%s\r\n\r\n" % secret.encode()):
        async with RawServer(answer).running() as server, client(server.url, token=secret) as one:
            exchange = await one.create(BODY, permit)
        assert isinstance(exchange, NoResponse)
        assert secret not in exchange.detail
        assert "John" not in exchange.detail


@pytest.mark.parametrize(
    ("base_url", "workspace", "url"),
    [
        ("https://next.seen.io", "a-1", "https://next.seen.io/v1/workspaces/a-1/data"),
        ("https://next.seen.io/", "a-1", "https://next.seen.io/v1/workspaces/a-1/data"),
        ("http://proxy.example/seen", "a/b", "http://proxy.example/seen/v1/workspaces/a%2Fb/data"),
    ],
)
def test_data_has_the_address_that_seen_documents(base_url: str, workspace: str, url: str) -> None:
    assert SeenEndpoint(base_url, workspace, 30, 1).create_url == URL(url, encoded=True)


# The right to send


@pytest.mark.parametrize("method", ["create", "get"])
async def test_a_request_leaves_only_if_it_still_may_when_the_connection_is_there(
    emulator: Emulator, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    permit = Permit()
    connect = aiohttp.TCPConnector.connect

    async def lease_ends_meanwhile(connector: aiohttp.TCPConnector, *rest: Any, **more: Any) -> Any:
        connected = await connect(connector, *rest, **more)
        permit.granted = 0
        return connected

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", lease_ends_meanwhile)
    async with client(emulator.url) as one:
        exchange = await (one.get("1", permit) if method == "get" else one.create(b'{"id": "1"}', permit))
    assert exchange == NoResponse(http.Fault.FENCED, "the right to send ended before the request was written")
    assert permit.words == ["unused"]
    assert emulator.arrivals() == []


async def test_a_look_up_has_neither_content_nor_a_type_of_it() -> None:
    """What asks whether it may leave is a body of nothing."""
    seen: list[tuple[str, str | None, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append((request.method, headers.get("Content-Length"), headers.get("Content-Type")))
        return web.Response()

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server, client(str(server.make_url("/"))) as one:
        await one.get("1", Permit())
    assert seen == [("GET", "0", None)]
