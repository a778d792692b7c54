"""How long others wait while two hundred clients are slow: `python benchmarks/slowclients.py`, under three minutes.

Callbacks with a right access token arrive, each on a connection of its own, and are published to the broker; access tokens
are fetched. Meanwhile two hundred clients, each of an address of its own, send, or read, a byte a second, and come again some five
seconds after they were cut off, not all at once. Exit code 0: in every row 99 of 100 callbacks and tokens are answered within 100 ms; 1: they are not. Everything
runs on this machine, so whatever else it does counts.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import random
import signal
import statistics
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import orjson
import uvloop

from bench import start_connector, started
from connector.errors import SandboxError
from connector.sandbox.emulator import Quota
from connector.sandbox.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from bench import Bench

WORKSPACE = "slow"
CLIENT = {"client_id": "slow-seen", "client_secret": "benchmark-secret"}
SLOW = 200
MORE_THAN_PLACES = 1_000
MOST_MS = 100.0
CALLS_A_SECOND = 25
TOKENS_A_SECOND = 5

_READY_SECONDS = 60.0
_SETTLE_SECONDS = 8.0
_PAUSE_SECONDS = 1.0
_AWAY_SECONDS = (4.0, 6.0)
_STOP_SECONDS = 30.0

_FORM_HEAD = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
_CALL_HEAD = f"POST /callbacks/{WORKSPACE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_LONG = "Content-Length: 4000\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """The listener, and a token that it takes."""

    port: int
    token: str

    @property
    def right(self) -> str:
        """The header that shows the right."""
        return f"Authorization: Bearer {self.token}\r\n"


@dataclass(slots=True)
class Waits:
    """How long others waited, in seconds; what was not answered 200 is `failed`."""

    calls: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def is_good(self) -> bool:
        """Whether all were answered, and 99 of 100 in time."""
        return not self.failed and max(p99(self.calls), p99(self.tokens)) < MOST_MS


def p99(seconds: list[float]) -> float:
    """In milliseconds."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[98] * 1000


# The slow ones


def beginnings(target: Target) -> dict[str, str]:
    """What slow clients of each kind send at once, before they go on with a byte a second."""
    return {
        "idle connections": "",
        "heads": f"POST /callbacks/{WORKSPACE} HTTP/1.1\r\nX-Slow: ",
        "bodies, with a right token": _CALL_HEAD + target.right + _LONG,
        "bodies, with a wrong token": _CALL_HEAD + "Authorization: Bearer wrong\r\n" + _LONG,
        "forms for a token": _FORM_HEAD + _LONG,
        "readers of their answer": _CALL_HEAD + target.right + 'Content-Length: 10\r\n\r\n{"id":"1"}',
    }


async def be_slow(target: Target, number: int, kind: str) -> None:
    """One slow client, for ever. Each has an address of its own."""
    source = (f"127.1.{number // 250}.{number % 250 + 1}", 0)
    beginning = beginnings(target)[kind]
    await asyncio.sleep(random.uniform(0.0, _SETTLE_SECONDS / 2))
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=source)
            writer.write(beginning.encode())
            try:
                await _go_on(reader, writer, kind)
            finally:
                writer.transport.abort()
        await asyncio.sleep(random.uniform(*_AWAY_SECONDS))


async def _go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str) -> None:
    """A byte a second, until the connection ends."""
    if kind == "readers of their answer":
        while await reader.read(1):  # noqa: ASYNC110 - slowly, on purpose
            await asyncio.sleep(_PAUSE_SECONDS)
        return
    ended = asyncio.create_task(reader.read(), name="until it is cut off")
    try:
        while not (await asyncio.wait([ended], timeout=_PAUSE_SECONDS))[0]:
            if kind != "idle connections":
                writer.write(b"a")
    finally:
        ended.cancel()
        with suppress(OSError, asyncio.CancelledError):
            await ended


async def be_many(target: Target, kinds: list[tuple[str, int]]) -> None:
    """So many slow clients of each kind, for ever."""
    kind_of_each = [kind for kind, count in kinds for _ in range(count)]
    await asyncio.gather(*(be_slow(target, number, kind) for number, kind in enumerate(kind_of_each)))


def in_a_process(target: Target, kinds: list[tuple[str, int]]) -> None:
    """What the process of the slow clients does."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    uvloop.run(be_many(target, kinds))


@contextmanager
def slow_clients(target: Target, kinds: list[tuple[str, int]]) -> Iterator[None]:
    """So many of each kind, in a process of their own, so that the others' own work is not delayed."""
    process = multiprocessing.get_context("spawn").Process(
        target=in_a_process, args=(target, kinds), daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


# The others


async def observe(target: Target, seconds: float) -> Waits:
    """Calls and fetches tokens, each at its own pace whatever the answers take."""
    waits, url = Waits(), f"http://127.0.0.1:{target.port}"
    form = {"grant_type": "client_credentials", **CLIENT}
    headers = {"Authorization": f"Bearer {target.token}"}
    numbers = itertools.count()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:

        async def call() -> int:
            body = {"id": f"customer-{next(numbers)}", "player_url": "https://player.seen.io/v/x"}
            async with http.post(f"{url}/callbacks/{WORKSPACE}", json=body, headers=headers) as answer:
                await answer.read()
                return answer.status

        async def fetch() -> int:
            async with http.post(f"{url}/oauth2/token", data=form) as answer:
                await answer.read()
                return answer.status

        await asyncio.gather(
            _at_a_pace(call, CALLS_A_SECOND, seconds, waits.calls, waits),
            _at_a_pace(fetch, TOKENS_A_SECOND, seconds, waits.tokens, waits),
        )
    return waits


async def _at_a_pace(
    ask: Callable[[], Awaitable[int]], a_second: int, seconds: float, into: list[float], waits: Waits
) -> None:
    async def once() -> None:
        began = time.monotonic()
        try:
            status = await ask()
        except aiohttp.ClientError:
            status = 0
        if status == 200:
            into.append(time.monotonic() - began)
        else:
            waits.failed += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(int(seconds * a_second)):
            group.create_task(once())
            await asyncio.sleep(1 / a_second)


# All of it


def configure(bench: Bench, listener_port: int) -> Path:
    """A configuration with one workspace, to which SEEN shows access tokens of ours."""
    directory = bench.configure(WORKSPACE, Quota(100, 10))
    shared = orjson.loads((directory / "connector.yaml").read_bytes())
    shared["listener"] |= {"port": listener_port, "oauth2": {"signing_key": "benchmark-key" * 4}}
    shared["listener"]["oauth2"]["token_lifetime_seconds"] = 3600
    (directory / "connector.yaml").write_bytes(orjson.dumps(shared))
    file = directory / "workspaces" / f"{WORKSPACE}.yaml"
    one = orjson.loads(file.read_bytes())
    one["callback"]["auth"] = {"oauth2": CLIENT}
    file.write_bytes(orjson.dumps(one))
    return directory


async def until_ready(bench: Bench, admin_port: int) -> None:
    """Returns when callbacks can be published. Raises SandboxError if that takes a minute."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(aiohttp.ClientError):
            async with bench.http.get(f"http://127.0.0.1:{admin_port}/readyz/listener") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.2)
    raise SandboxError("the connector did not get ready")


def rows() -> list[tuple[str, list[tuple[str, int]]]]:
    """What is measured: a name, and how many slow clients of each kind."""
    kinds = list(beginnings(Target(0, "")))
    each = [(f"{SLOW} {kind}", [(kind, SLOW)]) for kind in kinds]
    crowd = (f"{MORE_THAN_PLACES:,} idle connections", [("idle connections", MORE_THAN_PLACES)])
    everything = (f"all kinds, {SLOW} of each", [(kind, SLOW) for kind in kinds])
    return [("nobody is slow", []), *each, crowd, everything]


async def measure(seconds: float) -> bool:
    """Prints the table, row by row. Whether all rows are good."""
    async with started([WORKSPACE]) as bench:
        await bench.make_topic(WORKSPACE)
        listener_port, admin_port = free_ports(2)
        directory = configure(bench, listener_port)
        process = start_connector(directory, admin_port, directory / "log")
        try:
            await until_ready(bench, admin_port)
            target = await _target(bench, listener_port)
            await observe(target, _SETTLE_SECONDS)
            print(f"{'':34}{'callbacks, ms':>24}{'tokens, ms':>24}")
            print(f"{'':34}{'p50':>8}{'p99':>8}{'most':>8}{'p50':>8}{'p99':>8}{'most':>8}")
            return all([await _row(target, name, kinds, seconds) for name, kinds in rows()])
        finally:
            await process.end(signal.SIGTERM, _STOP_SECONDS)


async def _target(bench: Bench, port: int) -> Target:
    form = {"grant_type": "client_credentials", **CLIENT}
    async with bench.http.post(f"http://127.0.0.1:{port}/oauth2/token", data=form) as answer:
        return Target(port, str((await answer.json())["access_token"]))


async def _row(target: Target, name: str, kinds: list[tuple[str, int]], seconds: float) -> bool:
    with slow_clients(target, kinds):
        await asyncio.sleep(_SETTLE_SECONDS if kinds else 0.0)
        waits = await observe(target, seconds)
    print(f"{name:34}", *(f"{figure:8.1f}" for figure in _figures(waits)), sep="", end="")
    print(f"   {waits.failed} not answered 200" if waits.failed else "", flush=True)
    return waits.is_good


def _figures(waits: Waits) -> list[float]:
    found = []
    for seconds in (waits.calls, waits.tokens):
        found += [statistics.median(seconds) * 1000, p99(seconds), max(seconds) * 1000]
    return found


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(
        description="Show how long callbacks wait while clients of the listener are slow."
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="for each row")
    if not uvloop.run(measure(parser.parse_args().seconds)):
        sys.exit(f"99 of 100 were not answered within {MOST_MS:g} ms")


if __name__ == "__main__":
    main()
