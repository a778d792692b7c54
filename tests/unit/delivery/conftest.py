"""The engine's log lines are kept, not printed: tests may look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[MutableMapping[str, object]]]:
    """What was logged so far."""
    with capture_logs() as captured:
        yield captured
