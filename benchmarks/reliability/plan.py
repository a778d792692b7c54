"""What goes wrong, and when: drawn from a seed. Pure: the same seed and length give the same plan.

Three tracks run beside each other: the connectors' processes, the broker, SEEN. Within a track one thing follows the
other, with time to recover between; across tracks everything may coincide.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

LONG_OUTAGE_SECONDS = 120.0
LEAST_MINUTES = 4.0
"""A shorter run has no room for all that must happen once."""

_LONG_OUTAGE_FROM_MINUTES = 5.0
_QUIET_SECONDS = (
    10.0  # at either end: the fleet joins its groups, and the last fault has ended before the run does
)
_CALM_BEFORE_SECONDS, _CALM_AFTER_SECONDS = 30.0, 10.0
_FIRST_IN_GAP, _LAST_IN_GAP = 0.1, 0.8


class Act(StrEnum):
    """Everything that is done to a running deployment."""

    KILL = "kill -9 a connector"
    STOP_SHORT = "stop a connector for a short time"
    STOP_LONG = "stop a connector for a long time"
    ADD = "add a connector"
    REMOVE = "remove a connector"
    BROKER_RESTART = "restart the broker in order"
    BROKER_KILL = "kill -9 the broker"
    OUTAGE = "SEEN refuses connections"
    UNAUTHORIZED = "SEEN has a new token"
    ERROR = "SEEN answers 500 without a code"
    UNAVAILABLE = "SEEN answers 503"
    RESET_BEFORE = "SEEN resets connections before processing"
    RESET_AFTER = "SEEN resets connections after processing"
    HANG_BEFORE = "SEEN processes nothing and never answers"
    HANG_AFTER = "SEEN processes and never answers"
    SLOW = "SEEN answers late"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that goes wrong: `at` seconds from the start, for `seconds`.

    `chance` in [0, 1) decides which connector or workspace it strikes, where that is not all of them.
    """

    at: float
    act: Act
    seconds: float
    chance: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.act}, {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """The three tracks, each in order of time."""

    processes: tuple[Action, ...]
    broker: tuple[Action, ...]
    seen: tuple[Action, ...]

    def actions(self) -> list[Action]:
        """All of it, in order of time."""
        return sorted((*self.processes, *self.broker, *self.seen), key=lambda action: action.at)

    def count(self, *acts: Act) -> int:
        """How often any of `acts` is done."""
        return sum(action.act in acts for action in self.actions())


# What happens at least once in every four minutes: what, how often, how long at least and at most.
_PROCESSES = (
    (Act.KILL, 5, 0.0, 4.0),  # until the replacement starts
    (Act.STOP_SHORT, 1, 3.0, 6.0),
    (Act.STOP_LONG, 1, 12.0, 16.0),
    (Act.ADD, 2, 0.0, 0.0),
    (Act.REMOVE, 2, 0.0, 0.0),
)
_BROKER = ((Act.BROKER_RESTART, 1, 0.0, 4.0), (Act.BROKER_KILL, 1, 1.0, 8.0))
_SEEN = (
    (Act.OUTAGE, 2, 6.0, 12.0),
    (Act.UNAUTHORIZED, 1, 8.0, 15.0),
    (Act.ERROR, 1, 4.0, 7.0),
    (Act.UNAVAILABLE, 1, 4.0, 8.0),
    (Act.RESET_BEFORE, 1, 4.0, 8.0),
    (Act.RESET_AFTER, 1, 4.0, 8.0),
    (Act.HANG_BEFORE, 1, 3.0, 5.0),
    (Act.HANG_AFTER, 1, 3.0, 5.0),
    (Act.SLOW, 1, 5.0, 8.0),
)
_Kinds = tuple[tuple[Act, int, float, float], ...]


def draw(seed: int, minutes: float) -> Plan:
    """The plan of a run. From `LEAST_MINUTES` on every kind of action is in it, 5 kills, 2 restarts of the broker and 2
    outages among them; from five minutes on one outage lasts two. In a shorter run less happens, for a shorter time.
    """
    chance = random.Random(f"plan {seed}")
    processes = _alternating(_lengths(chance, _PROCESSES, minutes))
    broker = _lengths(chance, _BROKER, minutes)
    lengths = _lengths(chance, _SEEN, minutes)
    seconds = minutes * 60
    if minutes < _LONG_OUTAGE_FROM_MINUTES:
        tracks = [_spread(chance, each, seconds) for each in (processes, broker, lengths)]
        return Plan(*tracks)
    first = next(place for place, (act, _) in enumerate(lengths) if act is Act.OUTAGE)
    lengths[first] = (Act.OUTAGE, LONG_OUTAGE_SECONDS)
    seen = _spread(chance, lengths, seconds)
    calm_from = next(each.at + each.seconds for each in seen if each.seconds == LONG_OUTAGE_SECONDS)
    calm_from -= _CALM_BEFORE_SECONDS
    return Plan(
        _spread_around(chance, processes, seconds, calm_from),
        _spread_around(chance, broker, seconds, calm_from),
        seen,
    )


def _lengths(chance: random.Random, kinds: _Kinds, minutes: float) -> list[tuple[Act, float]]:
    share = minutes / LEAST_MINUTES
    drawn = [
        (act, chance.uniform(shortest, longest) * min(1.0, share))
        for act, times, shortest, longest in kinds
        for _ in range(max(1, int(times * share)))
    ]
    chance.shuffle(drawn)
    return drawn


def _alternating(acts: list[tuple[Act, float]]) -> list[tuple[Act, float]]:
    """Adds and removes in turns, so that there are never fewer connectors than at the start."""
    turns = {Act.ADD, Act.REMOVE}
    alternate: list[tuple[Act, float]] = []
    following = Act.ADD
    for act, length in acts:
        alternate.append((following if act in turns else act, length))
        if act in turns:
            following = Act.REMOVE if following is Act.ADD else Act.ADD
    return alternate


def _spread(chance: random.Random, acts: list[tuple[Act, float]], seconds: float) -> tuple[Action, ...]:
    """One after the other over the whole run, each somewhere in a gap of its own."""
    quiet = min(_QUIET_SECONDS, seconds / 10)
    gap = (seconds - 2 * quiet - sum(length for _, length in acts)) / len(acts)
    if gap <= 0:
        raise ValueError(f"{seconds:g} s have no room for all that is to happen")
    actions, begins = [], quiet
    for act, length in acts:
        at = begins + gap * chance.uniform(_FIRST_IN_GAP, _LAST_IN_GAP)
        actions.append(Action(at, act, length, chance.random()))
        begins += gap + length
    return tuple(actions)


def _spread_around(
    chance: random.Random, acts: list[tuple[Act, float]], seconds: float, calm_from: float
) -> tuple[Action, ...]:
    """As `_spread`, and nothing begins while the long outage comes to its end, so that it can be seen what that leads to."""
    calm = _CALM_BEFORE_SECONDS + _CALM_AFTER_SECONDS
    spread = _spread(chance, acts, seconds - calm)
    return tuple(replace(each, at=each.at + calm) if each.at >= calm_from else each for each in spread)
