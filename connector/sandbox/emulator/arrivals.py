"""What arrived, and how much of it in any window. Pure: time comes in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_IN_A_WINDOW = 100_000
_BODY_BYTES = 16_384


class SlidingWindow:
    """Counts arrivals in every window of `seconds`, as strictly as the documents can be read.

    Every arrival counts, answered or refused, whatever the refusal: SEEN's documents say "requests", not "successes",
    and this is the reading under which a client that may not be over the limit is safe under all others. So a client
    that hammers on after a 429 stays refused. Two arrivals exactly `seconds` apart are in no common window.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._arrivals: deque[float] = deque(maxlen=_MOST_IN_A_WINDOW)
        self.worst = 0

    def arrive(self, now: float) -> int:
        """Counts one arrival and returns how many there are in the window that ends with it, itself included.

        `now` is in seconds and never goes back. `worst` is the highest that it ever returned; it ends at 100,000.
        """
        while self._arrivals and now - self._arrivals[0] >= self._seconds:
            self._arrivals.popleft()
        self._arrivals.append(now)
        self.worst = max(self.worst, len(self._arrivals))
        return len(self._arrivals)


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One request as it was seen, filled in while it is read and answered. It never holds the Authorization header, nor
    the body of a request for an access token; such a request belongs to no workspace, so that its `workspace` is empty.

    `at` is Unix seconds, `monotonic` the seconds that the quota counts. `id` is the item's: from the path, or from the
    body if that holds a string. `processed`: it was carried out, whatever was answered. `body` holds at most 16 KiB.
    `status` stays None where no answer was given, as does `answered`, when it was (in seconds of `monotonic`), which also
    does for a body over 1 MiB; `fault` says what was done to it on purpose.
    """

    at: float
    monotonic: float
    method: str
    path: str
    workspace: str
    id: str | None = None
    body: bytes = b""
    status: int | None = None
    answered: float | None = None
    fault: str | None = None
    processed: bool = False


class ArrivalLog:
    """The last arrivals, oldest first."""

    def __init__(self, remembered: int) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=remembered)

    def add(self, arrival: Arrival) -> None:
        """Remembers it, and forgets the oldest if there are too many."""
        self._arrivals.append(arrival)

    def clear(self) -> None:
        """Forgets all of them."""
        self._arrivals.clear()

    def select(self, *, workspace: str | None = None, item: str | None = None) -> Iterator[Arrival]:
        """Those of one workspace, of one item, or all, oldest first."""
        for arrival in self._arrivals:
            if workspace in {None, arrival.workspace} and item in {None, arrival.id}:
                yield arrival


def kept(body: bytes) -> bytes:
    """As much of a body as an arrival keeps."""
    return body[:_BODY_BYTES]
