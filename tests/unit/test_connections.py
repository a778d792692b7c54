"""The listener's edge, over bare sockets of the loopback: how many connections, how slow, how much, and the rest is served."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import structlog
import uvloop

from connector.inbound import accesslog, connections
from connector.inbound.accesslog import MOST_AT_ONCE, Noise
from connector.inbound.auth import NoAuth, Proof, TokenAuth
from connector.inbound.limits import Limits
from connector.inbound.room import Room
from connector.inbound.slowing import Slowing
from connector.metrics import Metrics
from connector.testing import FakeClock
from tests.unit.test_listener import BEARER, JSON, TOKEN, Wire, running, until, wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from connector.inbound.auth import Authenticator
    from tests.unit.test_listener import Place

VIDEO = b'{"id":"1"}'
WHOLE = (BEARER, JSON, "Content-Length: 10")


async def call(line: Wire) -> int:
    await line.send("/callbacks/acme", *WHOLE, body=VIDEO)
    return await line.status()


async def served(place: Place, address: str = "127.0.0.1") -> int:
    """What a caller with a right secret is told who comes now."""
    async with wire(place, address) as line:
        return await call(line)


@asynccontextmanager
async def many(place: Place, count: int, address: str = "127.0.0.1") -> AsyncIterator[list[Wire]]:
    async with AsyncExitStack() as open_:
        yield [await open_.enter_async_context(wire(place, address)) for _ in range(count)]


async def is_closed(line: Wire) -> bool:
    with suppress(ConnectionError):
        return not await line.rest()
    return True


def cut(place: Place, cause: str) -> float | None:
    return place.metrics.registry.get_sample_value("seen_connector_connections_cut_total", {"cause": cause})


def opened(place: Place) -> float | None:
    return place.metrics.registry.get_sample_value("seen_connector_listener_connections")


# --- how many


async def test_there_are_never_more_connections_than_places_and_a_right_secret_gets_in() -> None:
    async with running(Limits(max_connections=20)) as place, many(place, 60) as idle:
        assert await served(place) == 200
        assert cut(place, "displaced") == 41
        assert opened(place) is not None
        assert await is_closed(idle[0])
        assert await call(idle[-1]) == 200
    await until(lambda: opened(place) == 0)


async def test_who_opens_many_connections_closes_its_own() -> None:
    limits = Limits(max_connections=20)
    async with running(limits) as place, wire(place, "127.0.0.2") as seen, many(place, 60):
        assert await call(seen) == 200
        assert await served(place, "127.0.0.2") == 200


async def test_a_newcomer_is_turned_away_only_where_calls_that_are_made_durable_take_every_place() -> None:
    async with running(Limits(max_connections=2, max_in_flight=9)) as place, many(place, 2) as calling:
        place.acme.gate.clear()
        for line in calling:
            await line.send("/callbacks/acme", *WHOLE, body=VIDEO)
        await until(lambda: place.acme.attempts == 2)
        async with wire(place) as newcomer:
            assert await is_closed(newcomer)
        assert (cut(place, "no_place"), cut(place, "displaced")) == (1, 0)
        place.acme.gate.set()
        assert [await line.status() for line in calling] == [200, 200]
        assert await served(place) == 200


async def test_one_address_cannot_take_all_places() -> None:
    limits = Limits(max_connections=20, max_connections_per_address=5)
    async with running(limits) as place, many(place, 8), many(place, 5, "127.0.0.2") as others:
        await until(lambda: opened(place) == 10)
        assert cut(place, "displaced") == 3
        assert [await call(line) for line in others] == [200] * 5


async def test_calls_that_are_made_durable_do_not_count_against_their_address() -> None:
    limits = Limits(max_connections_per_address=2, max_in_flight=9)
    async with running(limits) as place, AsyncExitStack() as open_:
        place.acme.gate.clear()
        calling = []
        for count in range(1, 7):
            calling.append(await open_.enter_async_context(wire(place)))
            await calling[-1].send("/callbacks/acme", *WHOLE, body=VIDEO)
            await until(lambda expected=count: place.acme.attempts == expected)  # type: ignore[misc]
        place.acme.gate.set()
        assert [await line.status() for line in calling] == [200] * 6


async def test_a_trusted_proxy_has_no_limit_of_its_own() -> None:
    limits = Limits(max_connections_per_address=2)
    async with running(limits, "127.0.0.0/8") as place, many(place, 6) as lines:
        assert [await call(line) for line in lines] == [200] * 6


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_it_lives_on_when_there_were_no_more_files_to_open(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def exhaust() -> None:
        async with running(Limits()) as place:
            assert await served(place) == 200
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
            clients: list[socket.socket] = []
            try:
                with suppress(OSError):
                    while len(clients) < 100:
                        clients.append(socket.create_connection(("127.0.0.1", place.listener.port)))
                assert 0 < len(clients) < 100
                await asyncio.sleep(0.2)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for client in clients:
                    client.close()
            assert await served(place) == 200

    run(exhaust())


# --- how slow


async def drip(line: Wire, content: bytes) -> None:
    """Sends a byte now and then, until it is cut off."""
    with suppress(ConnectionError):
        for byte in content:
            line.writer.write(bytes([byte]))
            await line.writer.drain()
            await asyncio.sleep(0.05)


HEAD = b"POST /callbacks/acme HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 400


@pytest.mark.parametrize("content", [b"", HEAD], ids=["silent", "a byte now and then"])
async def test_a_head_that_does_not_get_whole_in_time_is_cut_off(content: bytes) -> None:
    async with running(Limits(head_timeout_seconds=0.3)) as place, wire(place) as line:
        dripping = asyncio.create_task(drip(line, content), name="drip")
        assert await is_closed(line)
        assert cut(place, "slow_head") == 1
        dripping.cancel()


async def test_a_second_head_is_due_from_its_first_byte_and_not_from_the_answer_before() -> None:
    async with running(Limits(head_timeout_seconds=0.3)) as place, wire(place) as line:
        assert await call(line) == 200
        await line.reader.readuntil(b"}")
        await asyncio.sleep(1.2)
        assert await call(line) == 200
        await line.reader.readuntil(b"}")
        dripping = asyncio.create_task(drip(line, HEAD), name="drip")
        assert await is_closed(line)
        assert cut(place, "slow_head") == 1
        dripping.cancel()


async def test_a_connection_that_is_idle_too_long_is_closed() -> None:
    async with running(Limits(keepalive_seconds=0.2)) as place, wire(place) as line:
        assert await call(line) == 200
        assert (await line.rest()).endswith(b"}")


async def test_the_time_for_a_body_is_for_all_of_it_however_its_bytes_come() -> None:
    async with running(Limits(body_timeout_seconds=0.5)) as place, wire(place) as line:
        await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 1000")
        dripping = asyncio.create_task(drip(line, b"x" * 1000), name="drip")
        assert await line.status() == 408
        dripping.cancel()


async def test_who_does_not_take_its_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 0.3)
    async with running(Limits()) as place:
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            line.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(line, ("127.0.0.1", place.listener.port))
            await until(lambda: opened(place) == 1)
            [slow] = place.listener._connections._places
            slow._wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)  # type: ignore[union-attr]
            request = "\r\n".join(("POST /callbacks/acme HTTP/1.1", "Host: x", *WHOLE, "", "")).encode()

            async def ask() -> None:
                with suppress(ConnectionError):
                    while True:
                        await loop.sock_sendall(line, request + VIDEO)

            asking = asyncio.create_task(ask(), name="ask")
            async with asyncio.timeout(60):
                while not cut(place, "slow_reader"):  # noqa: ASYNC110 - as in `until`, and longer
                    await asyncio.sleep(0.1)
            assert await served(place) == 200
            asking.cancel()
        await until(lambda: opened(place) == 0)


# --- how much


class Undecided:
    """An authenticator that is still fetching keys."""

    async def check(self, _headers: Mapping[str, str]) -> Proof:
        await asyncio.sleep(60)
        return Proof.UNVERIFIABLE


async def test_who_has_proved_nothing_cannot_fill_the_memory() -> None:
    async with running(Limits()) as place, wire(place) as line:
        place.doors["acme"] = replace(place.doors["acme"], authenticator=Undecided())
        await line.send("/callbacks/acme")
        with suppress(ConnectionError):
            for _ in range(100):
                for _ in range(10):
                    await line.send("/callbacks/acme", "X-Large: " + "x" * 8000)
                await asyncio.sleep(0)
        assert await is_closed(line)
        assert cut(place, "too_much") == 1


LARGE = b'{"id":"1","x":"' + b"x" * 1_000_000 + b'"}'


@pytest.mark.parametrize("authenticator", [TokenAuth((TOKEN,)), NoAuth()], ids=["token", "none"])
async def test_who_may_call_sends_a_body_as_large_as_may_be(authenticator: Authenticator) -> None:
    async with running(Limits()) as place, wire(place) as line:
        place.doors["acme"] = replace(place.doors["acme"], authenticator=authenticator)
        await line.send("/callbacks/acme", BEARER, JSON, f"Content-Length: {len(LARGE)}", body=LARGE)
        assert await line.status() == 200
        assert cut(place, "too_much") == 0


async def test_what_a_refused_caller_still_sends_is_thrown_away_and_it_sees_the_answer() -> None:
    async with running(Limits()) as place, wire(place) as line:
        await line.send("/callbacks/acme", JSON, f"Content-Length: {len(LARGE)}", body=LARGE)
        assert await line.status() == 401
        assert b"unauthenticated" in await line.rest()
        assert cut(place, "too_much") == 0


async def test_what_is_no_request_is_told_so_without_a_word_of_what_was_sent() -> None:
    async with running(Limits()) as place, wire(place) as line:
        with structlog.testing.capture_logs() as lines:
            line.writer.write(b"GET /my-secret\x00 HTTP/1.1\r\n\r\n")
            assert await line.status() == 400
            body = await line.rest()
        assert orjson.loads(body)["code"] == "malformed"
        assert [(each["event"], each["remote"]) for each in lines] == [("request_malformed", "127.0.0.1")]
        assert "my-secret" not in f"{body!r}{lines}"
        assert place.metrics.registry.get_sample_value("seen_connector_malformed_requests_total") == 1


async def test_the_bodies_of_a_workspace_take_no_more_than_its_share_of_the_memory() -> None:
    limits = Limits(
        max_body_bytes=1000, max_bodies_bytes=6000
    )  # 2000 for each kind of call, of which `acme` has two
    async with running(limits) as place, many(place, 4) as lines:
        for line in lines[:2]:
            await line.send("/callbacks/acme", BEARER, JSON, "Content-Length: 900", body=b"{")
        await asyncio.sleep(0.1)
        await lines[2].send("/callbacks/acme", BEARER, JSON, "Content-Length: 300", body=b"{")
        assert await lines[2].status() == 503
        await lines[3].send(
            "/callbacks/bolt", "Authorization: Basic c2Vlbjpwdw==", JSON, "Content-Length: 10", body=VIDEO
        )
        assert await lines[3].status() == 200
        lines[0].writer.write(b" " * 898 + b"}")
        assert await lines[0].status() == 200
        assert await served(place) == 200


# --- the log


def test_of_a_flood_some_lines_are_logged_and_the_rest_is_counted() -> None:
    clock = FakeClock()
    noise = Noise(clock)
    assert sum(noise.allows() for _ in range(1000)) == MOST_AT_ONCE
    clock._monotonic += 3
    assert sum(noise.allows() for _ in range(1000)) == 3
    with structlog.testing.capture_logs() as lines:
        noise.tell()
        clock._monotonic += 10
        noise.tell()
        noise.tell()
    assert lines == [{"event": "calls_not_logged", "log_level": "warning", "calls": 1897, "seconds": 13.0}]


async def test_how_many_calls_had_no_line_is_logged_when_the_flood_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accesslog, "_TELL_SECONDS", 0.0)
    monkeypatch.setattr(accesslog, "MOST_AT_ONCE", 0)
    async with running(Limits()) as place, wire(place) as line:
        with structlog.testing.capture_logs() as lines:
            await line.send("/nothing")
            assert await line.status() == 404
            await until(lambda: bool(lines))
    assert [(each["event"], each["calls"]) for each in lines] == [("calls_not_logged", 1)]


def test_room_remembers_nobody_who_has_nothing_under_way() -> None:
    room = Room(2)
    with room.taken("a"), room.taken("a"):
        assert not room.has_room("a")
        assert room.has_room("b")
    assert room.has_room("a")
    assert not room._taken


async def test_answers_to_wrong_secrets_that_are_held_back_leave_places_for_others() -> None:
    slowing = Slowing(FakeClock(), Metrics("0"), max_waiting=1)
    for _ in range(20):
        slowing._attempts.failed("192.0.2.1", 0.0)
        slowing._attempts.failed("192.0.2.2", 0.0)
    late = asyncio.create_task(slowing.failed("192.0.2.1"), name="late")
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await slowing.failed("192.0.2.2")
    assert not late.done()
    slowing.stop()
    await late


async def test_a_call_with_a_right_secret_has_its_line_whatever_others_do() -> None:
    async with running(Limits()) as place:
        with structlog.testing.capture_logs() as lines:
            for _ in range(MOST_AT_ONCE + 50):
                async with wire(place) as line:
                    await line.send("/nothing")
                    assert await line.status() == 404
            assert await served(place) == 200
    results = [line["result"] for line in lines if line["event"] == "callback_answered"]
    assert MOST_AT_ONCE <= results.count("not_found") < MOST_AT_ONCE + 50
    assert results[-1] == "published"


# --- the end


async def test_while_it_drains_it_takes_calls_and_each_connection_ends_with_its_next_answer() -> None:
    async with running(Limits()) as place, many(place, 2) as (idle, other):
        assert await call(idle) == 200
        port = place.listener.port
        stop = asyncio.create_task(place.listener.stop(20, drain_seconds=2), name="stop")
        await asyncio.sleep(0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        newcomer = Wire(reader, writer)
        await newcomer.send("/callbacks/acme", *WHOLE, body=VIDEO)
        assert b"Connection: close" in await newcomer.rest()
        await idle.send("/callbacks/acme", *WHOLE, body=VIDEO)
        assert b"Connection: close" in await idle.rest()
        writer.close()
        assert not stop.done()
        await stop
        assert await is_closed(other)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_call_under_way_outlasts_the_draining() -> None:
    async with running(Limits()) as place, wire(place) as line, wire(place) as idle:
        place.acme.gate.clear()
        await line.send("/callbacks/acme", *WHOLE, body=VIDEO)
        await until(lambda: place.acme.attempts == 1)
        stop = asyncio.create_task(place.listener.stop(20, drain_seconds=0.1), name="stop")
        assert await is_closed(idle)  # it has no call that could be waited for
        assert not stop.done()
        place.acme.gate.set()
        assert await line.status() == 200
        await stop


async def test_draining_ends_with_the_deadline() -> None:
    async with running(Limits()) as place:
        async with asyncio.timeout(20):
            await place.listener.stop(1.5, drain_seconds=1000)
