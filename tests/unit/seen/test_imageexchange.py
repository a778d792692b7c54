"""One request to an image's host over real sockets: what is sent, and how much of any answer is read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import h11
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from connector.seen import imageexchange
from connector.seen.imageexchange import NoHttpError, exchange
from connector.seen.imagelink import Reach, Target, aim
from tests.tls import certificate, resetting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MOST = 100_000


class Host:
    """A server of bytes. What comes after `answer` is `rest`, for as long as it is taken; else it ends the connection."""

    def __init__(self, answer: bytes, rest: bytes = b"", *, stays: bool = False) -> None:
        self._answer = answer
        self._rest = rest
        self._stays = stays
        self.asked: list[bytes] = []
        self.taken = 0
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self._answer)
            while self._rest:
                writer.write(self._rest)
                await writer.drain()
                self.taken += len(self._rest)
            if self._stays:
                await reader.read()
        except OSError:
            pass
        finally:
            self.ended += 1
            writer.transport.abort() if self._rest else writer.close()


@contextlib.asynccontextmanager
async def listening(host: Host, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def asked(host: Host) -> int:
    """What is found of the size of what is at `host`."""
    async with asyncio.timeout(20), listening(host) as port:
        url = URL(f"http://127.0.0.1:{port}/p.png")
        async with exchange("GET", url, ["127.0.0.1"], {}) as found:
            return await found.size(MOST)


async def size(answer: bytes, rest: bytes = b"", *, stays: bool = False) -> int:
    return await asked(Host(answer, rest, stays=stays))


async def test_a_request_is_for_the_link_as_it_is_and_for_its_host() -> None:
    host = Host(OK + b"\r\n")
    async with listening(host) as port:
        url = URL(f"http://a.example.:{port}/p%2Fq.png?s=a%2Fb%2Bc#there", encoded=True)
        async with exchange("HEAD", url, ["127.0.0.1"], {"Range": "bytes=0-1"}) as answer:
            assert answer.status == 200
            assert answer.headers["content-type"] == "image/png"
    expected = f"HEAD /p%2Fq.png?s=a%2Fb%2Bc HTTP/1.1\r\nHost: a.example:{port}\r\nRange: bytes=0-1\r\nConnection: close\r\n\r\n"
    assert host.asked == [expected.encode()]


@settings(max_examples=300)
@given(st.text() | st.text(st.characters(max_codepoint=127)))
def test_no_link_brings_a_line_of_its_own_into_a_request(rest: str) -> None:
    for link in (f"http://a.example/{rest}", f"http://a{rest}.example/p.png", rest):
        target = aim(link, Reach(frozenset({80, 443})))
        if isinstance(target, Target):
            sent = f"{target.url.raw_path_qs} {target.url.host_port_subcomponent}"
            assert sent.count(" ") == 1
            assert sent.isascii()
            assert sent.isprintable()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK + b"Content-Length: 7\r\n\r\n", 7),
        (OK + b"Content-Length: 3000000\r\n\r\n", 3_000_000),
        (OK + b"\r\n", 0),
        (OK + b"\r\n" + bytes(5000), 5000),
        (b"HTTP/1.0 200\r\n\r\nabc", 3),
        (b"HTTP/1.1 200 OK\nContent-Length: 7\n\n", 7),
        (CHUNKED + b"0\r\n\r\n", 0),
        (CHUNKED + b"5\r\nabcde\r\n0\r\n\r\n", 5),
        (CHUNKED + b"0A;name=value\r\n0123456789\r\n1 \r\nx\r\n0\r\nTrailer: x\r\n\r\n", 11),
        (OK + b"Content-Length: 9\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + OK + b"\r\nab", 2),
    ],
)
async def test_the_size_is_what_the_host_says_or_what_comes(answer: bytes, expected: int) -> None:
    assert await size(answer) == expected


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        (OK + b"\r\n", bytes(50_000)),
        (CHUNKED, b"1000\r\n" + bytes(4096) + b"\r\n"),
        (CHUNKED + b"FFFFFFFFFF\r\n", bytes(50_000)),
    ],
)
async def test_a_body_is_read_no_further_than_what_shows_that_it_is_too_long(
    answer: bytes, rest: bytes
) -> None:
    assert await size(answer, rest, stays=True) > MOST


async def test_an_interim_answer_says_nothing_of_the_one_that_follows() -> None:
    host = Host(b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n")
    async with listening(host) as port:
        url = URL(f"http://127.0.0.1:{port}/p.png")
        async with exchange("HEAD", url, ["127.0.0.1"], {}) as answer:
            assert answer.status == 404
            assert dict(answer.headers) == {"server": "x"}


async def test_a_header_that_comes_twice_keeps_both_values() -> None:
    host = Host(OK + b"X-Word: a\r\nx-word: b\r\n\r\n")
    async with listening(host) as port:
        url = URL(f"http://127.0.0.1:{port}/p.png")
        async with exchange("HEAD", url, ["127.0.0.1"], {}) as answer:
            assert answer.headers.getall("X-Word") == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "illegal status line"),
        (b"\r\n" + OK + b"\r\n", "no response line"),
        (b"HTTP/2 200\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "UPGRADE"),
        (b"HTTP/1.1 200 OK\r\nname\r\n\r\n", "illegal header line"),
        (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "illegal header line"),
        (OK + b"Content-Length: -5\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "Content-Length"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (CHUNKED + b"x\r\n", "illegal chunk header"),
        (CHUNKED + b"-1\r\n", "illegal chunk header"),
        (CHUNKED + b"1" * 21 + b"\r\n", "illegal chunk header"),
        (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", "malformed chunk footer"),
    ],
)
async def test_what_is_no_http_is_found_out(answer: bytes, word: str) -> None:
    with pytest.raises(NoHttpError, match=word) as found:
        await size(answer, stays=True)
    assert "bytearray" not in str(found.value)  # nothing of what the host sent


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1", OK, CHUNKED, CHUNKED + b"5", CHUNKED + b"5\r\nabc", CHUNKED + b"1\r\na\r\n"]
)
async def test_an_answer_that_ends_too_early_is_told_from_one_that_is_no_http(answer: bytes) -> None:
    with pytest.raises((EOFError, ConnectionResetError)):
        await size(answer)


ENDLESS = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "interim answers with headers": (b"", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" * 2000),
    "short headers": (b"HTTP/1.1 200 OK\r\n", b"a:b\r\n" * 10_000),
    "a long header": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 50_000),
    "a long first line": (b"HTTP/1.1 200 ", b"a" * 50_000),
    "chunks of a byte": (CHUNKED, b"1\r\na\r\n" * 10_000),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * 50_000),
    "a chunk's size": (CHUNKED, b"0" * 50_000),
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_regression_of_an_answer_without_end_little_is_read(
    kind: str, run: Callable[[Coroutine[None, None, int]], int]
) -> None:
    """aiohttp's client took interim answers for as long as they came: 144 MB in 1.8 s in which the loop stood still."""

    async def take() -> int:
        host = Host(*ENDLESS[kind])
        with pytest.raises(NoHttpError):
            await asked(host)
        return host.taken

    assert run(take()) < 16_000_000  # with what lies in the buffers between


async def test_others_have_their_turn_between_the_pieces_of_what_has_come_already() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(CHUNKED + b"1\r\na\r\n" * 4000 + b"0\r\n\r\n")
    host = imageexchange._Host(reader)
    host.request("GET", URL("http://a.example/p.png"), {})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    while not isinstance(await host.next(), h11.EndOfMessage):
        pass
    task.cancel()
    assert turns >= 5  # 24 KB, in pieces of 4 KB


async def test_the_connection_is_ended_without_waiting_for_the_host() -> None:
    host = Host(OK + b"Content-Length: 5\r\n\r\n", stays=True)
    async with listening(host) as port:
        for _ in range(10):
            async with exchange("HEAD", URL(f"http://127.0.0.1:{port}/p.png"), ["127.0.0.1"], {}):
                pass
        async with asyncio.timeout(10):
            while host.ended < 10:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)


async def test_the_certificate_must_be_for_the_name_in_the_link_wherever_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, "a.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    asked_for: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    imageexchange._trust.cache_clear()
    host = Host(OK + b"Content-Length: 5\r\n\r\n")
    async with listening(host, context) as port:
        for name in ("a.example", "a.example."):
            async with exchange("HEAD", URL(f"https://{name}:{port}/p.png"), ["127.0.0.1"], {}) as answer:
                assert answer.status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            async with exchange("HEAD", URL(f"https://b.example:{port}/p.png"), ["127.0.0.1"], {}):
                pass
    imageexchange._trust.cache_clear()
    assert asked_for == ["a.example", "a.example", "b.example"]
    assert len(host.asked) == 2


def test_regression_connections_that_are_reset_during_tls_take_no_other_socket_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With uvloop a socket of ours was closed twice, the second time with another connection's number."""
    faults: set[str] = set()

    async def look(port: int) -> None:
        try:
            async with exchange("HEAD", URL(f"https://a.example:{port}/p.png"), ["127.0.0.1"], {}):
                pass
        except (OSError, EOFError) as error:
            faults.add(type(error).__name__)

    async def looks(port: int) -> None:
        for _ in range(40):
            await asyncio.gather(*(look(port) for _ in range(16)))

    with resetting(tmp_path, monkeypatch, "a.example") as port:
        imageexchange._trust.cache_clear()
        uvloop.run(looks(port))
        imageexchange._trust.cache_clear()
    assert faults
    assert faults <= {"ConnectionResetError", "BrokenPipeError", "SSLError", "IncompleteReadError"}


async def test_of_several_addresses_one_that_answers_is_used() -> None:
    host = Host(OK + b"\r\n")
    async with listening(host) as port:
        addresses: Sequence[str] = ["::1", "127.0.0.9", "127.0.0.1"]
        async with exchange("HEAD", URL(f"http://a.example:{port}/p.png"), addresses, {}) as answer:
            assert answer.status == 200
        with pytest.raises(OSError):  # noqa: PT011 - whatever the system says
            async with exchange("HEAD", URL(f"http://localhost:{port}/p.png"), ["127.0.0.9"], {}):
                pass
    assert len(host.asked) == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_a_host_at_an_ipv6_address_is_asked() -> None:
    host = Host(OK + b"\r\n")
    server = await asyncio.start_server(host.serve, "::1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with exchange("HEAD", URL(f"http://[::1]:{port}/p.png"), ["::1"], {}):
            pass
    assert f"Host: [::1]:{port}\r\n".encode() in host.asked[0]
