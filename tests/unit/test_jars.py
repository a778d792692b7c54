from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from connector.sandbox import jars

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_of_many_who_want_the_jars_at_once_one_fetches_and_the_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Path] = []

    def fetch(ready: Path) -> None:
        fetched.append(ready)
        time.sleep(0.1)
        ready.mkdir()

    monkeypatch.setattr(jars, "_fetch", fetch)
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(jars.kafka_jars, [tmp_path] * 4))
    assert found == {tmp_path / f"kafka-{jars.KAFKA_VERSION}"}
    assert len(fetched) == 1


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jars.default_cache() == tmp_path / "seen-connector"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(jars.default_cache()) == "/home/someone/.cache/seen-connector"
