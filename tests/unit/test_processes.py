"""Child processes: they end when they are told to, when they have to, and never later than their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from connector.errors import SandboxError
from connector.sandbox.processes import ChildProcess, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SLEEPER = (sys.executable, "-I", "-S", "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    *(sys.executable, "-I", "-S", "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)
PARENT = """
import asyncio, pathlib, sys, time
from connector.sandbox.processes import ChildProcess
child = ChildProcess({command!r}, log=pathlib.Path({log!r}))
print(child.pid, flush=True)
time.sleep(60)
"""


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is about processes
            await asyncio.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_runs_its_output_is_in_the_log_and_it_ends_as_it_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    child = ChildProcess(SLEEPER, log=log)
    await until(lambda: "up" in log.read_text())
    pid = child.pid
    assert pid is not None
    assert await child.end(signal.SIGTERM, 20) == -signal.SIGTERM
    assert child.pid is None
    assert child.returncode == -signal.SIGTERM
    assert not runs(pid)
    assert log.read_text() == "before\nup\n"


async def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = ChildProcess(STUBBORN, log=log)
    await until(log.read_text)
    assert await child.end(signal.SIGTERM, 0.2) == -signal.SIGKILL


async def test_ending_one_that_has_ended_says_how_it_ended(tmp_path: Path) -> None:
    child = ChildProcess((sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"), log=tmp_path / "log")
    await child.wait(20)
    assert child.returncode == 3
    assert await child.end(signal.SIGTERM, 1) == 3


async def test_waiting_ends_with_the_process_or_with_the_time(tmp_path: Path) -> None:
    child = ChildProcess(SLEEPER, log=tmp_path / "log")
    await child.wait(0.1)
    assert child.returncode is None
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await child.wait(20)
    assert child.returncode == -signal.SIGKILL
    await child.end(signal.SIGTERM, 1)


async def test_a_wait_that_is_cancelled_leaves_nothing_running(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = ChildProcess(STUBBORN, log=log)
    await until(log.read_text)
    ending = asyncio.create_task(child.end(signal.SIGTERM, 60))
    await asyncio.sleep(0.1)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert child.returncode == -signal.SIGKILL


async def test_it_has_the_environment_that_it_is_given_and_ours_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLOUR", "ours")
    show = (sys.executable, "-I", "-S", "-c", "import os; print(os.environ.get('COLOUR'))")
    for environ, shown in ((None, "ours\n"), ({"COLOUR": "given"}, "given\n"), ({}, "None\n")):
        log = tmp_path / shown.strip()
        child = ChildProcess(show, log=log, environ=environ)
        await child.wait(20)
        assert log.read_text() == shown
        await child.end(signal.SIGTERM, 1)


def test_what_cannot_be_run_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-command"):
        ChildProcess([str(tmp_path / "no-such-command")], log=tmp_path / "log")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_ends_with_its_parent_even_if_that_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    script = PARENT.format(command=STUBBORN, log=str(tmp_path / "log"))
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220 - it says one line
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        await until((tmp_path / "log").read_text)
        assert runs(pid)
        parent.send_signal(how)
        await until(lambda: not runs(pid))


async def test_an_interrupt_from_the_terminal_is_not_for_it(tmp_path: Path) -> None:
    child = ChildProcess(SLEEPER, log=tmp_path / "log")
    assert child.pid is not None
    assert os.getpgid(child.pid) != os.getpgrp()
    await child.end(signal.SIGKILL, 20)


def test_free_ports_are_different_and_can_be_listened_on() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_a_port_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (free,) = free_ports(1)
        ports = [taken.getsockname()[1], free]
        monkeypatch.setattr("random.sample", lambda _population, k: ports)
        assert free_ports(1) == [free]
        with pytest.raises(SandboxError, match="no free port"):
            free_ports(2)
