"""Names that are looked up, in threads that nobody waits for at the end."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from connector.cli.lookups import Lookups

if TYPE_CHECKING:
    from pathlib import Path

CONNECTOR = """\
kafka: {bootstrap_servers: 'hangs.test:9092'}
listener: {host: 127.0.0.1, port: 0}
admin: {host: 127.0.0.1, port: 0}
shutdown_deadline_seconds: 10
"""
WORKSPACE = """\
name: acme
seen: {workspace_id: w-1, auth: {bearer_token: seen-token}}
sources: [{topics: [customer-events]}]
callback: {auth: {token: callback-token}}
"""
HANGING = """\
import socket, sys, threading
resolve = socket.getaddrinfo
def hangs(host, *more, **how):
    if host == "hangs.test":
        print("asked", flush=True)
        threading.Event().wait(90)
    return resolve(host, *more, **how)
socket.getaddrinfo = hangs
from connector.cli import main
main(sys.argv[1:])
"""


def test_regression_a_name_that_hangs_does_not_keep_the_process_beyond_its_deadline(tmp_path: Path) -> None:
    """All was stopped, and asyncio waited for the resolver."""
    (tmp_path / "workspaces").mkdir()
    (tmp_path / "connector.yaml").write_text(CONNECTOR)
    (tmp_path / "workspaces" / "acme.yaml").write_text(WORKSPACE)
    command = [sys.executable, "-c", HANGING, "run", "--config", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line == "asked\n" for line in process.stdout)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


async def test_what_work_returns_or_raises_comes_to_whoever_asked() -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Lookups())
    assert await asyncio.gather(*(loop.run_in_executor(None, abs, -each) for each in range(40))) == list(
        range(40)
    )
    with pytest.raises(ZeroDivisionError):
        await loop.run_in_executor(None, divmod, 1, 0)


def test_sixteen_are_asked_at_once_and_the_others_in_their_turn() -> None:
    lookups, go = Lookups(), threading.Event()
    under_way: list[int] = []

    def ask(number: int) -> int:
        under_way.append(number)
        go.wait(20)
        return number

    asked = [lookups.submit(ask, number) for number in range(20)]
    while len(under_way) < 16:
        time.sleep(0.01)
    time.sleep(0.1)
    assert sorted(under_way) == list(range(16))
    assert asked[-1].cancel()
    go.set()
    assert [each.result(20) for each in asked[:-1]] == list(range(19))
    assert sorted(under_way) == list(range(19))


def test_a_thread_that_is_free_is_used_again() -> None:
    lookups = Lookups()
    first = lookups.submit(threading.get_ident).result(20)
    time.sleep(0.1)  # it says so after its answer
    assert lookups.submit(threading.get_ident).result(20) == first
