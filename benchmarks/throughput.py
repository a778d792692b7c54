"""What the connector costs and how well it uses a quota: `make bench`. README.md beside this file says how to read it.

Everything runs on this machine: Apache Kafka, the emulator of SEEN, and the connector in a process of its own. Figures
of one run are compared with each other, since a figure alone says more of the machine than of the program. Linux only:
CPU time and memory are read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer

from bench import IN_FLIGHT, PATIENCE_SECONDS, TOKEN, started
from connector.kafka.writer import write_records
from connector.sandbox.emulator import Quota
from connector.types import Message

if TYPE_CHECKING:
    from bench import Bench

PROPERTIES = {name: f"customer.{name}" for name in ("id", "first_name", "last_name", "email", "city")}
EVENTS = 10_000
WARM_UP = EVENTS // 10
NO_LIMIT = Quota(100_000, 1.0)
WINDOWS = 11
BACKLOGS = (2_000, 50_000)
BACKLOG_SECONDS = 15.0
WORKSPACES = ("plain", "engine", "quota", *(f"backlog-{count}" for count in BACKLOGS))

_LONGEST_SECONDS = 600.0


def event(number: int) -> Message:
    """A customer who signed up, about 250 bytes; each is another one, so no event waits for another's key."""
    customer = {
        "id": str(number),
        "first_name": "Ada",
        "last_name": "Almeida",
        "email": f"ada.{number}@example.com",
        "city": "Oslo",
        "interests": ["running", "films", "cooking"],
    }
    value = {"type": "customer.signed_up", "occurred_at": "2026-11-21T09:30:00Z", "customer": customer}
    return Message(key=str(number).encode(), value=orjson.dumps(value))


async def prepare(bench: Bench, workspace: str, count: int, quota: Quota) -> None:
    """Writes `count` events of as many customers, and sets what SEEN allows."""
    events = [event(number) for number in range(count)]
    topic = await bench.make_topic(workspace)
    await write_records(bench.connection, topic, events, seconds=PATIENCE_SECONDS)
    await bench.allow(workspace, quota)


@dataclass(frozen=True, slots=True)
class Pace:
    """Events a second, and the CPU seconds that 1,000 of them cost the process that sends them."""

    per_second: float
    cpu_seconds: float


async def plain_pace(bench: Bench) -> Pace:
    """A loop without any guarantee: no order, outcome, retry or quota. The events after the warm-up count."""
    await prepare(bench, "plain", EVENTS, NO_LIMIT)
    consumer = AIOKafkaConsumer(
        "plain.events", bootstrap_servers=bench.bootstrap, group_id="plain", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        await _post_events(bench, consumer, WARM_UP)
        began, cpu, count = time.monotonic(), time.process_time(), EVENTS - WARM_UP
        await _post_events(bench, consumer, count)
        return Pace(count / (time.monotonic() - began), (time.process_time() - cpu) * 1000 / count)
    finally:
        await consumer.stop()


async def _post_events(bench: Bench, consumer: AIOKafkaConsumer, count: int) -> None:
    room = asyncio.Semaphore(IN_FLIGHT)
    url = f"{bench.seen_url}/v1/workspaces/plain/data"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}

    async def post(value: bytes) -> None:
        customer = orjson.loads(value)["customer"]
        body = orjson.dumps({name: customer[name] for name in PROPERTIES})
        async with bench.http.post(url, data=body, headers=headers) as answer:
            await answer.json()
        room.release()

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            record = await consumer.getone()
            await room.acquire()
            group.create_task(post(record.value or b""))


async def connector_pace(bench: Bench) -> Pace:
    """The connector with a quota that it never meets, over as many of the same events."""
    await prepare(bench, "engine", EVENTS, NO_LIMIT)
    async with bench.connector("engine", NO_LIMIT, PROPERTIES) as connector:
        before = await connector.until_accepted(WARM_UP)
        began, cpu = time.monotonic(), connector.cpu_seconds()
        count = await connector.until_accepted(EVENTS) - before
        return Pace(count / (time.monotonic() - began), (connector.cpu_seconds() - cpu) * 1000 / count)


async def measure_quota(bench: Bench, quota: Quota) -> None:
    """How much of a quota is used, as the emulator saw it: from the end of the first full window to the last's."""
    total = quota.requests * WINDOWS
    await prepare(bench, "quota", total, quota)
    async with bench.connector("quota", quota, PROPERTIES) as connector:
        await connector.until_accepted(total)
        bound = quota.requests / (quota.per_seconds + await connector.round_trip_seconds())
    times = [arrival["monotonic"] for arrival in await bench.seen("arrivals?workspace=quota")]
    per_second = (len(times) - quota.requests) / (times[-1] - times[quota.requests - 1])
    seen = (await bench.seen("summary"))["workspaces"]["quota"]
    show(f"requests/s at {quota.requests} per {quota.per_seconds:g} s; the bound", per_second, bound)
    show("requests in the fullest window; the limit", seen["worst_window"], quota.requests)
    show("requests; those answered 429", len(times), seen["answered"].get("429", 0))


async def resident_mb(bench: Bench, backlog: int) -> float:
    """The connector's memory with so many records waiting, after the same time at the same quota."""
    workspace, quota = f"backlog-{backlog}", Quota(100, 2.0)
    await prepare(bench, workspace, backlog, quota)
    async with bench.connector(workspace, quota, PROPERTIES) as connector:
        await connector.until_accepted(1)
        await asyncio.sleep(BACKLOG_SECONDS)
        return connector.resident_mb()


async def measure(bench: Bench, quota: Quota) -> None:
    """Takes all measurements, one after the other, and prints each as soon as it is there."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'connector; compared with':46}{'connector':>12}{'compared':>12}{'ratio':>8}")
    plain, connector = await plain_pace(bench), await connector_pace(bench)
    show("events/s without a limit; a plain loop", connector.per_second, plain.per_second)
    show("CPU seconds for 1,000 events; a plain loop", connector.cpu_seconds, plain.cpu_seconds)
    await measure_quota(bench, quota)
    small, large = [await resident_mb(bench, backlog) for backlog in BACKLOGS]
    show(f"MB with a backlog of {BACKLOGS[1]:,}; of {BACKLOGS[0]:,}", large, small)


def show(name: str, value: float, compared: float) -> None:
    """Prints one line of the table."""
    ratio = f"{value / compared:8.3f}" if compared else f"{'-':>8}"
    print(f"{name:46}{value:>12.4g}{compared:>12.4g}{ratio}", flush=True)


async def run(quota: Quota) -> None:
    """Starts the broker and SEEN, measures, and ends them. TimeoutError in ten minutes."""
    async with asyncio.timeout(_LONGEST_SECONDS), started(WORKSPACES) as bench:
        await measure(bench, quota)


def main() -> None:
    """Runs all of it; `--full` takes the quota's windows as long as SEEN's."""
    parser = argparse.ArgumentParser(
        description="Measure the connector on this machine, in about two minutes."
    )
    parser.add_argument(
        "--full", action="store_true", help="a quota of 100 per 10 s, as SEEN's, in place of 100 per 2 s"
    )
    window = 10.0 if parser.parse_args().full else 2.0
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker has no group coordinator yet
    uvloop.run(run(Quota(100, window)))


if __name__ == "__main__":
    main()
