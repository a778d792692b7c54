"""Carries a plan out: does to the connectors, to the broker and to SEEN what it says, when it says so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from connector.sandbox.emulator import Fault
from reliability.events import POISON, WORKSPACES
from reliability.plan import LONG_OUTAGE_SECONDS, Act

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reliability.fleet import Fleet
    from reliability.plan import Action, Plan
    from reliability.stage import Stage

_SLOW_SECONDS = 1.5  # within the connector's own limit of 3
_HANGS = 8
_FAULTS = {
    Act.ERROR: Fault(status=500, times=None),
    Act.UNAVAILABLE: Fault(status=503, times=None),
    Act.RESET_BEFORE: Fault(act="reset", times=None),
    Act.RESET_AFTER: Fault(act="reset", processed=True, times=None),
    Act.HANG_BEFORE: Fault(act="hang", times=_HANGS),
    Act.HANG_AFTER: Fault(act="hang", processed=True, times=_HANGS),
    Act.SLOW: Fault(act="none", delay_seconds=_SLOW_SECONDS, times=None),
}


class Conductor:
    """Plays the tracks of a plan. Times count from `began`, in the event loop's seconds.

    `returned_at` is when the long outage ended, in Unix seconds; None before.
    """

    def __init__(self, stage: Stage, fleet: Fleet, began: float, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._fleet = fleet
        self._began = began
        self._say = say
        self._tokens = 1
        self.returned_at: float | None = None

    def poison(self, ids: Iterable[tuple[str, str]]) -> None:
        """Has SEEN refuse these events, by workspace and id, for ever and whatever is asked of them."""
        for workspace, event_id in ids:
            status = next(code for prefix, code in POISON.items() if event_id.startswith(prefix))
            self._stage.seen.fail(Fault(status=status, times=None, workspace=workspace, id=event_id))

    async def play(self, plan: Plan) -> None:
        """Returns when all of it has happened, and is over."""
        async with asyncio.TaskGroup() as group:
            for track in (plan.processes, plan.broker, plan.seen):
                group.create_task(self._play(track))

    async def until(self, at: float) -> None:
        """Waits until `at` seconds from the start; returns at once if that is past."""
        await asyncio.sleep(self._began + at - asyncio.get_running_loop().time())

    async def _play(self, track: Iterable[Action]) -> None:
        for action in track:
            await self.until(action.at)
            self._say(str(action.act))
            await self._do(action)

    async def _do(self, action: Action) -> None:
        match action.act:
            case Act.KILL:
                await self._fleet.kill(self._fleet.chosen(action.chance))
                await asyncio.sleep(action.seconds)
                self._fleet.start()
            case Act.STOP_SHORT | Act.STOP_LONG:
                await self._fleet.pause(self._fleet.chosen(action.chance), action.seconds)
            case Act.ADD:
                self._fleet.start()
            case Act.REMOVE:
                await self._fleet.end(self._fleet.chosen(action.chance))
            case Act.BROKER_RESTART | Act.BROKER_KILL:
                await self._restart_broker(action)
            case _:
                await self._trouble_at_seen(action)

    async def _restart_broker(self, action: Action) -> None:
        kafka = self._stage.kafka
        await (kafka.stop() if action.act is Act.BROKER_RESTART else kafka.kill())
        await asyncio.sleep(action.seconds)
        await kafka.start()
        self._say("the broker is back")

    async def _trouble_at_seen(self, action: Action) -> None:
        seen = self._stage.seen
        match action.act:
            case Act.OUTAGE:
                await seen.port.go_down()
                await asyncio.sleep(action.seconds)
                await seen.port.come_up()
                if action.seconds == LONG_OUTAGE_SECONDS:
                    self.returned_at = time.time()
            case Act.UNAUTHORIZED:
                await self._change_token(action)
            case _:
                seen.fail(replace(_FAULTS[action.act], for_seconds=action.seconds))
                await asyncio.sleep(action.seconds)
        self._say(f"no more: {action.act}")

    async def _change_token(self, action: Action) -> None:
        """SEEN takes another token at once; the connectors find it in their file later."""
        workspace = WORKSPACES[int(action.chance * len(WORKSPACES))]
        self._tokens += 1
        token = f"token-{self._tokens}"
        self._stage.seen.set_tokens(workspace, token)
        await asyncio.sleep(action.seconds)
        self._stage.give_token(workspace, token)
