"""What is written to the topics of a course: who the events are about, when they come, and how each must end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.settings import SOON_SECONDS
from tests.simulation.values import BAD_IMAGE, value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.simulation.settings import Api, Limits

PARTITIONS = 3
"""The last one is for canaries alone."""
_USED = PARTITIONS - 1
_PEOPLE = 24
_CANARIES = 60
_CANARY_SECONDS = 20.0
POISONS: dict[Api, dict[str, str]] = {
    "data": {
        "400": "rejected",
        "ErrInvalidRequest": "rejected",
        "403": "rejected",
        "404": "rejected",
        "500": "expired",
    },
    "receivers": {
        "refused": "rejected",
        "400": "rejected",
        "403": "rejected",
        "404": "rejected",
        "500": "expired",
    },
}
"""How SEEN answers some events, for ever, and how they end. `refused`: it names the item; else it answers the whole batch so."""
QUICK = ("400", "ErrInvalidRequest", "refused")
"""Those that end at the first answer; the others end when they are given up, so they are planted where that is soon."""
REFUSED = ("403", "404")
UNUSABLE: dict[Api, tuple[str, ...]] = {
    "data": ("bad json", "array", "no id", "empty", "tombstone", "filtered"),
    "receivers": ("bad json", "array", "no first name", "bad phone", "empty", "tombstone", "filtered"),
}
"""What is no event, or none that is meant for SEEN."""
WITHOUT_ID = "no id"
"""A receiver may be without: then nothing is unique about it."""


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """A record and its coordinates. `what` is its kind, `ends` how it must end; `id` is None for what is no event, and empty
    for an event without one.
    """

    number: int
    at: float
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    id: str | None
    what: str
    ends: str
    has_image: bool
    shares_id: bool

    @property
    def poison(self) -> str | None:
        """How SEEN answers it for ever, None if it takes it."""
        return self.what if any(self.what in poisons for poisons in POISONS.values()) else None

    @property
    def order_key(self) -> bytes | None:
        """The key whose order counts, None if it has none."""
        if self.id is None:
            return None
        if self.key is not None:
            return self.key
        return self.id.encode() or f"{self.partition}/{self.offset}".encode()


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom events are about. Some have no key; of some every event has the same id."""

    name: str
    partition: int | None
    has_key: bool
    is_one_item: bool


def records(
    random: Random,
    horizon: float,
    stretch: Callable[[float], float],
    during_outage: Sequence[float],
    limits: Limits,
) -> tuple[tuple[PlannedRecord, ...], tuple[PlannedRecord, ...]]:
    """The records, by time; and late events: the last comes when nothing else is left, the others are canaries, which show
    SEEN well where a poison needs that to be found.
    """
    people = [_person(random, number) for number in range(_PEOPLE)]
    times = sorted([*map(stretch, _times(random, horizon)), *during_outage])
    is_soon = limits.give_up_after_seconds < SOON_SECONDS
    poisons = [each for each in POISONS[limits.api] if is_soon or each in QUICK]
    kinds = _kinds(random, len(times), poisons, limits)
    writing = _Writing(random, limits)
    written = tuple(
        writing.record(at, _about(random, people, what), what) for at, what in zip(times, kinds, strict=True)
    )
    canary = _Person("canary", PARTITIONS - 1, has_key=False, is_one_item=False)
    begin = max(times[-1], stretch(horizon))
    late = range(1 + _CANARIES * any(what in REFUSED for what in kinds))
    return written, tuple(writing.record(begin + _CANARY_SECONDS * place, canary, "event") for place in late)


def _about(random: Random, people: Sequence[_Person], what: str) -> _Person:
    """One of `people`, the first more often. Whom SEEN refuses has one event: those behind it would wait for the canaries."""
    if what in REFUSED:
        return _Person(f"refused-{random.randrange(1000)}", None, has_key=False, is_one_item=False)
    return people[0] if random.random() < 0.15 else random.choice(people)


def _person(random: Random, number: int) -> _Person:
    has_key = random.random() < 0.7
    return _Person(
        name=f"p{number:02}",
        partition=number % _USED if has_key or random.random() < 0.5 else None,
        has_key=has_key,
        is_one_item=random.random() < 0.4,
    )


def _times(random: Random, horizon: float) -> list[float]:
    """Some alone, most in bursts."""
    times = [random.uniform(0, horizon) for _ in range(random.randint(50, 90))]
    for _ in range(random.randint(1, 4)):
        burst = random.uniform(0, horizon - 10)
        times += [burst + random.uniform(0, 0.5) for _ in range(random.randint(10, 25))]
    return times + [random.uniform(0, horizon) for _ in range(102 - len(times))]


def _kinds(random: Random, count: int, poisons: Sequence[str], limits: Limits) -> list[str]:
    kinds = ["event"] * count
    odd = [*UNUSABLE[limits.api], *[WITHOUT_ID] * (limits.api == "receivers")]
    for place in range(count):
        if random.random() < 0.07:
            kinds[place] = random.choice(odd)
        elif limits.images is not None and random.random() < 0.05:
            kinds[place] = BAD_IMAGE
    if random.random() < 0.6:
        for _ in range(random.randint(1, 3)):
            kinds[random.randrange(count * 3 // 4)] = random.choice(poisons)
    return kinds


class _Writing:
    """Gives records their numbers and offsets."""

    def __init__(self, random: Random, limits: Limits) -> None:
        self._random = random
        self._limits = limits
        self._ends = [random.choice((0, 1000))] * PARTITIONS
        self._number = 0

    def record(self, at: float, person: _Person, what: str) -> PlannedRecord:
        """A record of `what` kind, at the end of its partition; now and then after a gap."""
        partition = self._random.randrange(_USED) if person.partition is None else person.partition
        offset = self._ends[partition] + (self._random.randint(1, 5) if self._random.random() < 0.05 else 0)
        self._ends[partition] = offset + 1
        self._number += 1
        key = person.name.encode() if person.has_key or what == "tombstone" else None
        if key and person.is_one_item and self._limits.api == "receivers" and self._random.random() < 0.3:
            key += b"-other"  # two keys, one id
        event_id = person.name if person.is_one_item else f"{person.name}-{self._number}"
        has_image = what == BAD_IMAGE or (self._limits.images is not None and self._number % 3 > 0)
        return PlannedRecord(
            number=self._number,
            at=at,
            partition=partition,
            offset=offset,
            key=None if what == "empty" else key,
            value=value(self._limits.api, what, event_id, self._number, has_image=has_image),
            id=self._id(event_id, what),
            what=what,
            ends=self._ends_as(what),
            has_image=has_image,
            shares_id=person.is_one_item,
        )

    def _id(self, event_id: str, what: str) -> str | None:
        if what in UNUSABLE[self._limits.api]:
            return None
        return "" if what == WITHOUT_ID else event_id

    def _ends_as(self, what: str) -> str:
        if what == "filtered" or (what == "tombstone" and self._limits.tombstones == "skip"):
            return "skipped"
        if what in UNUSABLE[self._limits.api] or (what == BAD_IMAGE and self._limits.images == "reject"):
            return "rejected"
        return POISONS[self._limits.api].get(what, "accepted")
