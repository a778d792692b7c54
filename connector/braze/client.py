"""Braze over HTTP: `POST /users/track` (Braze, Track users)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yarl import URL

from connector.http.client import HttpClient, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.http.exchange import Reply
    from connector.http.permit import Permit

MAX_OBJECTS = 75
"""Attribute objects in one request (Braze, Track users)."""

MAX_REQUEST_BYTES = 4_000_000
"""Braze takes 4 MB in one request and answers 413 to more (Braze, User data endpoints)."""


@dataclass(frozen=True, slots=True)
class BrazeEndpoint:
    """A REST endpoint of Braze, such as https://rest.fra-01.braze.eu, and how long a request to it may take, connecting and
    reading included.
    """

    base_url: str
    timeout_seconds: float
    max_connections: int

    @property
    def track_url(self) -> URL:
        """Where attributes go."""
        return URL(f"{self.base_url.rstrip('/')}/users/track")


class BrazeClient:
    """Requests to Braze. Each is given its permit, and says on it what became of the request."""

    def __init__(
        self,
        endpoint: BrazeEndpoint,
        reveal: Callable[[], str],
        clock: Clock,
        redact: Callable[[str], str],
    ) -> None:
        """`reveal` gives the REST key as it stands now, read anew if it is in a file."""
        self._endpoint = endpoint
        self._reveal = reveal
        self._key = reveal()
        self._http = HttpClient(endpoint.timeout_seconds, endpoint.max_connections, clock, redact)

    async def start(self) -> None:
        """Opens the connection pool; nothing is connected yet."""
        await self._http.start()

    async def stop(self) -> None:
        """Closes the pool."""
        await self._http.stop()

    def renew_credentials(self) -> None:
        """Reads the REST key anew, before a probe."""
        self._key = self._reveal()

    async def track(self, body: bytes, permit: Permit) -> Reply:
        """POSTs `body`, the JSON object that Braze documents: `{"attributes": [...]}`."""
        url, authorization = self._endpoint.track_url, f"Bearer {self._key}"
        return await self._http.make(Request("POST", url, authorization, body, "application/json"), permit)
