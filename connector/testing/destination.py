"""An API whose answers are scripted: a `connector.delivery.request.Destination`."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from connector.delivery.batch import BatchLimits
from connector.types import Accepted, InDoubt, Reason, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.delivery.request import Permit
    from connector.types import Absent, Event, Reject, Sighting, Suspend, Verdict

    Finding = Accepted | Absent | Reject | Retry | Suspend | InDoubt

Kind = Literal["create", "look_up"]

_CREATED = Accepted(reason=Reason.CREATED, status=201)
_FOUND = Accepted(reason=Reason.FOUND, status=200)


@dataclass(slots=True)
class SentRequest:
    """One request: its events' ids, and the loop's times; `ended_at` is None while it is on the wire or if it was cut off."""

    kind: Kind
    ids: tuple[str, ...]
    sent_at: float
    ended_at: float | None = None


class ScriptedDestination:
    """Takes everything, unless a script or a function says otherwise, each request within `seconds`.

    `requests` has all that was sent, in order; `renewals` counts how often the credentials were read anew. `seconds` and
    `batch` may be set at any time.
    """

    def __init__(
        self,
        answer: Callable[[Event, Kind], Finding] | None = None,
        *,
        max_items: int = 1,
        max_bytes: int | None = None,
        wait_seconds: float = 0.0,
        seconds: float = 0.1,
    ) -> None:
        """`answer` says what becomes of an event for which nothing is scripted: by its id, by the time, as you like."""
        self.batch = BatchLimits(max_items, max_bytes, wait_seconds)
        self.seconds = seconds
        self.requests: list[SentRequest] = []
        self.renewals = 0
        self._answer = answer or (lambda _event, kind: _CREATED if kind == "create" else _FOUND)
        self._scripts: defaultdict[str, deque[Finding]] = defaultdict(deque)

    def script(self, event_id: str, *findings: Finding) -> None:
        """The next requests about `event_id` are answered by these, in order; those after them as all others."""
        self._scripts[event_id].extend(findings)

    def sent(self, event_id: str) -> list[SentRequest]:
        """The requests that carried `event_id`, in order."""
        return [request for request in self.requests if event_id in request.ids]

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """The scripted verdict of each event, in order."""
        return cast("list[Verdict]", await self._request("create", batch, permit))

    async def look_up(self, event: Event, permit: Permit) -> Sighting:
        """The scripted sighting."""
        (sighting,) = await self._request("look_up", [event], permit)
        return cast("Sighting", sighting)

    async def renew_credentials(self) -> None:
        """Counts."""
        self.renewals += 1

    async def _request(self, kind: Kind, batch: Sequence[Event], permit: Permit) -> list[Finding]:
        loop = asyncio.get_running_loop()
        request = SentRequest(kind, tuple(event.id for event in batch), loop.time())
        self.requests.append(request)
        findings = [self._finding(event, kind) for event in batch]
        await asyncio.sleep(self.seconds)
        request.ended_at = loop.time()
        if any(finding.reason is Reason.CANNOT_CONNECT for finding in findings):
            permit.unused()
        elif not any(finding.reason in (Reason.TIMED_OUT, Reason.CONNECTION_LOST) for finding in findings):
            permit.answered()
        return findings

    def _finding(self, event: Event, kind: Kind) -> Finding:
        script = self._scripts[event.id]
        return script.popleft() if script else self._answer(event, kind)
