"""Where a run takes place: a broker, SEEN, topics, and a folder of configuration as a user would write it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from aiokafka.admin import NewTopic

from connector.kafka.connection import KafkaConnection
from connector.kafka.topics import administration
from connector.sandbox.emulator import Emulator, EmulatorSettings, Quota, WorkspaceSettings
from connector.sandbox.kafka import LocalKafka
from reliability.events import PARTITIONS, WORKSPACES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUOTAS = {"acme": Quota(100, 5.0), "globex": Quota(60, 4.0)}
MAX_IN_FLIGHT = 16
PROBE_SECONDS = 5.0
SESSION_SECONDS = 10

_FIRST_TOKEN = "token-1"
_REMEMBERED = 1_000_000  # the whole run
_GIVE_UP_SECONDS = (
    30.0  # longer than a spell of faults, shorter than the drain: poison ends, and nothing else does
)
_DELIVERY = {
    "max_in_flight": MAX_IN_FLIGHT,
    "give_up_after_seconds": _GIVE_UP_SECONDS,
    "backoff": {"initial_seconds": 0.2, "max_seconds": 2},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A running broker and SEEN. `folder` keeps everything: `config`, logs, the broker's data."""

    folder: Path
    kafka: LocalKafka
    seen: Emulator

    @property
    def connection(self) -> KafkaConnection:
        """How to reach the broker."""
        return KafkaConnection(self.kafka.bootstrap_servers)

    @property
    def config(self) -> Path:
        """The folder that connectors are started with."""
        return self.folder / "config"

    def give_token(self, workspace: str, token: str) -> None:
        """Puts `token` where the connectors read it, at once and whole."""
        path = self.config / f"{workspace}.token"
        new = path.with_suffix(".new")
        new.write_text(token)
        new.replace(path)

    def configure(self) -> None:
        """Writes the configuration."""
        (self.config / "workspaces").mkdir(parents=True)
        shared = {
            "kafka": {
                "bootstrap_servers": self.kafka.bootstrap_servers,
                "session_timeout_seconds": SESSION_SECONDS,
            },
            "listener": {"host": "127.0.0.1", "port": 0},
            "admin": {"host": "127.0.0.1", "port": 0},
        }
        (self.config / "connector.yaml").write_bytes(orjson.dumps(shared))  # JSON is YAML
        for name in WORKSPACES:
            self.give_token(name, _FIRST_TOKEN)
            path = self.config / "workspaces" / f"{name}.yaml"
            path.write_bytes(orjson.dumps(self._workspace(name)))

    def _workspace(self, name: str) -> dict[str, object]:
        quota = QUOTAS[name]
        return {
            "name": name,
            "group_id": name,
            "sources": [{"topics": [topic(name, "events")]}],
            "seen": {
                "base_url": self.seen.url,
                "workspace_id": name,
                "auth": {"bearer_token_file": str(self.config / f"{name}.token")},
                "quota": {
                    "requests": quota.requests,
                    "per_seconds": quota.per_seconds,
                    "grace_seconds": 2,
                },
                "timeout_seconds": 3,
                "probe": {"initial_seconds": 0.5, "max_seconds": PROBE_SECONDS},
            },
            "delivery": _DELIVERY,
            "callback": {"auth": {"token": "callback-token"}},
            "topics": {role: topic(name, role) for role in ("videos", "outcomes", "dead_letters")},
        }

    async def create_topics(self) -> None:
        """Makes all topics; what is published is stamped by the broker when it is appended."""
        stamped = {"message.timestamp.type": "LogAppendTime"}
        topics = [NewTopic(topic(name, "events"), PARTITIONS, 1) for name in WORKSPACES]
        topics += [
            NewTopic(topic(name, role), PARTITIONS, 1, topic_configs=stamped)
            for name in WORKSPACES
            for role in ("videos", "outcomes", "dead_letters")
        ]
        async with administration(self.connection, "making the topics") as admin:
            await admin.create_topics(topics)


def topic(workspace: str, role: str) -> str:
    """The topic of a workspace for `events`, `videos`, `outcomes` or `dead_letters`."""
    return f"{workspace}.{role}"


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Starts all but the connectors, and ends it."""
    workspaces = tuple(
        WorkspaceSettings(id=name, tokens=(_FIRST_TOKEN,), quota=QUOTAS[name]) for name in WORKSPACES
    )
    settings = EmulatorSettings(workspaces=workspaces, render_seconds=1.0, remembered=_REMEMBERED)
    async with LocalKafka(folder / "kafka") as kafka, Emulator(settings) as seen:
        built = Stage(folder, kafka, seen)
        await built.create_topics()
        built.configure()
        yield built
