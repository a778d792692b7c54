"""Whether a workspace may send: the state that tells an outage from one event's own fault.

Rules:
 1. A refusal (401, 403, 404, a redirect) suspends at once; so does an answer that by itself says that SEEN is down.
 2. Failures of three different keys with nothing accepted between are an outage too.
 3. While suspended, nothing is sent but one probe at a time, each later than the last, up to the longest interval.
 4. Anything sent since that SEEN accepts ends the suspension, and forgets the failures before it.
 5. An event that failed once, and again after another that was sent in between was accepted, is judged alone: it
    suspends nothing. What was already on the wire at the refusal proves nothing, so the time of sending counts.
 6. Where an outage consists of events that SEEN answers with plain 500s, it may be these events: in each
    `give_up_after_seconds` of it one of them is given up. A workspace with poison only, and no room for anything else,
    gets free so; an outage of that kind costs as little as can be told apart.
 7. Where nothing else can be sent, fewer than three refused keys may be those events' own fault. When the last of them
    is given up, nothing says any more that the workspace is refused, and the suspension ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.types import Reason

if TYPE_CHECKING:
    from connector.delivery.backoff import Backoff

_OUTAGE_KEYS = 3


@dataclass(frozen=True, slots=True)
class Suspended:
    """Why a workspace is suspended, and since when (the caller's monotonic seconds)."""

    reason: Reason
    detail: str
    since: float


class Suspension:
    """The suspension of one workspace. Times are the caller's monotonic seconds."""

    def __init__(self, probe: Backoff) -> None:
        """`probe` gives the intervals between probes: its ceilings, for a probe needs no jitter."""
        self._probe = probe
        self._state: Suspended | None = None
        self._failed_keys: set[bytes] = set()
        self._refused_keys: set[bytes] = set()
        self._failed_probes = 0
        self._gave_one_up_at = float("-inf")
        self._next_probe = 0.0
        self._suspended_before = 0.0
        self._last_accepted_sent_at = float("-inf")

    @property
    def state(self) -> Suspended | None:
        """None while the workspace may send."""
        return self._state

    @property
    def next_probe(self) -> float:
        """When the next probe may leave; of meaning only while suspended."""
        return self._next_probe

    def suspended_seconds(self, now: float) -> float:
        """How long the workspace has been suspended in all, up to `now`."""
        current = now - self._state.since if self._state else 0.0
        return self._suspended_before + current

    def accepted(self, sent_at: float, now: float) -> None:
        """SEEN took an event that was sent at `sent_at`. What was sent before the suspension says nothing of its end."""
        self._last_accepted_sent_at = max(self._last_accepted_sent_at, sent_at)
        self._failed_keys.clear()
        self._refused_keys.clear()
        if self._state is not None and sent_at >= self._state.since:
            self._resume(now)

    def accepted_since(self, refused_at: float) -> bool:
        """Whether SEEN took an event that was sent after `refused_at`."""
        return self._last_accepted_sent_at > refused_at

    def suspend(self, reason: Reason, detail: str, now: float) -> None:
        """Suspends; a workspace that is suspended stays so since its first time, for its last reason."""
        if self._state is not None:
            self._state = Suspended(reason, detail, self._state.since)
            return
        self._state = Suspended(reason, detail, now)
        self._failed_probes = 0
        self._schedule(now)

    def refused(self, key: bytes, reason: Reason, detail: str, now: float) -> None:
        """An event of `key` was refused, which may be the workspace's fault: suspends."""
        self._refused_keys.add(key)
        self.suspend(reason, detail, now)

    @property
    def few_are_refused(self) -> bool:
        """Whether fewer than three different keys were refused since SEEN took an event."""
        return len(self._refused_keys) < _OUTAGE_KEYS

    def gave_up(self, key: bytes, now: float) -> None:
        """An event of `key` that was refused is given up: without another one, that ends the suspension."""
        self._refused_keys.discard(key)
        if self._state is not None and not self._refused_keys:
            self._resume(now)

    def gives_one_up(self, now: float, after_seconds: float) -> bool:
        """Whether an outage has lasted so long, or so long since the last event that was given up in it; if so, one is."""
        if self._state is None or self._state.reason is not Reason.OUTAGE:
            return False
        if now - max(self._state.since, self._gave_one_up_at) < after_seconds:
            return False
        self._gave_one_up_at = now
        return True

    def forget(self, now: float) -> None:
        """Another may send from now on, or we anew: what we knew of SEEN says nothing of then."""
        self._failed_keys.clear()
        self._refused_keys.clear()
        if self._state is not None:
            self._resume(now)

    def _resume(self, now: float) -> None:
        self._suspended_before = self.suspended_seconds(now)
        self._state = None

    def failed(self, key: bytes, detail: str, now: float) -> None:
        """An event of `key` failed in a way that may be its own: suspends at the third different key in a row."""
        if self._state is None:
            self._failed_keys.add(key)
            if len(self._failed_keys) >= _OUTAGE_KEYS:
                self.suspend(
                    Reason.OUTAGE, f"{_OUTAGE_KEYS} keys in a row failed, the last one: {detail}", now
                )

    def probe_failed(self, now: float) -> None:
        """A probe came back without being accepted: the next one is later."""
        if self._state is not None:
            self._failed_probes += 1
            self._schedule(now)

    def probe_answered(self, now: float) -> None:
        """A probe's look-up was answered as documented: SEEN is there, so the next probe need not wait."""
        self._next_probe = now

    def _schedule(self, now: float) -> None:
        self._next_probe = now + self._probe.ceiling(self._failed_probes + 1)
