"""The destination for SEEN's legacy API: create receivers, many in one call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.seen.receivers import judge_receivers
from connector.text import redacted_start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.delivery.batch import BatchLimits
    from connector.http.permit import Permit
    from connector.seen.client import SeenClient
    from connector.types import Event, Sighting, Verdict

_LONGEST_DETAIL = 600
_LONGEST_RESPONSE = 2048


class ReceiversDestination:
    """Posts events as one JSON array (SEEN API 1.0, create receivers). It cannot be asked what became of one."""

    def __init__(
        self, client: SeenClient, batch: BatchLimits, redact: Callable[[str], str], *, takes_existing: bool
    ) -> None:
        """`takes_existing` as in `judge_receivers`; `redact` takes secrets out of what SEEN says."""
        self.batch = batch
        self._client = client
        self._redact = redact
        self._takes_existing = takes_existing

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """Sends `batch` in one call; a verdict for each event, in order."""
        body = b"[" + b",".join(event.body for event in batch) + b"]"
        exchange = await self._client.create(body, permit)
        verdicts = judge_receivers(exchange, len(batch), takes_existing=self._takes_existing)
        return [self._clean(each) for each in verdicts]

    async def look_up(self, event: Event, permit: Permit) -> Sighting:  # noqa: ARG002 - the port asks for them
        """Raises ValueError: there is nothing to ask (SEEN API 1.0)."""
        raise ValueError("SEEN API 1.0 has nothing to look up")

    async def renew_credentials(self) -> None:
        """Reads the secret anew."""
        await self._client.renew_credentials()

    def _clean(self, verdict: Verdict) -> Verdict:
        detail = redacted_start(verdict.detail, _LONGEST_DETAIL, self._redact)
        response = redacted_start(verdict.response, _LONGEST_RESPONSE, self._redact)
        return replace(verdict, detail=detail, response=response)
