"""What the measurements share: a broker, SEEN, and the connector in a process of its own, all on this machine.

Linux only: CPU time and memory are read from /proc.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from connector.errors import SandboxError
from connector.kafka.connection import KafkaConnection
from connector.kafka.topics import NewTopics, prepare_topics
from connector.sandbox.demo.stack import Program
from connector.sandbox.kafka import LocalKafka
from connector.sandbox.processes import ChildProcess, free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from connector.sandbox.emulator import Quota

TOKEN = "benchmark-token"
IN_FLIGHT = 64
PARTITIONS = 3
PATIENCE_SECONDS = 180.0

_LOOK_SECONDS = 0.1
_STOP_SECONDS = 30.0
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Connector:
    """A running connector with one workspace, seen from outside."""

    def __init__(
        self, process: ChildProcess, admin_url: str, workspace: str, http: aiohttp.ClientSession
    ) -> None:
        self._process = process
        self._admin_url = admin_url
        self._workspace = workspace
        self._http = http

    async def until_accepted(self, count: int) -> int:
        """Waits until SEEN has accepted at least `count` events; returns how many it has. TimeoutError in 3 minutes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (accepted := await self.accepted()) < count:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(_LOOK_SECONDS)
        return accepted

    async def accepted(self) -> int:
        """How many events SEEN has accepted. Raises SandboxError if the connector has ended by itself."""
        if self._process.returncode is not None:
            raise SandboxError(f"the connector ended with {self._process.returncode}")
        try:
            async with self._http.get(f"{self._admin_url}/status") as answer:
                status = await answer.json()
        except aiohttp.ClientError:
            return 0  # it starts
        return int(status["workspaces"][self._workspace]["outcomes"]["accepted"])

    async def round_trip_seconds(self) -> float:
        """The mean duration of its requests to SEEN."""
        async with self._http.get(f"{self._admin_url}/metrics") as answer:
            text = await answer.text()
        found = re.findall(r"^seen_connector_attempt_seconds_(sum|count)\S* (\S+)$", text, re.MULTILINE)
        figures = {name: float(value) for name, value in found}
        return figures["sum"] / figures["count"]

    def cpu_seconds(self) -> float:
        """User and system time since its start."""
        return cpu_seconds(self._process)

    def resident_mb(self) -> float:
        """Its resident memory now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(process: ChildProcess) -> float:
    """User and system time of a process since its start. Raises SandboxError if it has ended."""
    if process.pid is None:
        raise SandboxError(f"a process ended with {process.returncode}")
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND  # utime and stime, see proc(5)


@dataclass(frozen=True, slots=True)
class Bench:
    """The broker and SEEN, which all measurements share; each measurement has a workspace and topics of its own."""

    bootstrap: str
    seen_url: str
    folder: Path
    http: aiohttp.ClientSession

    @property
    def connection(self) -> KafkaConnection:
        """How to reach the broker."""
        return KafkaConnection(self.bootstrap)

    async def make_topic(self, workspace: str) -> str:
        """Makes the topic of the workspace's events, and returns its name."""
        topic = f"{workspace}.events"
        await prepare_topics(self.connection, [topic], NewTopics(PARTITIONS, replication_factor=1))
        return topic

    async def allow(self, workspace: str, quota: Quota) -> None:
        """Sets what SEEN allows the workspace."""
        body = {"requests": quota.requests, "per_seconds": quota.per_seconds}
        async with self.http.put(
            f"{self.seen_url}/_control/workspaces/{workspace}/quota", json=body
        ) as answer:
            answer.raise_for_status()

    async def forget(self) -> None:
        """Has SEEN forget what it was sent, and what `allow` said."""
        async with self.http.post(f"{self.seen_url}/_control/reset") as answer:
            answer.raise_for_status()

    async def seen(self, what: str) -> Any:
        """What the emulator tells under /_control."""
        async with self.http.get(f"{self.seen_url}/_control/{what}") as answer:
            return await answer.json()

    @asynccontextmanager
    async def connector(
        self, workspace: str, quota: Quota, properties: Mapping[str, str] | None = None
    ) -> AsyncIterator[Connector]:
        """The connector, started as a user starts it; it may not have read anything yet when this begins."""
        (port,) = free_ports(1)
        directory = self.configure(workspace, quota, properties)
        process = start_connector(directory, port, directory / "log")
        try:
            yield Connector(process, f"http://127.0.0.1:{port}", workspace, self.http)
        finally:
            await process.end(signal.SIGTERM, _STOP_SECONDS)

    def configure(
        self,
        workspace: str,
        quota: Quota,
        properties: Mapping[str, str] | None = None,
        in_flight: int = IN_FLIGHT,
        listener: Mapping[str, object] | None = None,
    ) -> Path:
        """Writes a configuration with one workspace, for `start_connector`, and returns its folder.

        Its callbacks must bring `TOKEN`. `listener` None: it listens somewhere, without a spool.
        """
        shared = {
            "kafka": {"bootstrap_servers": self.bootstrap, "create_topics": True},
            "listener": {"host": "127.0.0.1", **(listener or {"port": 0})},
            "admin": {"port": "${ADMIN_PORT}"},
        }
        one = {
            "name": workspace,
            "sources": [{"topics": [f"{workspace}.events"], "properties": properties}],
            "seen": {
                "base_url": self.seen_url,
                "workspace_id": workspace,
                "auth": {"bearer_token": TOKEN},
                "quota": {"requests": quota.requests, "per_seconds": quota.per_seconds},
            },
            "delivery": {"max_in_flight": in_flight},
            "callback": {"auth": {"token": TOKEN}},
        }
        directory = self.folder / workspace
        (directory / "workspaces").mkdir(parents=True)
        (directory / "connector.yaml").write_bytes(orjson.dumps(shared))  # JSON is YAML
        (directory / "workspaces" / f"{workspace}.yaml").write_bytes(orjson.dumps(one))
        return directory


def start_connector(directory: Path, admin_port: int, log: Path) -> ChildProcess:
    """Starts a connector, as a user does, with a configuration that `Bench.configure` wrote."""
    command = (sys.executable, "-m", "connector", "run", "--config", str(directory))
    return ChildProcess(command, log=log, environ={**os.environ, "ADMIN_PORT": str(admin_port)})


@asynccontextmanager
async def started(workspaces: Iterable[str], *emulator_options: str) -> AsyncIterator[Bench]:
    """Starts the broker and SEEN with these workspaces, and ends them; the options are of `seen-connector emulate`."""
    async with AsyncExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="seen-connector-bench-")))
        kafka = await ending.enter_async_context(LocalKafka(folder / "kafka"))
        http = await ending.enter_async_context(aiohttp.ClientSession())
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        emulator = Program(
            *("emulate", "--port", str(port), "--token", TOKEN),
            *(part for workspace in workspaces for part in ("--workspace", workspace)),
            *emulator_options,
            environ=os.environ,
            log=folder / "emulator.log",
            answers_at=f"{url}/_control/summary",
        )
        ending.push_async_callback(emulator.stop)
        await emulator.start(http)
        yield Bench(kafka.bootstrap_servers, url, folder, http)
