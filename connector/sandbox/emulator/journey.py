"""Journeys: an item that was created is rendered for a while, then gets its outputs, then SEEN calls back.

A callback that is not answered 2xx is made twice more, 60 s apart; after that it is gone for good (SEEN's documents). Once
it is answered, viewers may act, of which SEEN tells in calls of their own.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import aiohttp

from connector.sandbox.emulator.links import links
from connector.sandbox.emulator.settings import bearer
from connector.sandbox.emulator.tokens import CallbackTokens
from connector.sandbox.emulator.viewings import Act

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.sandbox.emulator.mishaps import Mishap
    from connector.sandbox.emulator.orders import Orders
    from connector.sandbox.emulator.settings import Callback, EmulatorSettings
    from connector.sandbox.emulator.viewings import Viewing
    from connector.sandbox.emulator.workspaces import Item, Workspace

_CALLS = 3
_CALLS_AT_ONCE = 32
_MOST_UNDER_WAY = 100_000


@dataclass(frozen=True, slots=True)
class CallbackMade:
    """One call: when it ended (Unix seconds), the how-manieth for its item, and the answer's status, None without one.

    `event` is what a viewer did, None where the call told of a video.
    """

    at: float
    workspace: str
    id: str
    attempt: int
    status: int | None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    workspace: Workspace
    item: Item
    attempt: int
    mishap: Mishap | None = None
    is_rendered: bool = False
    act: Act | None = None


class Journeys:
    """All journeys of an emulator. At most 32 calls are on the wire at once, and 100,000 journeys under way."""

    def __init__(
        self, settings: EmulatorSettings, clock: Clock, mishaps: Orders[Mishap], viewings: Orders[Viewing]
    ) -> None:
        self._settings = settings
        self._mishaps = mishaps
        self._viewings = viewings
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

    def act(self, workspace: Workspace, item: Item, event: str, delay_seconds: float = 0.0) -> None:
        """Has a viewer act, so much later; beyond the bound it is counted as `not started` instead."""
        if self.under_way >= _MOST_UNDER_WAY:
            self.tally["not started"] += 1
            return
        act = Act(event, self._clock.wall() + delay_seconds)
        self._later(delay_seconds, _Step(workspace, item, attempt=1, is_rendered=True, act=act))

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
            self.tally["delayed"] += 1
            self._later(step.mishap.delay_seconds, replace(step, mishap=None))
        elif callback := step.workspace.callback if step.act is None else step.workspace.viewer:
            # There is room: `begin` and `act` bound what is under way.
            self._calls.put_nowait((step, callback))

    async def _make_calls(self, session: aiohttp.ClientSession) -> None:
        while True:
            step, callback = await self._calls.get()
            status = await _call(session, callback, step, self._tokens)
            event = None if step.act is None else step.act.event
            self.made.append(
                CallbackMade(self._clock.wall(), step.workspace.id, step.item.id, step.attempt, status, event)
            )
            told_of = "" if step.act is None else "viewer "
            self.tally[told_of + ("no answer" if status is None else str(status))] += 1
            if status is not None and 200 <= status < 300:
                self.tally[f"{told_of}delivered"] += 1
                self._go_on(step)
            elif step.attempt < _CALLS:
                self._later(self._settings.callback_retry_seconds, replace(step, attempt=step.attempt + 1))
            else:
                self.tally[f"{told_of}given up"] += 1

    def _go_on(self, step: _Step) -> None:
        """What follows a call that was answered 2xx."""
        if step.mishap is not None:  # the only one that comes so far is a repeat
            self.tally["repeated"] += 1
            self._later(0.0, replace(step, mishap=None))
        elif step.act is None:
            for viewing in self._viewings.take_all(step.workspace.id, step.item.id):
                self.act(step.workspace, step.item, viewing.event, viewing.delay_seconds)


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
        json=step.workspace.callback_body(key) if step.act is None else step.act.body(key),
        headers=headers,
        allow_redirects=False,
    ) as response:
        return response.status
