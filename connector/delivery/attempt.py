"""One try of an event: on which terms it is made, when it was, and whether another follows. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.types import Outcome

if TYPE_CHECKING:
    from connector.delivery.backoff import Backoff


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How long and how often. Durations in seconds; `ttl_seconds` None means that no event is ever too old.

    `latest_only`: of the events of one key that wait, only the last is sent.
    """

    backoff: Backoff
    give_up_after_seconds: float
    ttl_seconds: float | None
    look_up_in_doubt: bool
    look_up_after_seconds: float
    latest_only: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """When a try was sent and when it ended (monotonic seconds), and a `chance` in [0, 1) for the jitter.

    `tells`: a failure says something of SEEN. Not where the time that passed may not have passed for us, too: then the
    silence may be our own; and of a batch only the first event tells, for it failed once. `items` are in the batch.
    """

    sent_at: float
    ended_at: float
    chance: float
    tells: bool = True
    items: int = 1


@dataclass(frozen=True, slots=True)
class Again:
    """Another try is due at `at`, in monotonic seconds; before all other events if it comes `first`."""

    at: float
    first: bool = False


Step = Outcome | Again
"""What a verdict leads to: the end, or another try."""
