"""What the demo runs: a broker, SEEN and the connector, each as a user would start it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from connector import wiring
from connector.config.load import load
from connector.errors import SandboxError
from connector.sandbox.kafka import LocalKafka
from connector.sandbox.processes import ChildProcess, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.config.model import Config, WorkspaceConfig
    from connector.kafka.connection import KafkaConnection

PROGRAM = "seen-connector"

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0  # the connector's own deadline for an orderly end is 25
_POLL_SECONDS = 0.1
_LAST_LINES = 12


class Program:
    """A command line of `seen-connector`, run in a process of its own; what it writes goes to `log`."""

    def __init__(self, *arguments: str, environ: Mapping[str, str], log: Path, answers_at: str) -> None:
        """It has started once `answers_at`, a URL, is answered 200."""
        self.arguments = arguments
        self._environ = environ
        self._log = log
        self._answers_at = answers_at
        self._process: ChildProcess | None = None

    @property
    def line(self) -> str:
        """What a user would type."""
        return shlex.join((PROGRAM, *self.arguments))

    async def start(self, http: aiohttp.ClientSession) -> None:
        """Returns when it answers. Raises SandboxError, with the end of its log, if it does not within a minute."""
        self._process = ChildProcess((_executable(), *self.arguments), log=self._log, environ=self._environ)
        deadline = time.monotonic() + _START_SECONDS
        while not await _answers(http, self._answers_at):
            self.check()
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{self.line} did not start within {_START_SECONDS:g} s:\n{self._end_of_log()}"
                )
            await asyncio.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raises SandboxError, with the end of its log, if it has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            how = f"{self.line} ended with {self._process.returncode}"
            raise SandboxError(f"{how}:\n{self._end_of_log()}")

    async def stop(self) -> int | None:
        """Ends it in order and returns its exit code, None if it did not run. One that takes over 30 s is killed."""
        process, self._process = self._process, None
        return None if process is None else await process.end(signal.SIGTERM, _STOP_SECONDS)

    def _end_of_log(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:])


@dataclass(frozen=True, slots=True)
class Stack:
    """All that takes part, not started yet.

    `emulator_url` and `admin_url` are where SEEN and the connector's admin port will be.
    """

    config: Config
    kafka: LocalKafka
    emulator: Program
    connector: Program
    emulator_url: str
    admin_url: str

    @property
    def workspace(self) -> WorkspaceConfig:
        """The one workspace of the example."""
        return self.config.workspaces[0]

    @property
    def connection(self) -> KafkaConnection:
        """How to reach the broker."""
        return wiring.connection(self.config.connector.kafka)

    @property
    def source_topic(self) -> str:
        """Where the customer events go."""
        return self.workspace.sources[0].topics[0]


def plan(directory: Path, given: Mapping[str, str], folder: Path) -> Stack:
    """The stack for the example in `directory`, its variables set so that all of it is on this machine.

    `given` is the user's environment. A broker that it names is left alone: the example's topics and group there may be
    real ones. Every token is random. `folder` gets the logs and the broker's data. Raises ConfigError, and SandboxError
    for another configuration.
    """
    kafka = LocalKafka(folder / "kafka")
    seen, listener, admin = free_ports(3)
    environ = {**given, **_addresses(seen, listener, admin, kafka), **_tokens()}
    config = load(directory, environ)
    if [workspace.name for workspace in config.workspaces] != ["acme"]:
        raise SandboxError(f"the demo is for the example: {directory} must have one workspace, acme")
    workspace_id, quota = config.workspaces[0].seen.workspace_id, config.workspaces[0].seen.quota
    emulator = Program(
        *("emulate", "--port", str(seen), "--workspace", str(workspace_id)),
        *("--requests", str(quota.requests), "--per-seconds", f"{quota.per_seconds:g}"),
        *("--callback-url", f"http://127.0.0.1:{listener}/callbacks/acme"),
        environ=environ,
        log=folder / "emulator.log",
        answers_at=f"http://127.0.0.1:{seen}/_control/summary",
    )
    connector = Program(
        *("run", "--config", str(directory)),
        environ=environ,
        log=folder / "connector.log",
        answers_at=f"http://127.0.0.1:{admin}/readyz",
    )
    return Stack(config, kafka, emulator, connector, f"http://127.0.0.1:{seen}", f"http://127.0.0.1:{admin}")


def _addresses(seen: int, listener: int, admin: int, kafka: LocalKafka) -> dict[str, str]:
    """The example's variables, but for the secrets."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "KAFKA_CREATE_TOPICS": "true",
        "SEEN_BASE_URL": f"http://127.0.0.1:{seen}",
        "LISTENER_HOST": "127.0.0.1",
        "LISTENER_PORT": str(listener),
        "ADMIN_HOST": "127.0.0.1",
        "ADMIN_PORT": str(admin),
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
    }


def _tokens() -> dict[str, str]:
    """The same two secrets under the names by which the connector and the emulator know them."""
    token, callback_token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    return {
        "SEEN_ACME_TOKEN": token,
        "SEEN_EMULATOR_TOKEN": token,
        "ACME_CALLBACK_TOKEN": callback_token,
        "SEEN_EMULATOR_CALLBACK_TOKEN": callback_token,
    }


def _executable() -> str:
    """The installed command, preferably the one beside this interpreter."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    found = shutil.which(PROGRAM, path=os.pathsep.join(places))
    if found is None:
        raise SandboxError(f"{PROGRAM} is not installed beside {sys.executable}, nor on PATH")
    return found


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == HTTPStatus.OK
    except (aiohttp.ClientError, OSError):
        return False
