"""The connector as a user runs it: a process of its own, a folder of YAML, a broker, and SEEN (the emulator)."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from connector.kafka.connection import KafkaConnection
from connector.kafka.reader import read_topic
from connector.kafka.writer import write_records
from connector.types import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from connector.types import Record

SEEN_TOKEN = "seen-token-4f1c9a"
CALLBACK_TOKEN = "callback-token-77ab03"


class Deployment:
    """One connector process. Workspaces are added before it starts; names of topics begin with `prefix`."""

    def __init__(self, directory: Path, bootstrap: str, seen_url: str, prefix: str) -> None:
        self.directory = directory
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._seen_url = seen_url
        self._process: asyncio.subprocess.Process | None = None
        self._ports: dict[str, int] = {}
        self.command = ("-m", "connector")  # what Python runs: another, for a connector with a bug planted
        self.connector: dict[str, Any] = {
            "kafka": {"bootstrap_servers": bootstrap, "create_topics": True, "session_timeout_seconds": 10},
            "listener": {"host": "127.0.0.1", "port": 0, "publish_timeout_seconds": 3},
            "admin": {"host": "127.0.0.1", "port": 0},
        }

    def workspace(self, name: str = "acme", **sections: dict[str, Any]) -> None:
        """Writes a workspace file; `sections` are laid over the defaults, setting by setting.

        Viewer events are taken where there is a section `viewers`, be it empty. With a section `braze_in` there is no
        other source.
        """
        seen = {
            "base_url": self._seen_url,
            "workspace_id": name,
            "auth": {"bearer_token": SEEN_TOKEN},
            "quota": {"requests": 100, "per_seconds": 10, "grace_seconds": 1},
            "timeout_seconds": 2,
            "probe": {"initial_seconds": 0.2, "max_seconds": 1},
        }
        source: dict[str, Any] = {"topics": [self.topic("events", name)]}
        settings: dict[str, Any] = {
            "name": name,
            "group_id": self.group(name),
            "sources": [source | sections.get("source", {})],
            "seen": seen | sections.get("seen", {}),
            "delivery": {"backoff": {"initial_seconds": 0.2, "max_seconds": 1}}
            | sections.get("delivery", {}),
            "callback": {"auth": {"token": CALLBACK_TOKEN}} | sections.get("callback", {}),
            "videos": sections.get("videos", {}),
            "topics": {role: self.topic(role, name) for role in ("videos", "outcomes", "dead_letters")},
        }
        if "braze_in" in sections:
            settings |= {"braze_in": sections["braze_in"], "sources": []}
        if "viewers" in sections:
            settings["viewers"] = sections["viewers"]
            settings["topics"]["viewers"] = self.topic("viewers", name)
        if "braze_out" in sections:
            settings["braze_out"] = sections["braze_out"]
        folder = self.directory / "workspaces"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_bytes(orjson.dumps(settings))  # JSON is YAML 1.2

    def topic(self, role: str, workspace: str = "acme") -> str:
        """The topic of a workspace for `events`, `videos`, `outcomes`, `dead_letters` or `viewers`."""
        return f"{self.prefix}{workspace}-{role}"

    def group(self, workspace: str = "acme") -> str:
        """The consumer group of a workspace."""
        return f"{self.prefix}{workspace}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()
        if error is not None:
            sys.stderr.write(self.log_path.read_text()[-20_000:])

    async def _end(self) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    @property
    def log_path(self) -> Path:
        """Where the process's standard error goes."""
        return self.directory / "connector.log"

    def log(self) -> list[dict[str, Any]]:
        """The log's lines so far."""
        return [orjson.loads(line) for line in self.log_path.read_bytes().splitlines()]

    async def start(self) -> None:
        """Starts the process and waits until its ports are open."""
        (self.directory / "connector.yaml").write_bytes(orjson.dumps(self.connector))
        with self.log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self.command, "run", "--config", str(self.directory), stderr=log
            )
        try:
            await eventually(self._find_ports, "the process says that it has started")
        except BaseException:
            await self._end()
            raise

    async def stop(self) -> int:
        """SIGTERM, then the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            code: int = await self._process.wait()
            return code

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()

    def _find_ports(self) -> bool:
        assert self._process is None or self._process.returncode is None, self.log_path.read_text()
        started = [line for line in self.log() if line["event"] == "started"]
        self._ports = {name: started[0][f"{name}_port"] for name in ("listener", "admin")} if started else {}
        return bool(self._ports)

    @property
    def listener_url(self) -> str:
        """Where SEEN calls."""
        return f"http://127.0.0.1:{self._ports['listener']}"

    @property
    def admin_url(self) -> str:
        """Where operators look."""
        return f"http://127.0.0.1:{self._ports['admin']}"

    async def get(self, path: str) -> tuple[int, bytes]:
        """What the admin port answers."""
        async with aiohttp.ClientSession() as session, session.get(self.admin_url + path) as answer:
            return answer.status, await answer.read()

    async def status(self, workspace: str = "acme") -> dict[str, Any]:
        """The figures of a workspace, or of an export."""
        status = orjson.loads((await self.get("/status"))[1])
        found: dict[str, Any] = (status["workspaces"] | status["exports"])[workspace]
        return found

    def assignments(self, workspace: str = "acme") -> list[float]:
        """When it was given the partitions of a workspace, in Unix seconds."""
        lines = [each for each in self.log() if each["event"] == "partitions_assigned"]
        times = [each["timestamp"] for each in lines if each["workspace"] == workspace and each["partitions"]]
        return [datetime.fromisoformat(each).timestamp() for each in times]

    async def running(self, workspace: str = "acme") -> None:
        """Waits until the workspace has its partitions."""

        async def runs() -> object:
            return (await self.status(workspace))["state"] == "running"

        await eventually(runs, f"{workspace} runs")

    async def settled(self, count: int, workspace: str = "acme", seconds: float = 60) -> None:
        """Waits until `count` records have an outcome."""

        async def done() -> object:
            return sum((await self.status(workspace))["outcomes"].values()) >= count

        await eventually(done, f"{count} records are settled", seconds)

    async def call(
        self,
        body: bytes,
        *,
        workspace: str = "acme",
        path: str = "",
        token: str = CALLBACK_TOKEN,
        **options: Any,
    ) -> int:
        """One callback, or with a `path` of `/viewer` what a viewer did; the status that it was answered with."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{self.listener_url}/callbacks/{workspace}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers, **options) as answer,
        ):
            return answer.status

    # Kafka, seen from outside

    async def create(
        self, topic: str, configs: Mapping[str, str] | None = None, *, partitions: int = 3
    ) -> None:
        """Makes a topic with settings of its own."""
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])

    async def configure(self, topic: str, configs: Mapping[str, str]) -> None:
        """Changes settings of a topic."""
        async with self._admin() as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))])

    async def delete(self, topic: str) -> None:
        """Deletes a topic with all that it holds."""
        async with self._admin() as admin:
            await admin.delete_topics([topic])

    async def produce(self, *records: Mapping[str, Any], topic: str | None = None) -> None:
        """Writes records: `value`, and where wanted `key`, `headers`, `partition`."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=8 * 1024 * 1024)
        await producer.start()
        try:
            sent = [await producer.send(topic or self.topic("events"), **record) for record in records]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def produce_empty(self) -> None:
        """Writes a record with neither key nor value, which a producer's `send` refuses to."""
        connection = KafkaConnection(self.bootstrap)
        await write_records(connection, self.topic("events"), [Message(None, None)], seconds=30)

    async def read(self, role: str, workspace: str = "acme") -> list[Record]:
        """Everything in one of the workspace's topics."""
        connection = KafkaConnection(self.bootstrap)
        return [record async for record in read_topic(connection, self.topic(role, workspace), seconds=30)]

    async def committed(self, workspace: str = "acme") -> dict[int, int]:
        """The committed offset of each partition of the workspace's events."""
        async with self._admin() as admin:
            offsets = await admin.list_consumer_group_offsets(self.group(workspace))
        return {each.partition: found.offset for each, found in offsets.items()}

    async def everything_committed(self, count: int, workspace: str = "acme", seconds: float = 60) -> None:
        """Waits until `count` records of the workspace are committed."""

        async def done() -> object:
            return sum((await self.committed(workspace)).values()) == count

        await eventually(done, f"{count} records of {workspace} are committed", seconds)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


async def roles(replicas: Iterable[Deployment], workspace: str = "acme") -> tuple[Deployment, Deployment]:
    """Waits until one owns the workspace and the other stands by; which is which."""
    found: dict[str, Deployment] = {}

    async def settled() -> bool:
        found.clear()
        for each in replicas:
            found[(await each.status(workspace))["state"]] = each
        return found.keys() == {"running", "standby"}

    await eventually(settled, f"{workspace}: one owns, one stands by")
    return found["running"], found["standby"]


async def eventually(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Waits until `condition`, which may be a coroutine function, holds; fails saying `what` did not happen."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


def headers_of(record: Record) -> dict[str, str]:
    """The headers of a record, as text."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
