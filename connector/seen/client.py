"""SEEN over HTTP: one request in, one `Exchange` out. Answers are values, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from yarl import URL

from connector.http.client import HttpClient, Request
from connector.seen.verdict import Exchange, NoToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.http.permit import Permit
    from connector.seen.auth import Credentials


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


class SeenClient:
    """Requests to one workspace. Each is given its permit, and says on it what became of the request."""

    def __init__(
        self, endpoint: Endpoint, credentials: Credentials, clock: Clock, redact: Callable[[str], str]
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._http = HttpClient(endpoint.timeout_seconds, endpoint.max_connections, clock, redact)

    async def start(self) -> None:
        """Opens the connection pool; nothing is connected yet."""
        await self._http.start()

    async def stop(self) -> None:
        """Closes the pool."""
        await self._credentials.stop()
        await self._http.stop()

    async def renew_credentials(self) -> None:
        """Reads the secret anew, before a probe."""
        await self._credentials.renew()

    async def create(self, body: bytes, permit: Permit) -> Exchange:
        """POSTs `body`: one JSON object to create data, an array of them to create receivers."""
        return await self._exchange("POST", self._endpoint.create_url, body, permit)

    async def get(self, item_id: str, permit: Permit) -> Exchange:
        """GETs the item with the id `item_id`."""
        return await self._exchange("GET", self._endpoint.item_url(item_id), b"", permit)

    async def _exchange(self, method: str, url: URL, body: bytes, permit: Permit) -> Exchange:
        authorization = await self._credentials.authorization()
        if isinstance(authorization, NoToken):
            permit.unused()
            return authorization
        request = Request(method, url, authorization, body, self._endpoint.content_type)
        return await self._http.make(request, permit)
