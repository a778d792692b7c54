"""What `SeenClient` is, for one replica of a course: requests in, `Exchange` values out, so that the connector's own verdicts
are at work.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from connector.http.exchange import Fault, NoResponse, Response
from tests.simulation.history import Fault as Happened

if TYPE_CHECKING:
    from connector.http.permit import Permit
    from connector.seen.verdict import Exchange
    from tests.simulation.history import Entry
    from tests.simulation.plan import WorkspacePlan
    from tests.simulation.seen import Request, SimulatedSeen


class SimulatedClient:
    """A replica's connections to SEEN."""

    def __init__(self, seen: SimulatedSeen, plan: WorkspacePlan, replica: int, history: list[Entry]) -> None:
        self._seen = seen
        self._plan = plan
        self._replica = replica
        self._history = history
        self._open: dict[int, Request] = {}

    def close(self) -> None:
        """Closes all connections, as the end of a process does."""
        for request in self._open.values():
            self._seen.given_up(request, "cut off")
        self._open.clear()

    async def create(self, body: bytes, permit: Permit) -> Exchange:
        """POSTs what is in `body`: an item, or an array of receivers."""
        posted = orjson.loads(body)
        items = posted if isinstance(posted, list) else [posted]
        return await self._exchange(items, len(body), permit, look_up=False)

    async def get(self, item_id: str, permit: Permit) -> Exchange:
        """Asks for the item with the id `item_id`."""
        return await self._exchange([{"id": item_id}], 0, permit, look_up=True)

    async def renew_credentials(self) -> None:
        """There is nothing to read."""

    async def _exchange(
        self, items: list[dict[str, Any]], size: int, permit: Permit, *, look_up: bool
    ) -> Exchange:
        loop = asyncio.get_running_loop()
        meets = self._seen.meets(items, loop.time())
        self._seen.leaving.set()
        await asyncio.sleep(0.001)  # to connect
        if meets == "no connection":
            self._history.append(Happened(loop.time(), self._plan.name, "seen: no connection"))
            permit.unused()
            return NoResponse(Fault.NOT_SENT, "cannot connect")
        if not permit.may_leave():
            self._history.append(Happened(loop.time(), self._plan.name, "lease lost before a request"))
            permit.unused()
            return NoResponse(Fault.FENCED, "the right to send ended")
        request = self._seen.send(self._replica, items, size, look_up=look_up, meets=meets)
        self._open[request.number] = request
        try:
            async with asyncio.timeout(self._plan.limits.timeout_seconds):
                exchange = await request.answer
        except TimeoutError:
            self._seen.given_up(request, "timed out")
            return NoResponse(Fault.TIMED_OUT, "no answer")
        except asyncio.CancelledError:
            if request.number in self._open:
                self._seen.given_up(request, "cut off")
            raise
        finally:
            self._open.pop(request.number, None)
        if isinstance(exchange, Response):
            permit.answered()
            self._seen.ended(request, str(exchange.status))
        else:
            self._seen.ended(request, "lost")
        return exchange
