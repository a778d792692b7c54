"""Journeys: an item that was created is rendered for a while, then gets its outputs, then SEEN calls back.

A callback that is not answered 2xx is made twice more, 60 s apart; after that it is gone for good (SEEN's documents).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import uuid
from collections import Counter, deque
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import aiohttp

from connector.sandbox.emulator.settings import bearer
from connector.sandbox.emulator.tokens import CallbackTokens

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.sandbox.emulator.mishaps import Mishap, Mishaps
    from connector.sandbox.emulator.settings import Callback, EmulatorSettings
    from connector.sandbox.emulator.workspaces import Item, Workspace

_CALLS = 3
_CALLS_AT_ONCE = 32
_MOST_UNDER_WAY = 100_000
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class CallbackMade:
    """One call: when it ended (Unix seconds), the how-manieth for its item, and the answer's status, None without one."""

    at: float
    workspace: str
    id: str
    attempt: int
    status: int | None


@dataclass(frozen=True, slots=True)
class Links:
    """Where a video is to be found: a function of workspace and id, in the shape of SEEN's own links."""

    player: str
    thumbnail: str
    email_thumbnail: str

    def outputs(self) -> list[dict[str, object]]:
        """`journeyOutputs` of an item whose video is ready."""
        motion = {
            "id": _uuid(self.thumbnail),
            "thumbnail": self.thumbnail,
            "emailThumbnail": self.email_thumbnail,
        }
        player = {"id": _uuid(self.player), "link": self.player}
        return [
            {
                "id": _uuid(self.player + self.thumbnail),
                "motions": [motion],
                "players": [player],
                "webhook": None,
            }
        ]

    def callback(self, key: str) -> dict[str, str]:
        """The body of the callback, as in the documents' example for the platform."""
        return {
            "id": key,
            "player_url": self.player,
            "thumbnail_url": self.thumbnail,
            "email_thumbnail_url": self.email_thumbnail,
        }


def links(workspace: str, key: str) -> Links:
    """The links of an item's video."""
    digest = hashlib.sha256(f"{workspace}/{key}".encode()).digest()
    name = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:12])
    folder = f"https://motions.seen.io/{uuid.UUID(bytes=digest[:16], version=4)}/{digest[12:].hex()}"
    return Links(
        player=f"https://player.seen.io/v/{name}",
        thumbnail=f"{folder}/thumbnail.jpg",
        email_thumbnail=f"{folder}/email_thumbnail.jpg",
    )


@dataclass(frozen=True, slots=True)
class _Step:
    workspace: Workspace
    item: Item
    attempt: int
    mishap: Mishap | None = None
    is_rendered: bool = False


class Journeys:
    """All journeys of an emulator. At most 32 calls are on the wire at once, and 100,000 journeys under way."""

    def __init__(self, settings: EmulatorSettings, clock: Clock, mishaps: Mishaps) -> None:
        self._settings = settings
        self._mishaps = mishaps
        self._clock = clock
        self._random = random.Random(settings.seed)
        self._numbers = count()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._calls: asyncio.Queue[tuple[_Step, Callback]] = asyncio.Queue(_MOST_UNDER_WAY + _CALLS_AT_ONCE)
        self._callers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._tokens = CallbackTokens(clock)
        self.made: deque[CallbackMade] = deque(maxlen=settings.remembered)
        self.tally: Counter[str] = Counter()

    async def start(self) -> None:
        """Starts the callers."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._settings.callback_timeout_seconds)
        )
        self._callers = [
            asyncio.create_task(self._make_calls(self._session), name=f"emulator-callback-{number}")
            for number in range(_CALLS_AT_ONCE)
        ]

    async def stop(self) -> None:
        """Ends all journeys where they are."""
        self.forget()
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        if self._session:
            await self._session.close()

    def forget(self) -> None:
        """Ends all journeys that are not on the wire, and forgets what was called."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        while not self._calls.empty():
            self._calls.get_nowait()
        self.made.clear()
        self.tally.clear()
        self._tokens.forget()

    @property
    def under_way(self) -> int:
        """Journeys that render, or wait for a call."""
        return len(self._timers) + self._calls.qsize()

    def begin(self, workspace: Workspace, item: Item) -> None:
        """Starts the journey of an item; beyond the bound it is counted as `not started` instead."""
        if self.under_way >= _MOST_UNDER_WAY:
            self.tally["not started"] += 1
            return
        seconds = self._settings.render_seconds * self._random.uniform(0.5, 1.5)
        mishap = self._mishaps.take(workspace.id, item.id)
        if mishap is None or mishap.act != "stick":
            self._later(seconds, _Step(workspace, item, attempt=1, mishap=mishap))
        else:
            self.tally["stuck"] += 1

    def _later(self, seconds: float, step: _Step) -> None:
        number = next(self._numbers)
        self._timers[number] = asyncio.get_running_loop().call_later(seconds, self._due, number, step)

    def _due(self, number: int, step: _Step) -> None:
        del self._timers[number]
        if not step.is_rendered:
            step.item.outputs = links(step.workspace.id, step.item.id).outputs()
            self.tally["rendered"] += 1
            step = replace(step, is_rendered=True)
        if step.mishap is not None and step.mishap.act == "lose":
            self.tally["lost"] += 1
        elif step.mishap is not None and step.mishap.act == "delay":
            self._later(step.mishap.delay_seconds, replace(step, mishap=None))
        elif step.workspace.callback:
            # There is room: `begin` bounds what is under way.
            self._calls.put_nowait((step, step.workspace.callback))

    async def _make_calls(self, session: aiohttp.ClientSession) -> None:
        while True:
            step, callback = await self._calls.get()
            status = await _call(session, callback, step, self._tokens)
            self.made.append(
                CallbackMade(self._clock.wall(), step.workspace.id, step.item.id, step.attempt, status)
            )
            self.tally["no answer" if status is None else str(status)] += 1
            if status is not None and 200 <= status < 300:
                self.tally["delivered"] += 1
                if step.mishap is not None:  # the only one that comes so far is a repeat
                    self._later(0.0, replace(step, mishap=None))
            elif step.attempt < _CALLS:
                self._later(self._settings.callback_retry_seconds, replace(step, attempt=step.attempt + 1))
            else:
                self.tally["given up"] += 1


async def _call(
    session: aiohttp.ClientSession, callback: Callback, step: _Step, tokens: CallbackTokens
) -> int | None:
    """The answer's status, None where there was none within the session's limit, or no token for the call."""
    try:
        if callback.oauth2 is None:
            return await _request(session, callback, step, callback.headers)
        token = await tokens.token(session, callback.oauth2)
        if token is None:
            return None
        status = await _request(session, callback, step, callback.headers | bearer(token))
        if status == 401:
            tokens.refused(callback.oauth2, token)
        return status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


async def _request(
    session: aiohttp.ClientSession, callback: Callback, step: _Step, headers: dict[str, str]
) -> int:
    key, workspace = step.item.id, step.workspace.id
    async with session.request(
        callback.method,
        callback.url.replace("{workspace_id}", workspace),
        json=links(workspace, key).callback(key),
        headers=headers,
        allow_redirects=False,
    ) as response:
        return response.status


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
