"""The connectors: processes of their own, with one configuration, as replicas run in a deployment. Linux only (/proc)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from connector.sandbox.processes import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Callable

_END_SECONDS = 40.0  # the connector's own deadline is 25
_KILL_SECONDS = 5.0
_SAMPLE_SECONDS = 1.0


class Fleet:
    """Connectors that are started, killed, stopped and continued. `peak_mb` and `exits` are by name: c1, c2, ..."""

    def __init__(self, config: Path, logs: Path, say: Callable[[str], None]) -> None:
        """`say` is told of every process that starts or ends."""
        self._config = config
        self._logs = logs
        self._say = say
        self._running: dict[str, ChildProcess] = {}
        self._started = 0
        self.peak_mb: dict[str, float] = {}
        self.exits: dict[str, int] = {}

    def start(self) -> None:
        """Starts one more."""
        self._started += 1
        name = f"c{self._started}"
        command = (sys.executable, "-m", "connector", "run", "--config", str(self._config))
        process = ChildProcess(command, log=self._logs / f"{name}.log")
        self._running[name] = process
        self._say(f"{name} starts, process {process.pid}")

    def chosen(self, chance: float) -> str:
        """One of those that run, by a `chance` in [0, 1). Raises RuntimeError if there is none."""
        self.note_ended()
        if not self._running:
            raise RuntimeError("no connector runs")
        return list(self._running)[int(chance * len(self._running))]

    async def kill(self, name: str) -> None:
        """SIGKILL."""
        await self._running.pop(name).end(signal.SIGKILL, _KILL_SECONDS)
        self._say(f"{name} is killed")

    async def end(self, name: str) -> None:
        """SIGTERM, and the exit code; one that takes longer than its deadline is killed."""
        self.exits[name] = await self._running.pop(name).end(signal.SIGTERM, _END_SECONDS)
        self._say(f"{name} ends with {self.exits[name]}")

    async def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        process = self._running[name]
        if process.pid is not None:
            os.kill(process.pid, signal.SIGSTOP)
            self._say(f"{name} is stopped")
            await asyncio.sleep(seconds)
            os.kill(process.pid, signal.SIGCONT)
            self._say(f"{name} is continued")

    async def end_all(self) -> None:
        """SIGTERM for all at once."""
        self.note_ended()
        await asyncio.gather(*(self.end(name) for name in list(self._running)))

    async def kill_all(self) -> None:
        """SIGKILL for all that still run, whatever their state."""
        await asyncio.gather(*(self.kill(name) for name in list(self._running)))

    def note_ended(self) -> None:
        """Takes note of those that ended though nobody asked them to."""
        for name, process in list(self._running.items()):
            if process.returncode is not None:
                del self._running[name]
                # Nobody asked it to end: 0 would be no better than anything else.
                self.exits[name] = process.returncode or -1
                self._say(f"{name} ended by itself, with {process.returncode}")

    async def watch(self) -> None:
        """Samples memory until it is cancelled."""
        while True:
            self.note_ended()
            for name, process in self._running.items():
                if process.pid is not None:
                    self.peak_mb[name] = max(self.peak_mb.get(name, 0.0), _peak_mb(process.pid))
            await asyncio.sleep(_SAMPLE_SECONDS)


def _peak_mb(pid: int) -> float:
    """The most resident memory that a process has had so far; 0 if it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    _, found, after = status.partition("VmHWM:")
    return int(after.split()[0]) / 1024 if found else 0.0
