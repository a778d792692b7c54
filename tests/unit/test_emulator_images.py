"""The emulator's hosts of images: what each of them does, and that they cost SEEN nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector.sandbox.emulator import Emulator


@pytest.fixture
async def http(emulator: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(emulator.url, auto_decompress=False) as session:
        yield session


@pytest.mark.parametrize(
    ("kind", "status", "size", "said", "content_type"),
    [
        ("good", 200, 20_000, "20000", "image/png"),
        ("large", 200, 3_000_000, "3000000", "image/png"),
        ("empty", 200, 0, "0", "image/png"),
        ("chunked", 200, 20_000, None, "image/png"),
        ("chunked-large", 200, 3_000_000, None, "image/png"),
        ("ranged", 206, 1, "1", "image/png"),
        ("lying", 200, 3_000_000, "3000000", "image/png"),
        ("no-head", 200, 20_000, "20000", "image/png"),
        ("authenticated", 401, 0, "0", "application/octet-stream"),
        ("missing", 404, 0, "0", "application/octet-stream"),
        ("no-such-kind", 404, 0, "0", "application/octet-stream"),
        ("unavailable", 503, 0, "0", "application/octet-stream"),
    ],
)
async def test_what_a_get_is_answered(
    http: aiohttp.ClientSession, kind: str, status: int, size: int, said: str | None, content_type: str
) -> None:
    async with http.get(f"/images/{kind}/photo.jpg") as answer:
        body = await answer.read()
        assert (answer.status, len(body)) == (status, size)
        assert answer.headers.get("Content-Length") == said
        assert answer.content_type == content_type


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("good", 200, "20000"),
        ("lying", 200, "20000"),
        ("no-head", 405, None),
        ("ranged", 200, None),
        ("chunked", 200, None),
    ],
)
async def test_what_a_head_is_answered(
    http: aiohttp.ClientSession, kind: str, status: int, said: str | None
) -> None:
    async with http.head(f"/images/{kind}/photo.jpg") as answer:
        assert (answer.status, answer.headers.get("Content-Length")) == (status, said)


async def test_a_redirect_a_page_and_what_is_compressed_although_nobody_asked(
    http: aiohttp.ClientSession,
) -> None:
    async with http.get("/images/redirect/p.png", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/images/good/photo.png")
    async with http.get("/images/html/p.png") as answer:
        assert answer.content_type == "text/html"
    async with http.get("/images/gzip/p.png", headers={"Accept-Encoding": "identity"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(await answer.read()) < 20_000


async def test_a_flaky_host_fails_twice_for_each_name(http: aiohttp.ClientSession) -> None:
    async def status(name: str) -> int:
        async with http.head(f"/images/flaky/{name}") as answer:
            return answer.status

    assert [await status("a.png") for _ in range(4)] == [503, 503, 200, 200]
    assert await status("b.png") == 503


@pytest.mark.parametrize("kind", ["hanging", "slow-headers", "slow-body"])
async def test_some_never_end(http: aiohttp.ClientSession, kind: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), http.get(f"/images/{kind}/p.png") as answer:
            await answer.read()


async def test_the_headers_of_one_never_end(http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.ClientResponseError):
        await http.head("/images/endless-headers/p.png")


async def test_requests_are_remembered_and_count_for_nothing_at_seen(
    http: aiohttp.ClientSession, emulator: Emulator
) -> None:
    for path in ("/images/good/a.png?x=1", "/images/good/b.png"):
        await (await http.get(path, headers={"X-Test": "yes"})).read()
    async with http.get("/_control/images?path=/images/good/a.png") as answer:
        (found,) = await answer.json()
    assert (found["method"], found["path"], found["headers"]["x-test"]) == (
        "GET",
        "/images/good/a.png?x=1",
        "yes",
    )
    assert len(emulator.images.requests()) == 2
    assert emulator.worst_window("acme") == 0
    assert emulator.arrivals() == []
    emulator.reset()
    assert emulator.images.requests() == []
