"""A place to write configurations, and what a sound one looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

CONNECTOR = "kafka: {bootstrap_servers: 'localhost:9092'}\n"
WORKSPACE = """\
name: acme
sources: [{topics: [customer-events]}]
seen: {workspace_id: w-1, auth: {bearer_token: canary-token}}
callback: {auth: {token: canary-callback}}
"""


class Folder(Protocol):
    """Writes a configuration, sound where nothing else is given, and returns its directory, `config`."""

    def __call__(self, *, connector: str | bytes = ..., **workspaces: str | bytes) -> Path: ...


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)

    def write(*, connector: str | bytes = CONNECTOR, **workspaces: str | bytes) -> Path:
        directory = Path("config")
        (directory / "workspaces").mkdir(parents=True)
        files = {"connector.yaml": connector}
        files |= {f"workspaces/{name}.yaml": text for name, text in (workspaces or {"acme": WORKSPACE}).items()}
        for name, text in files.items():
            (directory / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return directory

    return write


@pytest.fixture
def workspace() -> str:
    return WORKSPACE
