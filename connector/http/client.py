"""Requests over HTTP, each made once at most: answers are values, never exceptions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from connector.http.exchange import Fault, NoResponse, Response
from connector.http.headers import remaining, reset_seconds, retry_after_seconds
from connector.text import REDACTED_BYTES, redacted_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_middlewares import ClientHandlerType
    from yarl import URL

    from connector.clock import Clock
    from connector.http.exchange import Reply
    from connector.http.permit import Permit

_LONGEST_BODY = 4 * 1024 * 1024
_EXCERPT = 2048
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; an empty body has no content type."""

    method: str
    url: URL
    authorization: str
    body: bytes
    content_type: str


class _MayNotLeaveError(aiohttp.ClientError):
    """The right to send ended before the request was written."""


class _Body(aiohttp.BytesPayload):
    """A body that is written only if it still may be, and knows whether any of it was.

    aiohttp holds the headers back until the first chunk of the body, so before `written` nothing has left.
    """

    written = is_fenced = False

    def __init__(self, body: bytes, permit: Permit, content_type: str) -> None:
        super().__init__(body, content_type=content_type)
        self._permit = permit

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self._permit.may_leave():
            self.is_fenced = True
            raise _MayNotLeaveError
        self.written = True
        await super().write_with_length(writer, content_length)


class HttpClient:
    """Requests to one API. Each is given its permit, and says on it what became of the request."""

    def __init__(
        self, timeout_seconds: float, max_connections: int, clock: Clock, redact: Callable[[str], str]
    ) -> None:
        """A request takes at most `timeout_seconds`, connecting and reading included."""
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._clock = clock
        self._redact = redact
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Opens the connection pool; nothing is connected yet."""
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds, sock_connect=_CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_connections),
            timeout=timeout,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
        )

    async def stop(self) -> None:
        """Closes the pool."""
        if self._session is not None:
            await self._session.close()

    async def make(self, request: Request, permit: Permit) -> Reply:
        """Makes one request. Raises RuntimeError before `start`."""
        if self._session is None:
            raise RuntimeError("the client is not started")
        headers = {"Authorization": request.authorization, "Accept": "application/json"}
        # A body of nothing is asked for like any other when the connection is there.
        payload = _Body(request.body, permit, request.content_type)
        try:
            # A redirect would be a second request past the quota, so none is followed.
            async with self._session.request(
                request.method,
                request.url,
                data=payload,
                headers=headers,
                skip_auto_headers=() if payload.size else ("Content-Type",),
                allow_redirects=False,
            ) as answer:
                return await self._response(answer, permit)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return self._no_response(error, payload, permit)

    async def _response(self, answer: aiohttp.ClientResponse, permit: Permit) -> Response:
        body = await read_capped(answer, _LONGEST_BODY)
        headers, wall = answer.headers, self._clock.wall()
        permit.answered(remaining(headers, wall))
        hold, reset = retry_after_seconds(headers, wall), reset_seconds(headers, wall)
        return Response(answer.status, body, self._excerpt(body), hold, reset)

    def _no_response(self, error: Exception, payload: _Body, permit: Permit) -> NoResponse:
        if payload.is_fenced:
            permit.unused()
            return NoResponse(Fault.FENCED, "the right to send ended before the request was written")
        detail = f"{type(error).__name__}: {self._redact(str(error))[:200]}".rstrip(": ")
        if is_unconnected(error) or not payload.written:
            permit.unused()
            return NoResponse(Fault.NOT_SENT, f"cannot connect ({detail})")
        if isinstance(error, asyncio.TimeoutError):
            return NoResponse(Fault.TIMED_OUT, f"no answer within {self._timeout_seconds:g} s")
        return NoResponse(Fault.LOST, f"the connection was lost ({detail})")

    def _excerpt(self, body: bytes) -> str:
        return redacted_start(body[:REDACTED_BYTES].decode("utf-8", "replace"), _EXCERPT, self._redact)


async def _once(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
    """Sends `request` one time.

    Where a connection ends without a response, aiohttp would send a GET once more by itself: a second request on one slot
    of the quota. It does so for the errors that are replaced here.
    """
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


def is_unconnected(error: Exception) -> bool:
    """Whether a request failed before there was a connection, so that nothing of it was sent."""
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


async def read_capped(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, cut not far beyond `limit` bytes; a body that long is none that any API here documents."""
    chunks = bytearray()
    async for chunk in answer.content.iter_any():
        chunks += chunk
        if len(chunks) >= limit:
            answer.close()
            break
    return bytes(chunks)
