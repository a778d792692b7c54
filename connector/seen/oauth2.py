"""OAuth 2.0 client credentials: access tokens from SEEN's token endpoint (SEEN API 2.0, authorization; RFC 6749, 4.4).

Rules:
 1. One request for a token at a time, as a task of its own: whoever needs a token waits for that one, and whoever stops
    waiting stops nobody else.
 2. A token is replaced before it expires. Until it expires it is used, and nobody waits, whatever becomes of the
    request for the next one.
 3. The client's secret is read at each request, so a new one needs no restart.
 4. No request is made before the time that a Retry-After asked for, an hour at most.
 5. What the endpoint does is a value: without a token, `authorization` gives `NoToken`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import aiohttp
import structlog

from connector.http.answer import parsed
from connector.http.client import is_unconnected, read_capped
from connector.http.exchange import Fault, NoResponse, Response
from connector.http.headers import retry_after_seconds
from connector.seen.verdict import NoToken, without_token
from connector.types import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.clock import Clock
    from connector.seen.client import SeenEndpoint

log = structlog.get_logger()

DEFAULT_LIFETIME_SECONDS = 300.0
"""Of a token that comes without an `expires_in` that is a number above zero."""

_MARGIN_SECONDS = 60.0
_MARGIN_SHARE = 0.1
_PAUSE_SECONDS = 5.0
_LONGEST_BODY = 65_536
_CONNECT_SECONDS = 10.0
_TOKEN = re.compile(r"[\x21-\x7e]{4,8192}")  # what a header can carry; a shorter one could not be redacted


@dataclass(frozen=True, slots=True)
class OAuth2Client:
    """Who asks for tokens, for the workspace of this name. `reveal` gives the client's secret as it stands now."""

    workspace: str
    client_id: str
    reveal: Callable[[], str] = field(repr=False)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the token endpoint gave: good for `lifetime_seconds` from when it was asked for."""

    value: str = field(repr=False)
    lifetime_seconds: float


@dataclass(frozen=True, slots=True)
class _Held:
    """A token in use. Times are monotonic seconds."""

    header: str = field(repr=False)
    renew_at: float
    expires_at: float


class OAuth2:
    """`Bearer <access token>`, fetched when it is needed and kept while it is good."""

    def __init__(
        self,
        endpoint: SeenEndpoint,
        client: OAuth2Client,
        clock: Clock,
        redact: Callable[[str], str],
        learn: Callable[[str], None],
    ) -> None:
        """`redact` takes secrets out of a text; `learn` is told of each access token before it is used."""
        self._endpoint = endpoint
        self._client = client
        self._clock = clock
        self._redact = redact
        self._learn = learn
        self._held: _Held | None = None
        self._asking: asyncio.Task[_Held | NoToken] | None = None
        self._asks_at = float("-inf")

    async def authorization(self) -> str | NoToken:
        """The header's value, or why there is none. Waits no longer than the endpoint's time limit."""
        now, held = self._clock.monotonic(), self._held
        due = (held is None or now >= held.renew_at) and now >= self._asks_at
        asking = self._asking
        if asking is None or (due and asking.done()):
            asking = asyncio.create_task(self._ask(), name=f"{self._client.workspace}: access token")
            self._asking = asking
        if held is not None and now < held.expires_at:
            return held.header
        await asyncio.wait([asking])  # whose own cancellation leaves the task alone
        found = asking.result()
        return found.header if isinstance(found, _Held) else self._remaining(found)

    async def renew(self) -> None:
        """Drops the token; the next one is asked for when it is needed."""
        if self._asking is not None:  # what was asked for with the old secret must not come after this
            await asyncio.wait([self._asking])
        self._held = None

    async def stop(self) -> None:
        """Cancels a request that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self) -> _Held | NoToken:
        asked_at = self._clock.monotonic()
        answer = await self._request()
        token = granted(answer)
        if token is None:
            return self._failed(answer)
        self._learn(token.value)
        lifetime = token.lifetime_seconds
        margin = min(_MARGIN_SECONDS, _MARGIN_SHARE * lifetime)
        self._held = _Held(f"Bearer {token.value}", asked_at + lifetime - margin, asked_at + lifetime)
        log.info("access_token_issued", workspace=self._client.workspace, lifetime_seconds=lifetime)
        return self._held

    def _failed(self, answer: Response | NoResponse) -> NoToken:
        now, verdict = self._clock.monotonic(), without_token(answer)
        asked = verdict.hold_seconds if isinstance(verdict, Retry) else None
        good_for = 0.0 if self._held is None else max(0.0, self._held.expires_at - now)
        self._asks_at = now + max(asked or 0.0, min(_PAUSE_SECONDS, good_for))
        log.warning(
            "access_token_not_issued",
            workspace=self._client.workspace,
            reason=verdict.reason,
            detail=verdict.detail,
            old_one_is_good_for_seconds=round(good_for, 1),
        )
        return NoToken(answer)

    def _remaining(self, refusal: NoToken) -> NoToken:
        """The same refusal, with what is left of the time that it asked to wait."""
        answer = refusal.answer
        if isinstance(answer, NoResponse) or answer.retry_after_seconds is None:
            return refusal
        left = max(0.0, self._asks_at - self._clock.monotonic())
        return NoToken(replace(answer, retry_after_seconds=left))

    async def _request(self) -> Response | NoResponse:
        timeout = aiohttp.ClientTimeout(total=self._endpoint.timeout_seconds, sock_connect=_CONNECT_SECONDS)
        try:
            # A token is fetched so seldom that a connection is not kept for it. A redirect would take the secret elsewhere.
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(
                    self._endpoint.token_url,
                    data=self._form(),
                    headers={"Accept": "application/json"},
                    allow_redirects=False,
                ) as answer,
            ):
                body = await read_capped(answer, _LONGEST_BODY)
                hold = retry_after_seconds(answer.headers, self._clock.wall())
                return Response(answer.status, body, retry_after_seconds=hold)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return self._no_response(error)

    def _form(self) -> dict[str, str]:
        client = self._client
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.reveal(),
        }
        return form | ({"scope": client.scope} if client.scope else {})

    def _no_response(self, error: Exception) -> NoResponse:
        detail = f"{type(error).__name__}: {self._redact(str(error))[:200]}".rstrip(": ")
        if is_unconnected(error):
            return NoResponse(Fault.NOT_SENT, f"cannot connect to the token endpoint ({detail})")
        if isinstance(error, asyncio.TimeoutError):
            seconds = f"{self._endpoint.timeout_seconds:g} s"
            return NoResponse(Fault.TIMED_OUT, f"no answer of the token endpoint within {seconds}")
        return NoResponse(Fault.LOST, f"the connection to the token endpoint was lost ({detail})")


def granted(answer: Response | NoResponse) -> AccessToken | None:
    """The bearer token that an answer of the token endpoint gives (RFC 6749, 5.1), None if it gives none."""
    if isinstance(answer, NoResponse) or answer.status not in (200, 201):
        return None
    body = parsed(answer.body)
    value, kind = body.get("access_token"), body.get("token_type", "Bearer")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value) or str(kind).lower() != "bearer":
        return None
    return AccessToken(value, _lifetime(body.get("expires_in")))


def _lifetime(value: object) -> float:
    """`expires_in` in seconds. Some servers write it as text."""
    try:
        seconds = (
            float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
        )
    except (ValueError, OverflowError):
        return DEFAULT_LIFETIME_SECONDS
    return seconds if 0 < seconds < float("inf") else DEFAULT_LIFETIME_SECONDS
