"""The processes of one contestant."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import TOKEN, start_connector
from connector.errors import SandboxError
from connector.sandbox.processes import ChildProcess, free_ports
from contest.contestants import IN_FLIGHT, QUOTA

if TYPE_CHECKING:
    from bench import Bench
    from contest.contestants import Contestant

_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Replica:
    """One connector, and where it tells of itself."""

    process: ChildProcess
    status_url: str


class Team:
    """A contestant that runs. Nothing restarts what ends."""

    def __init__(self, contestant: Contestant, bench: Bench) -> None:
        """Starts it."""
        self.contestant = contestant
        self._bench = bench
        self._replicas: list[Replica] = []
        self._processes: list[ChildProcess] = []
        if contestant.module is None:
            self._start_replicas()
        else:
            self._processes.append(self._start(contestant.module))

    def _start_replicas(self) -> None:
        directory = self._bench.configure(self.contestant.key, QUOTA, in_flight=IN_FLIGHT)
        for number in range(self.contestant.replicas):
            (port,) = free_ports(1)
            process = start_connector(directory, port, directory / f"log-{number}")
            self._processes.append(process)
            self._replicas.append(Replica(process, f"http://127.0.0.1:{port}/status"))

    def _start(self, module: str) -> ChildProcess:
        key = self.contestant.key
        url = f"{self._bench.seen_url}/v1/workspaces/{key}/data"
        words = (self._bench.bootstrap, f"{key}.events", url, str(IN_FLIGHT), *self.contestant.words)
        environ = {**os.environ, "SEEN_TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = (sys.executable, "-m", module, *words)
        return ChildProcess(command, log=self._bench.folder / f"{key}.log", environ=environ)

    def check(self) -> None:
        """Raises SandboxError if one of its processes has ended by itself."""
        for process in self._processes:
            if process.returncode is not None:
                raise SandboxError(f"{self.contestant.name}: a process ended with {process.returncode}")

    async def shock(self) -> None:
        """Gives the replica that sends the contestant's signal, and waits until it has ended."""
        if self.contestant.shock is None:
            return
        owner = await self._owner()
        self._processes.remove(owner.process)
        self._replicas.remove(owner)
        await owner.process.end(self.contestant.shock, _END_SECONDS)

    async def _owner(self) -> Replica:
        for replica in self._replicas:
            async with self._bench.http.get(replica.status_url) as answer:
                status = await answer.json()
            if status["workspaces"][self.contestant.key]["partitions"]:
                return replica
        raise SandboxError(f"{self.contestant.name}: no replica owns the workspace")

    async def end(self) -> None:
        """Ends all of it. The connector may finish; the others have no orderly end that would not take longer."""
        how = signal.SIGTERM if self._replicas else signal.SIGKILL
        await asyncio.gather(*(each.end(how, _END_SECONDS) for each in self._processes))
        self._processes.clear()
