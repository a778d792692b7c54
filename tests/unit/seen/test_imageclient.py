"""Looking at images over real HTTP: the emulator's hosts, and hosts that are no HTTP servers at all."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.clock import SystemClock
from connector.sandbox.emulator import Emulator, EmulatorSettings
from connector.seen.imageanswer import ImageFinding
from connector.seen.imageclient import ImageClient
from connector.seen.imagelink import Reach
from connector.types import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TIMEOUT = 0.7


class Names:
    """Answers of a name server, one after the other; the last one for ever."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def addresses(self, host: str) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


class SilentNames:
    async def addresses(self, host: str) -> list[str]:
        await asyncio.sleep(3600)
        return []


@pytest.fixture
async def hosts() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(workspaces=())) as emulator:
        yield emulator


def port_of(hosts: Emulator) -> int:
    return int(hosts.url.rpartition(":")[2])


def client(*let_in: tuple[str, int], names: Names | SilentNames | None = None) -> ImageClient:
    reach = Reach(frozenset({80, 443}), frozenset(let_in))
    return ImageClient(names or Names(OSError("no such name")), reach, TIMEOUT, SystemClock())


async def look(hosts: Emulator, kind: str) -> ImageFinding:
    return await client(("127.0.0.1", port_of(hosts))).look(f"{hosts.url}/images/{kind}/photo.png")


@pytest.mark.parametrize(
    ("kind", "result", "word", "methods"),
    [
        ("good", ImageResult.GOOD, "", ["HEAD"]),
        ("no-head", ImageResult.GOOD, "", ["HEAD", "GET"]),
        ("chunked", ImageResult.GOOD, "", ["HEAD", "GET"]),
        ("ranged", ImageResult.GOOD, "", ["HEAD", "GET"]),
        ("lying", ImageResult.GOOD, "", ["HEAD"]),  # HEAD is believed: docs/images.md
        ("redirect", ImageResult.REDIRECTED, "302", ["HEAD"]),
        ("authenticated", ImageResult.NEEDS_AUTHENTICATION, "401", ["HEAD", "GET"]),
        ("large", ImageResult.TOO_LARGE, "2 MB", ["HEAD"]),
        ("chunked-large", ImageResult.TOO_LARGE, "2 MB", ["HEAD", "GET"]),
        ("html", ImageResult.WRONG_TYPE, "text/html", ["HEAD", "GET"]),
        ("empty", ImageResult.EMPTY, "empty", ["HEAD", "GET"]),
        ("gzip", ImageResult.COMPRESSED, "compressed", ["HEAD", "GET"]),
        ("missing", ImageResult.MISSING, "404", ["HEAD", "GET"]),
        ("unavailable", ImageResult.UNAVAILABLE, "503", ["HEAD"]),
        ("endless-headers", ImageResult.UNREADABLE, "cannot be read", ["HEAD", "GET"]),
    ],
)
async def test_each_host_is_found_out_with_as_few_requests_as_that_takes(
    hosts: Emulator, kind: str, result: ImageResult, word: str, methods: list[str]
) -> None:
    finding = await look(hosts, kind)
    assert finding.result is result
    assert word in finding.detail
    assert [each.method for each in hosts.images.requests()] == methods
    assert {each.path for each in hosts.images.requests()} == {f"/images/{kind}/photo.png"}


@pytest.mark.parametrize("kind", ["hanging", "slow-headers", "slow-body"])
async def test_a_host_that_never_ends_its_answer_is_left_in_time(hosts: Emulator, kind: str) -> None:
    began = time.monotonic()
    finding = await look(hosts, kind)
    assert time.monotonic() - began < 20  # it would last an hour
    assert finding.result is ImageResult.TIMED_OUT
    assert "0.7 s" in finding.detail


async def test_a_name_that_is_never_answered_is_left_in_time() -> None:
    assert (await client(names=SilentNames()).look("http://a.example/p.png")).result is ImageResult.TIMED_OUT


GOOD_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n"


@pytest.mark.parametrize(
    "answer_to_head",
    [
        b"",  # the connection ends
        None,  # and without a goodbye
        b"nonsense\r\n",
        b"HTTP/1.1 405 No\r\n\r\n<html>",
        GOOD_ANSWER + b"Transfer-Encoding: chunked\r\n\r\n",
        GOOD_ANSWER + b"\r\nabcde",  # the body, which HEAD has none of
    ],
)
async def test_regression_a_host_that_gets_head_wrong_is_asked_with_get(answer_to_head: bytes | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
            writer.write(GOOD_ANSWER + b"\r\nabcde")
        elif answer_to_head is not None:
            writer.write(answer_to_head)
        else:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        finding = await client(("127.0.0.1", port)).look(f"http://127.0.0.1:{port}/p.png")
    assert finding == ImageFinding(ImageResult.GOOD)


async def test_a_request_carries_nothing_of_ours(hosts: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    await look(hosts, "no-head")
    head, get = hosts.images.requests()
    expected = {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert set(head.headers) == expected
    assert set(get.headers) == expected | {"range"}
    assert head.headers["accept-encoding"] == "identity"
    assert get.headers["range"] == "bytes=0-2097152"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "10.1.2.3",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
    ],
)
async def test_an_address_that_is_not_public_is_not_asked_by_its_name_nor_as_it_is(address: str) -> None:
    written = f"[{address}]" if ":" in address else address
    for link in (f"http://{written}/p.png", "http://looks-well.example/p.png"):
        finding = await client(names=Names([address])).look(link)
        assert finding.result is ImageResult.NOT_ALLOWED
        assert "not public" in finding.detail


async def test_one_address_that_is_not_public_among_others_is_enough() -> None:
    names = Names(["8.8.8.8", "2606:4700::1111", "127.0.0.1"])
    finding = await client(names=names).look("http://a.example/p.png")
    assert finding.result is ImageResult.NOT_ALLOWED
    assert "127.0.0.1" in finding.detail


async def test_a_name_that_is_resolved_otherwise_the_second_time_is_connected_to_where_it_was_checked(
    hosts: Emulator,
) -> None:
    port = port_of(hosts)
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    # Of this machine's addresses one is public here, and the other is what is to be kept from others.
    reached = ImageClient(
        names, Reach(frozenset({port})), TIMEOUT, SystemClock(), lambda address: address == "127.0.0.1"
    )
    async with listening("127.0.0.2", port, b"HTTP/1.1 200 OK\r\n\r\n") as (_, secret):
        link = f"http://rebinds.example:{port_of(hosts)}/images/no-head/photo.png"
        assert (await reached.look(link)).result is ImageResult.GOOD
        assert names.asked == ["rebinds.example"]  # once, for two requests on two connections
        assert len(hosts.images.requests()) == 2
        assert (await reached.look(link)).result is ImageResult.NOT_ALLOWED
        assert names.asked == ["rebinds.example"] * 2
    assert secret == []
    assert len(hosts.images.requests()) == 2


async def test_a_host_whose_certificate_cannot_be_verified_is_not_trusted(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\n"
    async with listening("127.0.0.1", 0, answer, context) as (port, asked):
        finding = await client(("127.0.0.1", port)).look(f"https://127.0.0.1:{port}/p.png")
    assert finding.result is ImageResult.UNTRUSTED
    assert asked == []


async def test_a_host_that_speaks_no_tls_is_not_trusted(hosts: Emulator) -> None:
    port = port_of(hosts)
    finding = await client(("127.0.0.1", port)).look(f"https://127.0.0.1:{port}/images/good/photo.png")
    assert finding.result is ImageResult.UNTRUSTED


def self_signed(folder: Path) -> Path:
    """A file with a key, and a certificate for this machine that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(text + certificate.public_bytes(Encoding.PEM))
    return folder / "both.pem"


async def test_a_host_that_refuses_connections_or_has_no_address_may_be_there_later(hosts: Emulator) -> None:
    await hosts.port.go_down()
    assert (await look(hosts, "good")).result is ImageResult.UNREACHABLE
    assert (await client().look("https://a.example/p.png")).result is ImageResult.UNREACHABLE
    assert (await look(hosts, "good")).is_passing


@asynccontextmanager
async def listening(
    host: str, port: int, answer: bytes, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server of bytes: its port, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


LINES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 206 Partial Content\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0 302 Found\r\n",
    b"HTTP/1.1 999 \r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Type: image/png\r\n",
    b"Content-Type: image/png;;=\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Set-Cookie: \xff=;;\r\n",
    b"Location: http://[::1\r\n",
    b"\r\n",
    b"5\r\nabcde\r\n0\r\n\r\n",
    b"\x00\x16\x03\x01",
]


@settings(max_examples=60)
@given(st.sampled_from(LINES[:5]), st.lists(st.sampled_from(LINES) | st.binary(max_size=20), max_size=8))
async def test_every_answer_leads_to_a_finding(first: bytes, rest: list[bytes]) -> None:
    async with listening("127.0.0.1", 0, first + b"".join(rest)) as (port, asked):
        finding = await client(("127.0.0.1", port)).look(f"http://127.0.0.1:{port}/p.png")
        assert isinstance(finding, ImageFinding)
        assert 1 <= len(asked) <= 2
