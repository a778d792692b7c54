"""What a call that failed held is free at once. Python looks for cyclic garbage so seldom (`cli.heap`) that bodies which only
it could free would fill the memory.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from aiokafka.errors import NotLeaderForPartitionError

from connector.errors import KafkaUnavailable, SpoolUnavailable
from connector.inbound import answer
from connector.inbound.body import read_body
from connector.inbound.spool import Spool
from connector.inbound.spoolfile import SpoolFile
from connector.kafka import sink as sink_module
from connector.kafka.connection import KafkaConnection
from connector.kafka.sink import KafkaSink
from connector.testing import FakeClock
from connector.types import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

MB = 1_000_000
TIMES = 8


@pytest.fixture
def _nobody_looks_for_garbage() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.enable()


pytestmark = pytest.mark.usefixtures("_nobody_looks_for_garbage")


async def held_after(failing: Callable[[], Awaitable[None]]) -> int:
    """How many bytes are still held of `TIMES` failures, which had a MB each."""
    await failing()  # what is made once
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(TIMES):
        await failing()
    await asyncio.sleep(0)
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.parametrize("error", [ConnectionResetError(), web.RequestPayloadError()])
async def test_regression_a_body_that_was_cut_off_is_free_at_once(error: Exception) -> None:
    async def cut_off() -> None:
        content = StreamReader(Mock(spec=BaseProtocol), 2**16, loop=asyncio.get_running_loop())
        request = make_mocked_request("POST", "/", payload=content)
        reading = asyncio.create_task(read_body(request, 2 * MB, 5))
        content.feed_data(b"x" * MB)
        await asyncio.sleep(0)
        content.set_exception(type(error)())
        assert await reading == answer.CUT_OFF

    assert await held_after(cut_off) < MB


async def test_regression_a_message_that_kafka_refuses_is_free_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing:
        async def send(self, *_arguments: object, **_named: object) -> asyncio.Future[Any]:
            sent = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(sent.set_exception, NotLeaderForPartitionError())
            return sent

        async def stop(self) -> None:
            pass

    async def connected(*_arguments: object) -> Refusing:
        return Refusing()

    async def refused() -> None:
        with suppress(KafkaUnavailable):
            await sink.publish("topic", Message(b"key", b"x" * MB))

    monkeypatch.setattr(sink_module, "connected", connected)
    sink = KafkaSink(KafkaConnection("nowhere:1"), {"topic": 2 * MB}, wait_seconds=5, name="test")
    assert await held_after(refused) < MB


async def test_regression_a_message_that_the_disk_does_not_take_is_free_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: SpoolFile, _entries: object) -> None:
        raise SpoolUnavailable("the disk: broken")

    async def refused() -> None:
        with suppress(SpoolUnavailable):
            await spool.append("acme", "topic", Message(b"key", b"x" * MB))

    monkeypatch.setattr(SpoolFile, "append", fail)
    spool = Spool(tmp_path, 16 * MB, ("acme",), FakeClock())
    await spool.open()
    try:
        assert await held_after(refused) < MB
    finally:
        await spool.close()
