"""What is called: a connector process as a user runs it, with a broker, and somebody else's server for access tokens."""

from __future__ import annotations

import os
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock
from urllib.parse import urlsplit

import orjson

from connector.kafka.connection import KafkaConnection
from connector.kafka.reader import read_topic
from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from tests.end_to_end.deployment import SEEN_TOKEN, Deployment, eventually
from tests.fuzz.bodies import CUSTOMER
from tests.fuzz.brazecalls import CAMPAIGN, braze_doors
from tests.fuzz.doors import SIGNING_KEY, doors, planted
from tests.issuer import KeyServer, certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.fuzz.books import Books
    from tests.fuzz.doors import Door

_READ_SECONDS = 300.0
_SETTLE_SECONDS = 20.0
_CLOSE_WAIT = "08"  # closed by the other side alone (include/net/tcp_states.h)
_MOST_MB = 256
_JWT = b"eyJ"  # each begins so
_QUOTA = Quota(1_000, 1.0)  # so that what Braze posted is sent to SEEN while the run lasts


@dataclass(slots=True)
class Place:
    """A connector that runs, with its doors."""

    deployment: Deployment
    doors: dict[str, Door]
    braze: dict[str, Door]

    @property
    def port(self) -> int:
        """Of the listener."""
        port = urlsplit(self.deployment.listener_url).port
        assert port is not None
        return port

    def memory_mb(self) -> float:
        """The most that was resident so far."""
        status = Path(f"/proc/{self.deployment.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    async def close(self, books: Books) -> None:
        """Ends the connector, and books how it ended, what it wrote into its log, and what is in Kafka."""
        if left := await self._connections_left():
            books.breach(
                "connections left over", f"{left}, {_SETTLE_SECONDS:g} s after their callers had gone"
            )
        memory = books.counts["most resident memory of the connector, MB"] = round(self.memory_mb())
        if memory > _MOST_MB:
            books.breach("MB of memory beyond 256", f"{memory} MB")
        code = await self.deployment.stop()
        if code != 0:
            books.breach("ended badly", f"with {code}")
        self._read_log(books)
        connection = KafkaConnection(self.deployment.bootstrap)
        for name, door in (self.doors | self.braze).items():
            for role in _roles(name, door, self.braze):
                topic = self.deployment.topic(role, name)
                async for record in read_topic(connection, topic, seconds=_READ_SECONDS):
                    books.record(name, role, record)
        books.close()

    async def _connections_left(self) -> int:
        """How many connections it keeps whose callers have gone, once it has had time to notice."""
        with suppress(AssertionError):
            await eventually(lambda: not _abandoned(self.port), "none is left", _SETTLE_SECONDS)
        return _abandoned(self.port)

    def _read_log(self, books: Books) -> None:
        secrets = [*planted(), _JWT]
        with self.deployment.log_path.open("rb") as lines:
            for line in lines:
                books.counts["lines of the log"] += 1
                try:
                    orjson.loads(line)
                except ValueError:
                    books.breach("lines of the log that are none", repr(line))
                if b"Traceback" in line:
                    books.breach("tracebacks in the log", repr(line))
                if any(secret in line for secret in secrets):
                    books.breach("secrets in the log", repr(line))
                if CUSTOMER in line:
                    books.breach("customers' data in the log", repr(line))


@asynccontextmanager
async def place(folder: Path, bootstrap: str, prefix: str) -> AsyncIterator[Place]:
    """Starts it all but the broker at `bootstrap`, and ends it. Topics begin with `prefix`."""
    async with AsyncExitStack() as ending:
        files = certificate(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
        issuer = await ending.enter_async_context(KeyServer().running(tls))
        known = doors(f"{issuer.url}/keys")
        braze = braze_doors()
        workspaces = tuple(
            WorkspaceSettings(
                id=name, tokens=(SEEN_TOKEN,), api="receivers" if name == CAMPAIGN else "data", quota=_QUOTA
            )
            for name in known | braze
        )
        seen = await ending.enter_async_context(Emulator(EmulatorSettings(workspaces=workspaces)))
        deployment = Deployment(folder, bootstrap, seen.url, prefix)
        deployment.connector["listener"] |= {
            "trusted_proxies": ["127.0.0.0/8"],
            "oauth2": {"signing_key": SIGNING_KEY},
            "publish_timeout_seconds": 10,
        }
        for door in known.values():
            viewers: dict[str, dict[str, object]] = {"viewers": {}} if door.takes_viewer_events else {}
            deployment.workspace(door.name, callback={"auth": door.auth}, **viewers)
        for door in braze.values():
            _add_braze(deployment, door)
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(files[0])}):
            await ending.enter_async_context(deployment)
        for name in known | braze:
            await deployment.running(name)
        yield Place(deployment, known, braze)


def _add_braze(deployment: Deployment, door: Door) -> None:
    seen: dict[str, object] = {"quota": {"requests": _QUOTA.requests, "per_seconds": _QUOTA.per_seconds}}
    if door.name == CAMPAIGN:
        seen |= {
            "api": "receivers",
            "workspace_id": None,
            "campaign_slug": door.name,
            "auth": {"token": SEEN_TOKEN},
        }
    braze_in = {"auth": door.auth, "topic": deployment.topic("braze", door.name)}
    deployment.workspace(door.name, seen=seen, braze_in=braze_in)


def _roles(name: str, door: Door, braze: dict[str, Door]) -> Iterator[str]:
    """Of the topics that are read in the end."""
    yield from ("videos", "dead_letters")
    if door.takes_viewer_events:
        yield "viewers"
    if name in braze:
        yield "braze"


def _abandoned(port: int) -> int:
    """How many connections to a port the server has not closed although their callers have."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    held = [line.split()[1:4:2] for line in lines]
    return sum(local.endswith(f":{port:04X}") and state == _CLOSE_WAIT for local, state in held)
