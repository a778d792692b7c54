"""The threads in which the event loop looks up names: asyncio's own keep the process until the last of them has its answer.

A resolver that hangs takes half a minute and more, and a lookup cannot be ended.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE = 16


class Lookups(ThreadPoolExecutor):
    """A default executor for an event loop: at most sixteen things at once, and none is waited for at the end."""

    def __init__(self) -> None:
        # An event loop takes no other kind; the threads of this kind would begin in the `submit` that is replaced below.
        super().__init__(max_workers=1)
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._free = threading.Semaphore(0)
        self._begun = 0

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """What `work` returns, in time. To be called by one thread."""
        found: Future[T] = Future()

        def run() -> None:
            if not found.set_running_or_notify_cancel():
                return
            try:
                found.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is whoever asks that it is raised for
                found.set_exception(error)

        self._asked.put(run)
        if not self._free.acquire(blocking=False) and self._begun < _AT_ONCE:
            threading.Thread(target=self._serve, name="lookups", daemon=True).start()
            self._begun += 1
        return found

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Waits for nothing: the threads end with the process."""

    def _serve(self) -> None:
        while True:
            self._asked.get()()
            self._free.release()
