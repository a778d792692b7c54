"""Who takes the callbacks: the connector, the floor and the usual framework, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import PARTITIONS, PATIENCE_SECONDS, TOKEN, cpu_seconds, start_connector
from connector.errors import SandboxError
from connector.kafka.topics import NewTopics, prepare_topics
from connector.sandbox.emulator import Quota
from connector.sandbox.processes import ChildProcess, free_ports
from inbound.caller import Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench import Bench
    from inbound.caller import Call

MOST_CONNECTIONS = 32
"""As many calls as the connector takes in of one workspace at once."""

TAKEN = 200
"""What all of them answer to a callback that Kafka has acknowledged."""

_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30.0
_QUOTA = Quota(100, 10.0)  # of SEEN's, which nothing is sent to


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of the table. `key` names its workspace; `module` is what runs it, None: the connector itself."""

    key: str
    name: str
    module: str | None = None

    @property
    def topic(self) -> str:
        """Where its videos go."""
        return f"seen.{self.key}.videos"


CONNECTOR = Candidate("ours", "seen-connector")
FLOOR = Candidate("bare", "the floor: bare aiohttp and aiokafka", "rivals.bare_listener")
FRAMEWORK = Candidate("framework", "FastAPI and FastStream", "rivals.fastapi_app")
CANDIDATES = (CONNECTOR, FLOOR, FRAMEWORK)


class Listening:
    """A candidate that listens. `calls` are all that were made to it."""

    def __init__(self, process: ChildProcess, calling: Caller) -> None:
        self._process = process
        self._calling = calling
        self.calls: list[Call] = []

    async def flat_out(self, seconds: float) -> list[Call]:
        """As `Caller.flat_out`."""
        return self._noted(await self._calling.flat_out(seconds))

    async def at_a_pace(self, calls_a_second: float, seconds: float) -> list[Call]:
        """As `Caller.at_a_pace`."""
        return self._noted(await self._calling.at_a_pace(calls_a_second, seconds))

    def cpu_seconds(self) -> float:
        """User and system time of its process. Raises SandboxError if it has ended."""
        return cpu_seconds(self._process)

    def _noted(self, calls: list[Call]) -> list[Call]:
        self.calls += calls
        return calls


@asynccontextmanager
async def listening(bench: Bench, candidate: Candidate, connections: int) -> AsyncIterator[Listening]:
    """Starts a candidate, waits until it takes callbacks, and ends it; so many connections will call it at once.

    Raises SandboxError, ConnectionError or TimeoutError where that comes to nothing.
    """
    await prepare_topics(bench.connection, [candidate.topic], NewTopics(PARTITIONS, replication_factor=1))
    (port,) = free_ports(1)
    process = _start(bench, candidate, port)
    calling = Caller(port, candidate.key, TOKEN, connections)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await _takes(process, calling):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(_LOOK_SECONDS)
        yield Listening(process, calling)
    finally:
        await process.end(signal.SIGTERM, _STOP_SECONDS)


async def _takes(process: ChildProcess, calling: Caller) -> bool:
    if process.pid is None:
        raise SandboxError(f"a candidate ended with {process.returncode}")
    try:
        (call,) = await calling.at_a_pace(1, 1)
    except OSError:  # it does not listen yet
        return False
    return call.status == TAKEN


def _start(bench: Bench, candidate: Candidate, port: int) -> ChildProcess:
    folder = bench.folder / candidate.key
    if candidate.module is None:
        spool = bench.folder / "spool"
        spool.mkdir()
        listener = {"port": port, "spool": {"directory": str(spool)}}
        bench.configure(candidate.key, _QUOTA, listener=listener)
        (admin_port,) = free_ports(1)
        return start_connector(folder, admin_port, folder / "log")
    folder.mkdir()
    command = (sys.executable, "-m", candidate.module, str(port), bench.bootstrap, candidate.topic)
    environ = {**os.environ, "CALLBACK_TOKEN": TOKEN, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return ChildProcess(command, log=folder / "log", environ=environ)


async def records(bench: Bench, topic: str) -> int:
    """How many records the topic holds."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bench.bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, each) for each in range(PARTITIONS)])
        return sum(ends.values())
    finally:
        await consumer.stop()
