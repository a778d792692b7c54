"""The destination for SEEN's platform API: create data, a batch of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

from connector.delivery.batch import BatchLimits
from connector.seen.verdict import judge, sight
from connector.text import redacted_start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.http.permit import Permit
    from connector.seen.client import SeenClient
    from connector.types import Event, Sighting, Verdict

_LONGEST_DETAIL = 600


class DataDestination:
    """Posts each event as one JSON object (SEEN API 2.0, create data: arrays are refused)."""

    batch: Final = BatchLimits()

    def __init__(self, client: SeenClient, redact: Callable[[str], str]) -> None:
        """`redact` takes secrets out of what SEEN says: a message of its own may repeat what it was sent."""
        self._client = client
        self._redact = redact

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """Sends the one event of `batch`. Raises ValueError for a batch of another size."""
        (event,) = batch
        verdict = judge(await self._client.create(event.body, permit), event.id)
        return [replace(verdict, detail=self._clean(verdict.detail))]

    async def look_up(self, event: Event, permit: Permit) -> Sighting:
        """Asks SEEN whether it has `event` with these values."""
        sighting = sight(await self._client.get(event.id, permit), orjson.loads(event.body))
        return replace(sighting, detail=self._clean(sighting.detail))

    async def renew_credentials(self) -> None:
        """Reads the secret anew."""
        await self._client.renew_credentials()

    def _clean(self, detail: str) -> str:
        return redacted_start(detail, _LONGEST_DETAIL, self._redact)
