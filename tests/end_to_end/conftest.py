"""A deployment for each test: its own folder, topics, groups and SEEN; the broker is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, Deployment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def seen() -> AsyncIterator[Emulator]:
    """SEEN with its documented quota; the workspaces `acme` and `bravo`, quick videos, no callback until it is set."""
    workspaces = tuple(
        WorkspaceSettings(id=name, tokens=(SEEN_TOKEN,), quota=Quota(100, 10.0)) for name in ("acme", "bravo")
    )
    settings = EmulatorSettings(workspaces=workspaces, render_seconds=0.1, callback_retry_seconds=0.5)
    async with Emulator(settings) as emulator:
        yield emulator


@pytest.fixture
def deployment(tmp_path: Path, kafka: str, seen: Emulator, prefix: str) -> Deployment:
    """A connector that is not started yet, with no workspace yet."""
    return Deployment(tmp_path, kafka, seen.url, prefix)
