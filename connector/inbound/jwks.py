"""The public keys of somebody else's OAuth 2.0 server, fetched when they are needed and kept.

Rules:
 1. One fetch at a time, and none sooner than `PAUSE_SECONDS` after the last one, whatever callers send. Only a token whose
    claims would do causes one.
 2. Keys that are known are used at once; they are renewed in the background. Only after `WAIT_AFTER_SECONDS` a call waits
    for that: a key that was withdrawn must not serve a listener that was idle meanwhile.
 3. Where a fetch fails, the keys that are known go on, for a day.
 4. A key that is not among keys that were fetched just now is unknown; where they could not be fetched, nobody knows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import structlog

from connector.http.client import read_capped
from connector.inbound.auth import Proof
from connector.inbound.keyset import chosen, parse_key_set
from connector.inbound.tokens import FOREIGN_LEEWAY_SECONDS, Expected, bearer, read, verified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.clock import Clock
    from connector.inbound.tokens import Key
    from connector.metrics import WorkspaceMetrics

log = structlog.get_logger()

PAUSE_SECONDS = 30.0
"""Between two fetches."""

RENEW_AFTER_SECONDS = 600.0
"""Keys of this age are fetched again, when one is needed."""

WAIT_AFTER_SECONDS = 3600.0
"""Keys of this age are not used before that was tried."""

GOOD_FOR_SECONDS = 86_400.0
"""Keys of this age are not used at all."""

TIMEOUT_SECONDS = 5.0
"""Of a fetch, connecting and reading included."""

LONGEST_BODY = 262_144
"""In bytes; a longer key set is refused."""


class IssuerKeys:
    """The keys behind `url`, for the workspace of this name."""

    def __init__(self, url: str, workspace: str, clock: Clock, metrics: WorkspaceMetrics) -> None:
        self._url = url
        self._workspace = workspace
        self._clock = clock
        self._metrics = metrics
        self._keys: dict[str | None, Key] = {}
        self._fetched_at = float("-inf")
        self._asks_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, *, may_fetch: bool) -> Key | Proof:
        """The key of this id; `WRONG` where there is none, `UNVERIFIABLE` where that is not known.

        Waits for at most one fetch. Without `may_fetch` it neither causes one nor waits.
        """
        key = chosen(self._keys, key_id)
        if may_fetch and (key is None or self._age() >= RENEW_AFTER_SECONDS):
            asking = self._renewal()
            if asking is not None and (key is None or self._age() >= WAIT_AFTER_SECONDS):
                await asyncio.wait([asking])  # whose own cancellation leaves the task alone
                key = chosen(self._keys, key_id)
        if self._age() >= GOOD_FOR_SECONDS:
            return Proof.UNVERIFIABLE if may_fetch else Proof.WRONG
        if key is not None:
            return key
        return (
            Proof.UNVERIFIABLE if may_fetch and self._age() > PAUSE_SECONDS + TIMEOUT_SECONDS else Proof.WRONG
        )

    def _age(self) -> float:
        return self._clock.monotonic() - self._fetched_at

    def _renewal(self) -> asyncio.Task[None] | None:
        """The fetch that is under way, a new one where the last one is long enough ago, else None."""
        if self._asking is not None and not self._asking.done():
            return self._asking
        now = self._clock.monotonic()
        if now < self._asks_at:
            return None
        self._asks_at = now + PAUSE_SECONDS
        self._asking = asyncio.create_task(self._fetch(), name=f"{self._workspace}: issuer's keys")
        return self._asking

    async def _fetch(self) -> None:
        try:
            keys = parse_key_set(await self._body())
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self._metrics.issuer_key_failures.inc()
            why = str(error) if type(error) is ValueError else type(error).__name__
            age = round(self._age(), 1) if self._keys else None
            log.warning("issuer_keys_unavailable", workspace=self._workspace, why=why, age_seconds=age)
            return
        self._keys, self._fetched_at = keys, self._clock.monotonic()
        log.info("issuer_keys_fetched", workspace=self._workspace, keys=len(keys))

    async def _body(self) -> bytes:
        """What `url` answers. Raises ValueError for anything but a 200 of a length that can be."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with (
            aiohttp.ClientSession(
                timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            ) as session,
            session.get(self._url, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"it answers {answer.status}")
            body = await read_capped(answer, LONGEST_BODY)
        if len(body) >= LONGEST_BODY:
            raise ValueError(f"it has {LONGEST_BODY} bytes or more")
        return body


class IssuerAuth:
    """Bearer tokens of somebody else's server: signed with one of its keys, and what is expected."""

    def __init__(self, keys: IssuerKeys, expected: Expected, clock: Clock) -> None:
        self._keys = keys
        self._expected = expected
        self._clock = clock

    async def check(self, headers: Mapping[str, str]) -> Proof:
        """As `Authenticator`. Waits for a fetch of keys where it must."""
        token, now = bearer(headers), self._clock.wall()
        said = None if token is None else read(token, self._expected, now)
        if token is None or said is None or said.claims is Proof.WRONG:
            return Proof.WRONG
        key = await self._keys.find(said.key_id, may_fetch=said.claims is Proof.RIGHT)
        return key if isinstance(key, Proof) else verified(token, key, self._expected, now)


def expected_of_issuer(
    issuer: str, audience: str, algorithms: tuple[str, ...], subject: str | None
) -> Expected:
    """What a token of somebody else's server must say."""
    return Expected(issuer, audience, algorithms, subject, FOREIGN_LEEWAY_SECONDS)
