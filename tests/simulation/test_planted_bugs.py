"""Bugs that are planted in the engine: the simulation finds each of them within a few dozen seeds, or it is no good."""

from __future__ import annotations

import sys
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from tests.simulation import planted_limits, planted_records
from tests.simulation.plan import SESSION_SECONDS, draw
from tests.simulation.trial import try_seed

if TYPE_CHECKING:
    from collections.abc import Callable

_ENOUGH_SEEDS = 60


@pytest.mark.parametrize(
    "plant", planted_records.BUGS + planted_limits.BUGS, ids=lambda plant: plant.__name__
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    seeds = islice(filter(partial(has, planted_limits.NEEDS.get(plant)), count()), _ENOUGH_SEEDS)
    needed = next((tried for tried, seed in enumerate(seeds, 1) if try_seed(seed).broken), None)
    sys.stdout.write(f"{plant.__name__}: {needed} seeds\n")
    assert needed is not None


def has(what: str | None, seed: int) -> bool:
    """Whether the course of `seed` has that."""
    workspaces = draw(seed).workspaces
    if what == "outage":
        return any(each.outage for each in workspaces)
    if what == "long window":
        return any(each.limits.per_seconds > SESSION_SECONDS for each in workspaces)
    return what is None or any(turn.what == what for each in workspaces for turn in each.turns)
