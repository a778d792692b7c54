"""An event loop whose time is virtual: it jumps to the next timer. What runs on it is the same each time, to the bit.

Rules:
 1. Time passes only where nothing can run, and by a microsecond at each turn: a wait too short for a float still ends.
 2. Nothing depends on addresses: tasks hash by their number, so sets of them have one order.
 3. A process that is stopped (SIGSTOP) runs nothing: what is due in it is kept until it is continued. Time goes on.
"""

from __future__ import annotations

import asyncio
import heapq
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine

_TURN_SECONDS = 1e-6
_MOST_TURNS = 500_000
"""Far more than a course takes: what needs more turns in a circle."""


class StandsStillError(RuntimeError):
    """Nothing will ever happen again: everything waits for something else, or something turns without end."""


class Process:
    """What its tasks run in. They are found by the context that they inherit."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.is_stopped = False
        self.kept: list[asyncio.Handle] = []
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()

    @property
    def running(self) -> int:
        """How many of its tasks have not ended."""
        return sum(not task.done() for task in self.tasks)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts `work` in this process."""
        context = Context()
        context.run(_PROCESS.set, self)
        return self._loop.create_task(work, name=name, context=context)

    def stop(self) -> None:
        """Runs nothing from now on, as after SIGSTOP."""
        self.is_stopped = True

    def go_on(self) -> None:
        """Runs again, first what was kept, as after SIGCONT."""
        self.is_stopped = False
        kept, self.kept = self.kept, []
        self._loop.run_next(kept)


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Task(asyncio.Task[Any]):
    def __init__(self, coro: Coroutine[Any, Any, Any], number: int, **more: Any) -> None:
        self._number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """It has timers and tasks, and nothing else: no files, sockets, signals, threads."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._tasks_made = 0
        self._turns = 0
        self.set_task_factory(self._new_task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Seconds since the loop was made. It stands still within a turn."""
        return self._now

    def happens(self, delay: float, what: Callable[..., None], *arguments: object) -> asyncio.TimerHandle:
        """Calls `what` after `delay`, outside of all processes, whoever asks for it: in the network, at a server."""
        return self.call_later(delay, what, *arguments, context=Context())

    def run_next(self, handles: list[asyncio.Handle]) -> None:
        """Runs these in the next turn."""
        self._ready.extend(handles)

    def _new_task(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: Context | None = None
    ) -> asyncio.Task[Any]:
        self._tasks_made += 1
        task = _Task(coro, self._tasks_made, loop=loop, context=context)
        process = context.get(_PROCESS) if context else _PROCESS.get()
        if process is not None:
            process.tasks.add(task)
        return task

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        self._turns += 1
        if self._turns > _MOST_TURNS:
            raise StandsStillError("it turns without end")
        if not ready:
            while scheduled and scheduled[0].cancelled():
                heapq.heappop(scheduled)
            if not scheduled:
                raise StandsStillError("everything waits")
            self._now = max(self._now, scheduled[0].when())
        self._now += _TURN_SECONDS
        while scheduled and scheduled[0].when() <= self._now:
            ready.append(heapq.heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle.cancelled():
                continue
            process = handle._context.get(_PROCESS)  # type: ignore[attr-defined]
            if process is not None and process.is_stopped:
                process.kept.append(handle)
            else:
                handle._run()
