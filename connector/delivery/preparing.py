"""Preparing events: what must be found out about one before it may be sent, while it holds back its own key only.

Rules:
 1. The head of a lane is taken, prepared and put back. It takes no slot meanwhile, and other lanes go on.
 2. What cannot be sent is settled as rejected, and its lane goes on.
 3. An event in doubt is looked up first: SEEN may have it as it is. Where preparing may change what is sent, it comes before
    the look-up, which must compare what was sent.
 4. As many are prepared at once as there are keys with something to send, which `max_buffered` bounds. A bound below that
    would let a few slow ones hold back the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from connector.types import Unsendable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from connector.delivery.delivery import Delivery
    from connector.delivery.lanes import Lanes
    from connector.types import Event, Outcome


class Preparation(Protocol):
    """What finds out about an event what must be known before it is sent."""

    async def prepare(self, event: Event) -> Event | Unsendable:
        """The event as it may be sent, or why it cannot be. Ends within a limit; may be cancelled at any time."""
        ...


class Preparing:
    """The events of one workspace that are being prepared; none of them where there is no `preparation`."""

    def __init__(
        self,
        preparation: Preparation | None,
        ready: Callable[[Delivery, Lanes[Delivery]], None],
        refused: Callable[[Delivery, Outcome, Lanes[Delivery]], None],
    ) -> None:
        """`ready` puts a delivery back into its lanes, `refused` settles it; neither waits."""
        self._preparation = preparation
        self._ready = ready
        self._refused = refused
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many events are being prepared."""
        return len(self._tasks)

    def takes(self, delivery: Delivery) -> bool:
        """Whether `delivery` must be prepared before it may leave."""
        return self._preparation is not None and delivery.needs_preparation

    def begin(
        self,
        delivery: Delivery,
        lanes: Lanes[Delivery],
        start: Callable[[Coroutine[None, None, None], str], asyncio.Task[None]],
    ) -> None:
        """Prepares `delivery`, which was taken from `lanes`, in a task that `start` starts under a name."""
        task = start(self._prepare(delivery, lanes), f"prepare {delivery.event.record.origin}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self) -> set[asyncio.Task[None]]:
        """Ends all that is under way: nothing becomes of it. Returns the tasks, which end by themselves."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        return tasks

    async def _prepare(self, delivery: Delivery, lanes: Lanes[Delivery]) -> None:
        if self._preparation is None:
            raise RuntimeError("there is nothing to prepare with")
        prepared = await self._preparation.prepare(delivery.event)
        if isinstance(prepared, Unsendable):
            self._refused(delivery, delivery.refused(prepared), lanes)
        else:
            delivery.event = prepared
            self._ready(delivery, lanes)
