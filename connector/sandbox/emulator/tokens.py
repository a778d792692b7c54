"""The access tokens that SEEN shows when it calls back (SEEN, webhook node: OAuth 2.0 client credentials; RFC 6749, 4.4).

Readings that the documents leave open, chosen once:

- The id and the secret are in the form, as SEEN's own token endpoint wants them.
- A token is kept until it expires (without `expires_in`: for 60 s), or until a callback with it is answered 401; the next
  call fetches another. A call for which there is no token is one of the three.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import aiohttp

    from connector.clock import Clock
    from connector.sandbox.emulator.settings import TokenClient

_DEFAULT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    ends_at: float


class CallbackTokens:
    """One token for each client, fetched once, however many calls wait for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[TokenClient, _Held] = {}
        self._fetching: dict[TokenClient, asyncio.Lock] = {}

    async def token(self, session: aiohttp.ClientSession, client: TokenClient) -> str | None:
        """A token that has not expired, None if there is none to be had. Raises what the session raises."""
        async with self._fetching.setdefault(client, asyncio.Lock()):
            held = self._held.get(client)
            if held is None or self._clock.monotonic() >= held.ends_at:
                held = await self._fetch(session, client)
            return None if held is None else held.token

    def refused(self, client: TokenClient, token: str) -> None:
        """Does not show this token again."""
        held = self._held.get(client)
        if held is not None and held.token == token:
            del self._held[client]

    def forget(self) -> None:
        """Drops all of them."""
        self._held.clear()

    async def _fetch(self, session: aiohttp.ClientSession, client: TokenClient) -> _Held | None:
        self._held.pop(client, None)
        asked_at = self._clock.monotonic()
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
        }
        scope = {"scope": client.scope} if client.scope else {}
        async with session.post(client.token_url, data=form | scope, allow_redirects=False) as answer:
            found = _granted(await answer.read()) if answer.status == 200 else None
        if found is None:
            return None
        token, seconds = found
        self._held[client] = _Held(token, asked_at + seconds)
        return self._held[client]


def _granted(body: bytes) -> tuple[str, float] | None:
    """The token and its seconds in an answer, None if it holds no bearer token (RFC 6749, 5.1)."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    match answer:
        case {"access_token": str(token), "token_type": str(kind)} if kind.lower() == "bearer":
            seconds = answer.get("expires_in", _DEFAULT_SECONDS)
            return token, float(seconds) if isinstance(seconds, int | float) else _DEFAULT_SECONDS
        case _:
            return None
