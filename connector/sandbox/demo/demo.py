"""The demo's course: start everything, send, watch, stop, read what Kafka has now, and say what became of it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from connector import wiring
from connector.errors import KafkaUnavailable, SandboxError
from connector.kafka.reader import read_topic
from connector.kafka.topics import prepare_topics
from connector.kafka.writer import write_records
from connector.sandbox.demo import report
from connector.sandbox.demo.books import Topics, keep_books
from connector.sandbox.demo.checks import checks
from connector.sandbox.demo.progress import Progress, snapshot
from connector.sandbox.demo.samples import faults, sample_events
from connector.sandbox.demo.stack import plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from rich.console import Console

    from connector.sandbox.demo.samples import Sample
    from connector.sandbox.demo.stack import Stack
    from connector.types import Record

_DELIVERY_SECONDS = 60.0
_KAFKA_SECONDS = 30.0
_HTTP_SECONDS = 5.0
_LOOK_SECONDS = 0.25


async def run_demo(directory: Path, given: Mapping[str, str], console: Console) -> bool:
    """Runs the example in `directory` on this machine; True if every event is accounted for and SEEN's limit was kept.

    `given` is the user's environment. Raises ConfigError, KafkaUnavailable, or SandboxError where something does not
    start or ends before its time. However it ends, nothing that it started goes on; the logs stay in a temporary folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="seen-connector-demo-"))
    try:
        stack = plan(directory, given, folder)
        timeout = aiohttp.ClientTimeout(total=_HTTP_SECONDS)
        async with AsyncExitStack() as ending, aiohttp.ClientSession(timeout=timeout) as http:
            return await _Demo(stack, http, console, ending).run(folder)
    except (KafkaUnavailable, SandboxError) as error:
        raise SandboxError(f"{error}\nLogs: {folder}") from error
    finally:
        _tidy(folder)


@dataclass(frozen=True, slots=True)
class _Demo:
    stack: Stack
    http: aiohttp.ClientSession
    console: Console
    ending: AsyncExitStack
    """Whatever is started is ended by it."""

    async def run(self, logs: Path) -> bool:
        since_ms = int(time.time() * 1000)
        report.opening(self.console, self.stack)
        await self._start()
        samples = sample_events()
        origins = await self._send(samples)
        await self._watch(len(samples))
        seen = await self._seen()
        skipped = (await self._workspace())["outcomes"]["skipped"]
        exit_code = await self.stack.connector.stop()
        topics = await self._read(since_ms, skipped)
        books = keep_books(list(zip(origins, samples, strict=True)), topics)
        passed = checks(books, seen, exit_code)
        report.closing(self.console, self.stack, books, topics, passed, logs)
        return all(check.passed for check in passed)

    async def _start(self) -> None:
        stack, kafka = self.stack, self.stack.config.connector.kafka
        await self._started(f"Apache Kafka at {kafka.bootstrap_servers}", self._start_kafka())
        for what, program in (("SEEN, emulated", stack.emulator), ("the connector", stack.connector)):
            self.ending.push_async_callback(program.stop)
            await self._started(what, program.start(self.http), program.arguments)
        report.explained(self.console)

    async def _start_kafka(self) -> None:
        stack = self.stack
        await self.ending.enter_async_context(stack.kafka)
        new = wiring.new_topics(stack.config.connector.kafka)
        await prepare_topics(stack.connection, [stack.source_topic], new)

    async def _started(self, what: str, start: Awaitable[None], command: tuple[str, ...] = ()) -> None:
        began = time.monotonic()
        with self.console.status(f"{what} ..."):
            await start
        report.started(self.console, what, command, time.monotonic() - began)

    async def _send(self, samples: list[Sample]) -> list[str]:
        """Writes them, after SEEN was told whom to be difficult with; returns their origins."""
        url = f"{self.stack.emulator_url}/_control/faults"
        async with self.http.post(url, json=faults(samples)) as response:
            response.raise_for_status()
        messages = [sample.message for sample in samples]
        origins = await write_records(
            self.stack.connection, self.stack.source_topic, messages, seconds=_KAFKA_SECONDS
        )
        report.sent(self.console, self.stack, samples)
        return origins

    async def _watch(self, sent: int) -> None:
        """Shows how far it is, until all is done or time is up."""
        began = time.monotonic()
        with Progress(self.console) as progress:
            while (seconds := time.monotonic() - began) < _DELIVERY_SECONDS:
                self.stack.connector.check()
                self.stack.emulator.check()
                now = snapshot(sent, seconds, await self._workspace(), await self._seen())
                progress.show(now)
                if now.done:
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    async def _read(self, since_ms: int, skipped: int) -> Topics:
        """What is in the connector's topics, as far as it came after `since_ms`: the broker may have known another demo."""
        names = self.stack.workspace.topics

        async def all_of(topic: str) -> list[Record]:
            records = read_topic(self.stack.connection, topic, seconds=_KAFKA_SECONDS)
            return [record async for record in records if record.timestamp_ms >= since_ms]

        return Topics(
            outcomes=await all_of(names.outcomes),
            dead_letters=await all_of(names.dead_letters),
            videos=await all_of(names.videos),
            skipped=skipped,
        )

    async def _workspace(self) -> dict[str, Any]:
        status = await self._json(f"{self.stack.admin_url}/status")
        workspace: dict[str, Any] = status["workspaces"][self.stack.workspace.name]
        return workspace

    async def _seen(self) -> dict[str, Any]:
        return await self._json(f"{self.stack.emulator_url}/_control/summary")

    async def _json(self, url: str) -> dict[str, Any]:
        try:
            async with self.http.get(url) as response:
                document: dict[str, Any] = await response.json()
                return document
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SandboxError(f"{url} does not answer: {type(error).__name__}") from error


def _tidy(folder: Path) -> None:
    """Leaves the logs, if there are any."""
    shutil.rmtree(folder / "kafka" / "data", ignore_errors=True)
    for each in (folder / "kafka", folder):
        if each.exists() and not any(each.iterdir()):
            each.rmdir()
