"""How long to wait before a try: exponential, with full jitter, so that what failed together does not return together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from `initial_seconds` to at most `max_seconds`."""

    initial_seconds: float
    max_seconds: float

    def ceiling(self, failures: int) -> float:
        """The longest wait after the `failures`-th failure in a row (from 1), in seconds."""
        doublings = min(failures - 1, 64)  # beyond that a float would not change, and 2.0**1024 overflows
        return min(self.max_seconds, self.initial_seconds * 2.0**doublings)

    def delay(self, failures: int, chance: float) -> float:
        """A wait in seconds: `chance`, uniform in [0, 1), of the ceiling."""
        return self.ceiling(failures) * chance
