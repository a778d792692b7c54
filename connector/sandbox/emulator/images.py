"""Hosting of images, good ones and faulty ones: what SEEN's documents say of images sent by URL, and how hosts get it wrong.

`/images/{kind}/{name}`: the kind says how the host behaves, whatever the name.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from connector.clock import Clock

_GOOD_BYTES = 20_000
_LARGE_BYTES = 3_000_000
_DRIP_SECONDS = 1.0
_LONGEST_SECONDS = 3600.0
_BUSY_SECONDS = 0.01
_PIECE = 65_536
_FLAWS = 2
_PNG = {"Content-Type": "image/png"}


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request for an image. `at` is Unix seconds, `path` has the query, names in `headers` are in lower case."""

    at: float
    method: str
    path: str
    headers: dict[str, str]


class ImageHost:
    """The kinds of hosts, each a handler of aiohttp. Those that answer nothing of use go on until the client leaves."""

    def __init__(self, clock: Clock, remembered: int) -> None:
        """The last `remembered` requests are kept to be read."""
        self._clock = clock
        self._requests: deque[ImageRequest] = deque(maxlen=remembered)
        self._asked: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "good": _sized,
            "large": _large,
            "empty": _empty,
            "html": _html,
            "gzip": _gzip,
            "chunked": _chunked,
            "chunked-large": _chunked_large,
            "ranged": _ranged,
            "lying": _lying,
            "no-head": _no_head,
            "redirect": _redirect,
            "authenticated": _authenticated,
            "missing": _missing,
            "unavailable": _unavailable,
            "flaky": self._flaky,
            "hanging": _hanging,
            "endless-headers": _endless_headers,
            "slow-headers": _slow_headers,
            "slow-body": _slow_body,
        }

    def routes(self) -> list[web.RouteDef]:
        """Everything under `/images`; nothing of it counts for any quota, and no fault on order strikes it."""
        return [web.route("*", "/images/{kind}/{name}", self._answer)]

    def requests(self, path: str | None = None) -> list[ImageRequest]:
        """The requests that arrived, oldest first: for a path, or all that are remembered."""
        return [each for each in self._requests if path in (None, each.path.partition("?")[0])]

    def reset(self) -> None:
        """Forgets all that happened."""
        self._requests.clear()
        self._asked.clear()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._requests.append(ImageRequest(self._clock.wall(), request.method, request.path_qs, headers))
        return await self._kinds.get(request.match_info["kind"], _missing)(request)

    async def _flaky(self, request: web.Request) -> web.StreamResponse:
        """The first two requests for each name are answered 503."""
        self._asked[request.path] += 1
        return await (_unavailable if self._asked[request.path] <= _FLAWS else _sized)(request)


async def _sized(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(_GOOD_BYTES), headers=_PNG)


async def _large(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(_LARGE_BYTES), headers=_PNG)


async def _empty(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"", headers=_PNG)


async def _html(_request: web.Request) -> web.StreamResponse:
    return web.Response(
        text="<!doctype html><title>An image, says its name</title>", content_type="text/html"
    )


async def _gzip(_request: web.Request) -> web.StreamResponse:
    """Compressed, whatever was asked for: 20 KB that become 3 MB."""
    body = zlib.compress(bytes(_LARGE_BYTES), wbits=31)
    return web.Response(body=body, headers=_PNG | {"Content-Encoding": "gzip"})


async def _chunked(request: web.Request) -> web.StreamResponse:
    return await _stream(request, _zeros(_GOOD_BYTES))


async def _chunked_large(request: web.Request) -> web.StreamResponse:
    return await _stream(request, _zeros(_LARGE_BYTES))


async def _ranged(request: web.Request) -> web.StreamResponse:
    """HEAD says no length; of a range that is asked for it sends the first byte, and says how much there is."""
    if request.method == "HEAD":
        return await _stream(request, _zeros(0))
    headers = _PNG | {"Content-Range": f"bytes 0-0/{_GOOD_BYTES}"}
    return web.Response(status=206, body=b"\0", headers=headers)


async def _lying(request: web.Request) -> web.StreamResponse:
    """HEAD says 20 KB, GET sends 3 MB."""
    return await (_sized if request.method == "HEAD" else _large)(request)


async def _no_head(request: web.Request) -> web.StreamResponse:
    return web.Response(status=405) if request.method == "HEAD" else await _sized(request)


async def _redirect(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/images/good/photo.png"})


async def _authenticated(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})


async def _missing(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


async def _unavailable(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


async def _hanging(_request: web.Request) -> web.StreamResponse:
    """No answer, until the client leaves or the emulator ends."""
    await asyncio.sleep(_LONGEST_SECONDS)
    return web.Response(status=503)


async def _endless_headers(request: web.Request) -> web.StreamResponse:
    """One header after the other, as fast as they are taken."""

    async def headers() -> AsyncIterator[bytes]:
        for number in range(10_000_000):
            yield b"X-Header-%d: %s\r\n" % (number, b"x" * 1000)

    return await _raw(request, headers())


async def _slow_headers(request: web.Request) -> web.StreamResponse:
    """A byte of a header each second."""

    async def letters() -> AsyncIterator[bytes]:
        yield b"X-Slow: "
        while True:
            await asyncio.sleep(_DRIP_SECONDS)
            yield b"x"

    return await _raw(request, letters())


async def _slow_body(request: web.Request) -> web.StreamResponse:
    """A body without a length, a byte of it each second."""

    async def drops() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(_DRIP_SECONDS)
            yield b"\0"

    return await _stream(request, drops())


async def _zeros(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, _PIECE):
        yield bytes(min(_PIECE, size - start))


async def _stream(request: web.Request, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """A body in chunks, its length unsaid."""
    response = web.StreamResponse(headers=_PNG)
    response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method != "HEAD":
        with contextlib.suppress(ConnectionError):  # the client has seen enough
            async for piece in pieces:
                await response.write(piece)
    return response


async def _raw(request: web.Request, lines: AsyncIterator[bytes]) -> web.StreamResponse:
    """The first line of an answer, and then what is none of aiohttp's making."""
    async with asyncio.timeout(_LONGEST_SECONDS):
        transport = request.transport
        if transport is not None:
            transport.write(b"HTTP/1.1 200 OK\r\n")
        async for line in lines:
            if transport is None or transport.is_closing():
                break
            transport.write(line)
            await asyncio.sleep(_BUSY_SECONDS if transport.get_write_buffer_size() > _PIECE else 0)
    return web.Response()
