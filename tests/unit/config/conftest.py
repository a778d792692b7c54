"""A place to write configurations, and what a sound one looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTOR = "kafka: {bootstrap_servers: 'localhost:9092'}\n"
WORKSPACE = """\
name: acme
sources: [{topics: [customer-events]}]
seen: {workspace_id: w-1, auth: {bearer_token: canary-token}}
callback: {auth: {token: canary-callback}}
"""


@pytest.fixture
def workspace() -> str:
    """The text of a workspace file that has nothing but what it must."""
    return WORKSPACE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes `connector` and each workspace's text, sound ones where none is given, into the directory `config`."""
    monkeypatch.chdir(tmp_path)

    def write(*, connector: str | bytes = CONNECTOR, **workspaces: str | bytes) -> Path:
        directory = Path("config")
        (directory / "workspaces").mkdir(parents=True)
        files = {"connector.yaml": connector}
        files |= {
            f"workspaces/{name}.yaml": text for name, text in (workspaces or {"acme": WORKSPACE}).items()
        }
        for name, text in files.items():
            (directory / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return directory

    return write
