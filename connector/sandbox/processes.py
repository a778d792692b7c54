"""Processes that run beside this one, and never longer than it."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from connector.errors import SandboxError

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_POLL_SECONDS = 0.05
# Below the ephemeral ports: a client that reconnects can never take the port of its own server.
_PORTS = range(20000, 32000)
# Ends the child when this process ends, however it ends: the pipe that it reads from is closed by the system then.
_WATCHDOG = "import os, signal, sys; sys.stdin.read(); os.kill(int(sys.argv[1]), signal.SIGKILL)"


class ChildProcess:
    """A running command. It is in a session of its own, so Ctrl-C in a terminal is not for it, but it ends when this
    Python process ends, even if that is killed.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        """Starts it; what it writes is added to `log`. `environ` None: our own. Raises OSError if it cannot be run."""
        with log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environ,
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-I", "-S", "-c", _WATCHDOG, str(self._child.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def pid(self) -> int | None:
        """Its process id, None once it has ended."""
        return self._child.pid if self.returncode is None else None

    @property
    def returncode(self) -> int | None:
        """How it ended: its exit code, or less the number of the signal; None while it runs."""
        return self._child.poll()

    async def end(self, how: signal.Signals, seconds: float) -> int:
        """Sends it `how`, and SIGKILL if it still runs after so many seconds. Returns how it ended."""
        self._watchdog.kill()  # before the child, whose process id may belong to another once it is gone
        self._watchdog.communicate()
        self._child.send_signal(how)
        try:
            await self.wait(seconds)
        finally:
            self._child.kill()
            self._child.wait()
        return self._child.returncode

    async def wait(self, seconds: float) -> None:
        """Waits until it has ended, at most so long; it may still run afterwards."""
        deadline = time.monotonic() + seconds
        while self._child.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(_POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now. Raises SandboxError if there are not so many."""
    free: list[int] = []
    for port in random.sample(_PORTS, k=100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise SandboxError("no free port on this machine")
