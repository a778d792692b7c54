"""What flows while things go wrong: events of many customers, with bursts, drawn from a seed. Pure.

Three kinds of customers, for each that a deployment may have:
- keyed, each event with an id of its own (an order, a trip): SEEN keeps every event;
- keyed, the customer's id: each event replaces the values of the one before;
- without a key: the id is the order key, and all events of it are in one partition.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field

PARTITIONS = 4
POISON = {"poison-403": 403, "poison-500": 500}
"""Prefixes of ids that SEEN never takes, and what it answers, without a code."""

_CUSTOMERS = 40
_SHARES = {"acme": 0.65, "globex": 0.35}
WORKSPACES = tuple(_SHARES)
_BURSTING = 0.6  # of the events
_SECONDS_A_BURST = 40.0
_POISON_OF_EACH = 1  # three of one workspace, and nothing else to send, would be an outage
_POISON_BY = 0.4  # of the run: it must end before the drain does
_LAST_EVENT = 0.97


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A record that is written `at` seconds from the start. `values` are the whole event, and all that SEEN gets."""

    at: float
    workspace: str
    partition: int
    key: str | None
    values: dict[str, str | int] = field(hash=False)


def draw_events(seed: int, count: int, seconds: float) -> list[DueEvent]:
    """`count` events over `seconds`, in order of time; each has a `number` that no other has."""
    chance = random.Random(f"events {seed}")
    bursts = [chance.uniform(0.05, 0.9) * seconds for _ in range(max(3, round(seconds / _SECONDS_A_BURST)))]
    times = sorted(_time(chance, bursts, seconds) for _ in range(count))
    poisoned = _poisoned(chance, times, seconds)
    return [_event(chance, number, at, poisoned.get(number)) for number, at in enumerate(times)]


def is_poison(event_id: str) -> bool:
    """Whether SEEN never takes this id."""
    return event_id.startswith(tuple(POISON))


def _time(chance: random.Random, bursts: list[float], seconds: float) -> float:
    if chance.random() < _BURSTING:
        return chance.choice(bursts) + chance.random()
    return chance.uniform(0.0, _LAST_EVENT) * seconds


def _poisoned(chance: random.Random, times: list[float], seconds: float) -> dict[int, tuple[str, str]]:
    """Number → workspace and prefix of its id."""
    early = sum(at < _POISON_BY * seconds for at in times)
    kinds = [(name, prefix) for name in WORKSPACES for prefix in POISON for _ in range(_POISON_OF_EACH)]
    return dict(zip(chance.sample(range(early), min(early, len(kinds))), kinds, strict=False))


def _event(chance: random.Random, number: int, at: float, poison: tuple[str, str] | None) -> DueEvent:
    if poison is not None:
        workspace, prefix = poison
        customer = f"{workspace}-{2 + 4 * chance.randrange(_CUSTOMERS // 4)}"
        return _due(at, workspace, customer, customer, f"{prefix}-{number}", number)
    workspace = chance.choices(WORKSPACES, list(_SHARES.values()))[0]
    # Some customers are busier than others, so that a key often has more than one event in a backlog.
    place = min(int(chance.expovariate(4 / _CUSTOMERS)), _CUSTOMERS - 1)
    customer = f"{workspace}-{place}"
    match place % 4:
        case 0:
            return _due(at, workspace, customer, None, customer, number)
        case 1:
            return _due(at, workspace, customer, customer, customer, number)
        case _:
            return _due(at, workspace, customer, customer, f"{customer}-{number}", number)


def _due(at: float, workspace: str, customer: str, key: str | None, event_id: str, number: int) -> DueEvent:
    partition = zlib.crc32(customer.encode()) % PARTITIONS
    values: dict[str, str | int] = {"id": event_id, "number": number, "customer": customer}
    return DueEvent(at, workspace, partition, key, values)
