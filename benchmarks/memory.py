"""Whether memory is flat with a backlog: `python benchmarks/memory.py --records 1000000 --bytes 1000 --rate 1000 --minutes 5`.

The connector's resident memory is sampled every second. Exit code 0: after the whole time it is less than 5 % above what
it was after one minute; 1: it is not. Everything runs on this machine, and what is waiting lies in the broker's files:
records times bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import statistics
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop
from aiokafka import AIOKafkaProducer

from bench import PARTITIONS, started
from connector.errors import SandboxError
from connector.sandbox.emulator import Quota

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench, Connector

WORKSPACE = "memory"
WINDOW_SECONDS = 10.0
FIRST_SECONDS = 60
MOST_GROWTH = 1.05

_BATCH_BYTES = 900_000  # below what a topic takes
_UNACKNOWLEDGED_BATCHES = 20
_SAMPLES = 10  # the median of so many is what a moment's memory is
_FORGET_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Load:
    """How many records wait, of how many bytes, and how many a second may go."""

    records: int
    record_bytes: int
    rate: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Resident memory in MB, second by second from the first accepted event on, and what was accepted meanwhile."""

    resident_mb: list[float]
    accepted: int
    seconds: float

    def around(self, second: int) -> float:
        """The resident memory when so many seconds had passed."""
        return statistics.median(self.resident_mb[max(0, second - _SAMPLES) : second])

    @property
    def growth(self) -> float:
        """The memory at the end over that after the first minute."""
        return self.around(len(self.resident_mb)) / self.around(FIRST_SECONDS)


async def fill(bench: Bench, load: Load) -> float:
    """Writes the backlog, each record with a key and an id of its own; returns how many seconds that took."""
    topic, began = await bench.make_topic(WORKSPACE), time.monotonic()
    producer = AIOKafkaProducer(bootstrap_servers=bench.bootstrap, max_batch_size=_BATCH_BYTES)
    await producer.start()
    unacknowledged: deque[asyncio.Future[object]] = deque()
    values = _values(load)
    waiting = next(values, None)
    for partition in itertools.cycle(range(PARTITIONS)):
        batch = producer.create_batch()
        while waiting is not None:
            key, value = waiting
            if batch.append(key=key, value=value, timestamp=None) is None:
                break  # it is full
            waiting = next(values, None)
        unacknowledged.append(await producer.send_batch(batch, topic, partition=partition))
        if len(unacknowledged) > _UNACKNOWLEDGED_BATCHES:
            await unacknowledged.popleft()
        if waiting is None:
            break
    await asyncio.gather(*unacknowledged)
    await producer.stop()
    return time.monotonic() - began


def _values(load: Load) -> Iterator[tuple[bytes, bytes]]:
    frame = b'{"id": "%d", "text": "%s"}'
    text = b"x" * (load.record_bytes - len(frame % (load.records, b"")))
    for number in range(load.records):
        yield b"%d" % number, frame % (number, text)


async def watch(bench: Bench, connector: Connector, seconds: int) -> Measured:
    """Samples for so many seconds. SEEN is told to forget now and then, since it keeps what it was sent."""
    already = await connector.until_accepted(1)
    began, resident = time.monotonic(), []
    for second in range(1, seconds + 1):
        await asyncio.sleep(began + second - time.monotonic())
        resident.append(connector.resident_mb())
        if second % _FORGET_SECONDS == 0:
            await bench.forget()
    return Measured(resident, await connector.accepted() - already, time.monotonic() - began)


async def measure(load: Load, seconds: int) -> Measured:
    """Starts all, writes the backlog, and watches the connector. Raises SandboxError if nothing is waiting at the end."""
    quota = Quota(int(load.rate * WINDOW_SECONDS), WINDOW_SECONDS)
    limit = ("--requests", str(quota.requests), "--per-seconds", str(quota.per_seconds))
    async with started([WORKSPACE], *limit) as bench:
        print(f"{load.records:,} records of {load.record_bytes:,} bytes ...", end=" ", flush=True)
        print(f"written in {await fill(bench, load):.0f} s", flush=True)
        async with bench.connector(WORKSPACE, quota) as connector:
            measured = await watch(bench, connector, seconds)
    if measured.accepted >= load.records - 1:
        raise SandboxError(f"all {load.records:,} records were gone before the end: more are needed")
    return measured


def report(load: Load, measured: Measured) -> None:
    """Prints the figures."""
    resident = measured.resident_mb
    print(f"events/s; the quota                 {measured.accepted / measured.seconds:10.1f}{load.rate:10}")
    print(f"still waiting at the end            {load.records - measured.accepted:10,}")
    for second in (FIRST_SECONDS, len(resident)):
        print(f"resident MB after {second:4} s            {measured.around(second):10.2f}")
    print(f"most resident MB                    {max(resident):10.2f}")
    print(f"the end over the first minute       {measured.growth:10.3f}")


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(
        description="Show whether the connector's memory is flat with a backlog."
    )
    parser.add_argument("--records", type=int, default=1_000_000, help="how many wait")
    parser.add_argument("--bytes", type=int, default=1_000, help="of each")
    parser.add_argument("--rate", type=int, default=1_000, help="how many a second the quota allows")
    parser.add_argument("--minutes", type=float, default=5.0, help="more than one")
    options = parser.parse_args()
    seconds = int(options.minutes * 60)
    if seconds < FIRST_SECONDS + _SAMPLES:
        parser.error(f"--minutes must be at least {(FIRST_SECONDS + _SAMPLES) / 60:.2f}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker has no group coordinator yet
    load = Load(options.records, options.bytes, options.rate)
    measured = uvloop.run(measure(load, seconds))
    report(load, measured)
    if measured.growth >= MOST_GROWTH:
        sys.exit(f"memory has grown by {measured.growth - 1:.1%}")


if __name__ == "__main__":
    main()
