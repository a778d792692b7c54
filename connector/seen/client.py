"""SEEN over HTTP: one request in, one `Exchange` out. Answers are values, never exceptions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

import aiohttp
from yarl import URL

from connector.seen.headers import remaining, retry_after_seconds
from connector.seen.verdict import Exchange, Fault, NoResponse, NoToken, Response
from connector.text import REDACTED_BYTES, redacted_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_middlewares import ClientHandlerType

    from connector.clock import Clock
    from connector.seen.auth import Credentials
    from connector.seen.slot import Permit

_LONGEST_BODY = 4 * 1024 * 1024
_EXCERPT = 2048
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SeenEndpoint:
    """Where a workspace's data lives, and how long a request may take, connecting and reading included."""

    base_url: str
    workspace_id: str
    timeout_seconds: float
    max_connections: int

    content_type: ClassVar = "application/json"

    @property
    def create_url(self) -> URL:
        """The URL of create data; an item's is below it (SEEN API 2.0, create data)."""
        return URL(f"{self.base_url.rstrip('/')}/v1/workspaces/{quote(self.workspace_id, safe='')}/data")

    def item_url(self, item_id: str) -> URL:
        """The URL of the item with the id `item_id` (SEEN API 2.0, read one item)."""
        segment = quote(item_id, safe="")
        if item_id in (".", ".."):
            segment = segment.replace(".", "%2E")  # as they are, they would be steps in the path
        return URL(f"{self.create_url}/{segment}", encoded=True)

    @property
    def token_url(self) -> URL:
        """The URL of the token endpoint (SEEN API 2.0, authorization)."""
        return URL(f"{self.base_url.rstrip('/')}/oauth2/token")


@dataclass(frozen=True, slots=True)
class CampaignEndpoint:
    """Where a campaign's receivers are created (SEEN API 1.0, create receivers); the rest as in `SeenEndpoint`."""

    base_url: str
    campaign_slug: str
    timeout_seconds: float
    max_connections: int

    content_type: ClassVar = "application/json; charset=utf-8"

    @property
    def create_url(self) -> URL:
        """Where receivers go: POST, an array of objects. The slash at the end is part of it."""
        slug = quote(self.campaign_slug, safe="")
        return URL(f"{self.base_url.rstrip('/')}/v1/campaigns/{slug}/receivers/")

    def item_url(self, _item_id: str) -> URL:
        """Raises ValueError: this API cannot be asked."""
        raise ValueError("SEEN API 1.0 has nothing to look up")


Endpoint = SeenEndpoint | CampaignEndpoint
"""What of SEEN a client talks to."""


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


class SeenClient:
    """Requests to one workspace. Each is given its permit, and says on it what became of the request."""

    def __init__(
        self, endpoint: Endpoint, credentials: Credentials, clock: Clock, redact: Callable[[str], str]
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        self._redact = redact
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Opens the connection pool; nothing is connected yet."""
        timeout = aiohttp.ClientTimeout(total=self._endpoint.timeout_seconds, sock_connect=_CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._endpoint.max_connections),
            timeout=timeout,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
        )

    async def stop(self) -> None:
        """Closes the pool."""
        await self._credentials.stop()
        if self._session is not None:
            await self._session.close()

    async def renew_credentials(self) -> None:
        """Reads the secret anew, before a probe."""
        await self._credentials.renew()

    async def create(self, body: bytes, permit: Permit) -> Exchange:
        """POSTs `body`: one JSON object to create data, an array of them to create receivers."""
        return await self._exchange("POST", self._endpoint.create_url, self._body(body, permit), permit)

    async def get(self, item_id: str, permit: Permit) -> Exchange:
        """GETs the item with the id `item_id`."""
        # A body of nothing is asked for like any other when the connection is there.
        return await self._exchange("GET", self._endpoint.item_url(item_id), self._body(b"", permit), permit)

    def _body(self, body: bytes, permit: Permit) -> _Body:
        return _Body(body, permit, self._endpoint.content_type)

    async def _exchange(self, method: str, url: URL, payload: _Body, permit: Permit) -> Exchange:
        if self._session is None:
            raise RuntimeError("the client is not started")
        authorization = await self._credentials.authorization()
        if isinstance(authorization, NoToken):
            permit.unused()
            return authorization
        headers = {"Authorization": authorization, "Accept": "application/json"}
        try:
            # A redirect would be a second request past the quota, so none is followed.
            async with self._session.request(
                method,
                url,
                data=payload,
                headers=headers,
                skip_auto_headers=() if payload.size else ("Content-Type",),
                allow_redirects=False,
            ) as answer:
                body = await read_capped(answer, _LONGEST_BODY)
                wall = self._clock.wall()
                permit.answered(remaining(answer.headers, wall))
                hold = retry_after_seconds(answer.headers, wall)
                return Response(answer.status, body, self._excerpt(body), hold)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return self._no_response(error, payload, permit)

    def _no_response(self, error: Exception, payload: _Body, permit: Permit) -> NoResponse:
        if payload.is_fenced:
            permit.unused()
            return NoResponse(Fault.FENCED, "the right to send ended before the request was written")
        detail = f"{type(error).__name__}: {self._redact(str(error))[:200]}".rstrip(": ")
        if is_unconnected(error) or not payload.written:
            permit.unused()
            return NoResponse(Fault.NOT_SENT, f"cannot connect ({detail})")
        if isinstance(error, asyncio.TimeoutError):
            return NoResponse(Fault.TIMED_OUT, f"no answer within {self._endpoint.timeout_seconds:g} s")
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
    """The body, cut not far beyond `limit` bytes; a body that long is none that SEEN documents."""
    chunks = bytearray()
    async for chunk in answer.content.iter_any():
        chunks += chunk
        if len(chunks) >= limit:
            answer.close()
            break
    return bytes(chunks)
