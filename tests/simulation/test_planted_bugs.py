"""Bugs that are planted in the engine: the simulation finds each of them within a few dozen seeds, or it is no good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.simulation import planted_limits, planted_records
from tests.simulation.trial import try_seed
from tests.simulation.world import be_silent

if TYPE_CHECKING:
    from collections.abc import Callable

_ENOUGH_SEEDS = 60


@pytest.mark.parametrize(
    "plant", planted_records.BUGS + planted_limits.BUGS, ids=lambda plant: plant.__name__
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_silent()
    plant(monkeypatch)
    needed = next((seed + 1 for seed in range(_ENOUGH_SEEDS) if try_seed(seed).broken), None)
    sys.stdout.write(f"{plant.__name__}: {needed} seeds\n")
    assert needed is not None
