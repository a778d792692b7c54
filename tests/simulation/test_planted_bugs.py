"""Bugs that are planted in the engine: the simulation finds each of them within a few dozen seeds, or it is no good."""

from __future__ import annotations

import sys
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from tests.simulation import planted_batches, planted_limits, planted_records
from tests.simulation.plan import SESSION_SECONDS, draw
from tests.simulation.records import REFUSED
from tests.simulation.trial import try_seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.settings import Api

    Plant = Callable[[pytest.MonkeyPatch], None]

_ENOUGH_SEEDS = 60
_SMALL_BYTES = 1000


_PLANTED: tuple[tuple[Api, Plant], ...] = (
    *(("data", plant) for plant in planted_records.BUGS + planted_limits.BUGS),
    *(("receivers", plant) for plant in planted_batches.BUGS),
)
_NEEDS = planted_limits.NEEDS | planted_batches.NEEDS


@pytest.mark.parametrize(("api", "plant"), [pytest.param(*each, id=each[1].__name__) for each in _PLANTED])
def test_a_planted_bug_is_found(api: Api, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    seeds = islice(filter(partial(has, _NEEDS.get(plant), api), count()), _ENOUGH_SEEDS)
    needed = next((tried for tried, seed in enumerate(seeds, 1) if try_seed(seed, api).broken), None)
    sys.stdout.write(f"{plant.__name__}: {needed} seeds\n")
    assert needed is not None


def has(what: str | None, api: Api, seed: int) -> bool:
    """Whether the course of `seed` with that API has that."""
    workspaces = draw(seed, api).workspaces
    match what:
        case None:
            return True
        case "outage":
            return any(each.outage for each in workspaces)
        case "long window":
            return any(each.limits.per_seconds > SESSION_SECONDS for each in workspaces)
        case "refused":
            return any(record.what in REFUSED for each in workspaces for record in each.records)
        case "unique ids":
            return any(not each.limits.takes_existing for each in workspaces)
        case "small requests":
            return any(each.limits.max_request_bytes < _SMALL_BYTES for each in workspaces)
        case turn:
            return any(planned.what == turn for each in workspaces for planned in each.turns)
