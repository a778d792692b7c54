"""The destination for videos that go back to Braze: attributes of its users, many in one request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.braze.track import judge_track
from connector.text import redacted_start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connector.braze.client import BrazeClient
    from connector.delivery.batch import BatchLimits
    from connector.http.permit import Permit
    from connector.types import Event, Sighting, Verdict

_LONGEST_DETAIL = 600
_LONGEST_RESPONSE = 2048
_BEFORE, _AFTER = b'{"attributes":[', b"]}"


def room_in(max_request_bytes: int, items: int) -> int:
    """What is left for the bodies of so many events in a request of so many bytes."""
    return max_request_bytes - len(_BEFORE) - len(_AFTER) - (items - 1)


class TrackDestination:
    """Posts events as attribute objects (Braze, Track users). It cannot be asked what became of one: it is sent again."""

    def __init__(self, client: BrazeClient, batch: BatchLimits, redact: Callable[[str], str]) -> None:
        """`redact` takes secrets out of what Braze says: it repeats a REST key that it refuses."""
        self.batch = batch
        self._client = client
        self._redact = redact

    async def send(self, batch: Sequence[Event], permit: Permit) -> list[Verdict]:
        """Sends `batch` in one request; a verdict for each event, in order."""
        body = _BEFORE + b",".join([event.body for event in batch]) + _AFTER
        reply = await self._client.track(body, permit)
        return [self._clean(each) for each in judge_track(reply, len(batch))]

    async def look_up(self, event: Event, permit: Permit) -> Sighting:  # noqa: ARG002 - the port asks for them
        """Raises ValueError: whether a video is there already is not asked."""
        raise ValueError("videos are not looked up at Braze")

    async def renew_credentials(self) -> None:
        """Reads the REST key anew."""
        self._client.renew_credentials()

    def _clean(self, verdict: Verdict) -> Verdict:
        detail = redacted_start(verdict.detail, _LONGEST_DETAIL, self._redact)
        response = redacted_start(verdict.response, _LONGEST_RESPONSE, self._redact)
        return replace(verdict, detail=detail, response=response)
