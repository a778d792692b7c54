from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from connector.errors import SandboxError
from connector.sandbox.kafka import LocalKafka
from tests.end_to_end.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def admin_of(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make_topic(bootstrap_servers: str, topic: str) -> None:
    async with admin_of(bootstrap_servers) as admin:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])


async def produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all") as producer:
        async with asyncio.timeout(20):
            await producer.send_and_wait(topic, value)


async def first_value(bootstrap_servers: str, topic: str) -> bytes | None:
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(20):
            record = await consumer.getone()
    value: bytes | None = record.value
    return value


async def test_it_takes_records_and_gives_them_back(kafka: str, prefix: str) -> None:
    topic = f"{prefix}events"
    await make_topic(kafka, topic)
    await produce(kafka, topic, b"kept")
    assert await first_value(kafka, topic) == b"kept"


async def test_a_restart_keeps_the_data_and_the_port(own_kafka: LocalKafka, prefix: str) -> None:
    topic, where = f"{prefix}events", own_kafka.bootstrap_servers
    await make_topic(where, topic)
    await produce(where, topic, b"kept")
    await own_kafka.restart()
    assert own_kafka.bootstrap_servers == where
    assert await first_value(where, topic) == b"kept"


async def test_what_was_acknowledged_outlives_a_kill(own_kafka: LocalKafka, prefix: str) -> None:
    topic, where = f"{prefix}events", own_kafka.bootstrap_servers
    await make_topic(where, topic)
    await produce(where, topic, b"kept")
    await own_kafka.kill()
    assert own_kafka.pid is None
    await own_kafka.start()
    assert await first_value(where, topic) == b"kept"


async def test_another_one_takes_over_the_data_of_one_that_stopped(
    own_kafka: LocalKafka, prefix: str
) -> None:
    topic = f"{prefix}events"
    await make_topic(own_kafka.bootstrap_servers, topic)
    await produce(own_kafka.bootstrap_servers, topic, b"kept")
    await own_kafka.stop()
    async with LocalKafka(own_kafka.directory) as heir:
        assert await first_value(heir.bootstrap_servers, topic) == b"kept"


async def test_one_that_ended_by_itself_can_be_started_again(own_kafka: LocalKafka) -> None:
    assert own_kafka.pid is not None
    os.kill(own_kafka.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while own_kafka.pid is not None:  # noqa: ASYNC110 - it is a process
            await asyncio.sleep(0.05)
    await own_kafka.start()
    assert own_kafka.pid is not None


async def test_who_comes_through_a_proxy_is_told_to_come_through_it_again(tmp_path: Path) -> None:
    async with LocalKafka(tmp_path / "kafka", proxies=2) as broker:
        addresses = [broker.bootstrap_servers]
        async with AsyncExitStack() as ending:
            for port, behind in broker.proxies:
                proxy = await ending.enter_async_context(Proxy(behind, port=port))
                addresses.append(proxy.address)
            told = [await address_told_at(address) for address in addresses]
    assert told == addresses
    assert len(set(told)) == 3


async def address_told_at(address: str) -> str:
    """Where a client that begins at `address` is sent."""
    async with admin_of(address) as admin:
        (found,) = (await admin.describe_cluster())["brokers"]
    return f"{found['host']}:{found['port']}"


async def test_it_is_not_started_twice(own_kafka: LocalKafka) -> None:
    with pytest.raises(SandboxError, match="already running"):
        await own_kafka.start()
    assert own_kafka.pid is not None


async def test_a_broker_that_cannot_start_says_why_with_the_end_of_its_log(own_kafka: LocalKafka) -> None:
    await own_kafka.stop()
    identity = own_kafka.directory / "data" / "meta.properties"
    identity.write_text(identity.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(SandboxError, match="node id 7"):
        await own_kafka.start()


async def test_it_ends_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib
from connector.sandbox.kafka import LocalKafka

async def main():
    broker = LocalKafka(pathlib.Path({str(tmp_path)!r}))
    await broker.start()
    print(broker.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    try:
        async with asyncio.timeout(60):
            broker = int(await parent.stdout.readline())
    finally:
        parent.kill()
        await parent.wait()
    async with asyncio.timeout(20):
        while is_running(broker):  # noqa: ASYNC110 - it is a process
            await asyncio.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
