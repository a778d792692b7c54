"""What every test of the simulation has: a process that logs nothing, and speaks again afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from tests.simulation.world import be_silent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def without_logs() -> Iterator[None]:
    """Takes back what `be_silent` sets: other tests of this process read what is logged."""
    be_silent()
    yield
    structlog.reset_defaults()
