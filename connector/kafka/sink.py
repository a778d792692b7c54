"""Publishing: a message is published when Kafka has acknowledged it with acks=all, and never before.

Rules:
 1. One idempotent producer, so retries inside it neither double nor reorder.
 2. Its batches never expire, so every wait is bounded here. A message whose wait ran out is not sent a second time: who
    publishes it again joins the first wait.
 3. What is too large for its topic is refused before it is sent: a rejected record would break the producer's partition.
 4. A producer that broke all the same is replaced; what it had not acknowledged fails, and is published anew.
 5. What is sent and not acknowledged is bounded in bytes; beyond that, publishing fails at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from connector.errors import KafkaUnavailable, PublishRefused
from connector.kafka.connection import connected, stopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.kafka.connection import KafkaConnection
    from connector.types import Message

    _What: TypeAlias = tuple[str, Message]

log = structlog.get_logger()

_MAX_PENDING_BYTES = 64 * 1024 * 1024
_BATCH_BYTES = 128 * 1024
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_HARMLESS = (TopicAuthorizationFailedError, UnknownTopicOrPartitionError)


class KafkaSink:
    """One producer and the messages that it has not acknowledged yet."""

    def __init__(
        self, connection: KafkaConnection, limits: Mapping[str, int], *, wait_seconds: float, name: str
    ) -> None:
        """`limits` are the topics' largest messages in bytes, `wait_seconds` bounds each wait, `name` is for the log."""
        self._connection = connection
        self._limits = limits
        self._wait_seconds = wait_seconds
        self._name = name
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._stopped = False
        self._pending: dict[_What, _OnItsWay] = {}
        self._pending_bytes = 0
        self._stopping: set[asyncio.Task[bool]] = set()

    async def start(self) -> None:
        """Connects. Raises KafkaUnavailable."""
        await self._connected()

    async def stop(self, seconds: float) -> None:
        """Flushes and disconnects within `seconds`; what is not acknowledged by then may still arrive."""
        self._stopped = True
        producer, self._producer = self._producer, None
        if producer is not None and not await stopped(producer.stop(), seconds):
            log.warning("producer_stopped_unflushed", producer=self._name, messages=len(self._pending))
        for task in self._stopping:
            task.cancel()

    async def publish(self, topic: str, message: Message) -> None:
        """Returns when Kafka has acknowledged `message` in `topic`.

        Raises PublishRefused if it is too large for the topic, KafkaUnavailable if it is not acknowledged within the
        limit: it may arrive all the same, and publishing it again waits for that one.
        """
        size = message.size
        if size > self._limits.get(topic, size):
            raise PublishRefused(f"{size} bytes; {topic} takes {self._limits[topic]}")
        try:
            async with asyncio.timeout(self._wait_seconds):
                on_its_way = self._pending.get((topic, message)) or await self._send(topic, message, size)
                await on_its_way.acknowledged()
        except TimeoutError as error:
            raise KafkaUnavailable(f"{topic}: not acknowledged within {self._wait_seconds:g} s") from error
        except _TOO_LARGE as error:
            self._abandon()
            raise PublishRefused(f"{topic}: {error}") from error
        except KafkaError as error:
            if not isinstance(error, _HARMLESS):
                self._abandon()
            raise KafkaUnavailable(f"{topic}: {type(error).__name__}") from error

    async def _send(self, topic: str, message: Message, size: int) -> _OnItsWay:
        if self._pending_bytes + size > _MAX_PENDING_BYTES:
            raise KafkaUnavailable(
                f"{topic}: {self._pending_bytes} bytes wait for their acknowledgement already"
            )
        producer = self._producer or await self._connected()
        # Neither key nor value fails an assertion inside aiokafka: whoever builds such a message gives it b"".
        sent: asyncio.Future[Any] = await producer.send(
            topic, value=message.value, key=message.key, headers=list(message.headers)
        )
        what, on_its_way = (topic, message), _OnItsWay(size)
        self._pending[what] = on_its_way
        self._pending_bytes += size
        sent.add_done_callback(lambda done: self._ended(what, on_its_way, _error(done)))
        return on_its_way

    def _ended(self, what: _What, on_its_way: _OnItsWay, error: BaseException | None) -> None:
        if self._pending.get(what) is on_its_way:
            del self._pending[what]
        if on_its_way.end(error):
            self._pending_bytes -= on_its_way.size

    def _abandon(self) -> None:
        """Gives up the broken producer. An error of aiokafka's is always the current one's: an abandoned producer has
        nothing pending any more.
        """
        broken, self._producer = self._producer, None
        for what, on_its_way in list(self._pending.items()):
            self._ended(what, on_its_way, KafkaUnavailable("the producer broke"))
        if broken is not None:
            log.warning("producer_replaced", producer=self._name)
            task = asyncio.create_task(stopped(broken.stop(), self._wait_seconds), name=f"{self._name}: stop")
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def _connected(self) -> AIOKafkaProducer:
        """The producer; a new one in the place of one that broke, made by the first of several callers for all."""
        async with self._connecting:
            if self._stopped:
                raise KafkaUnavailable("the producer is stopped")
            if self._producer is None:
                self._producer = await self._new_producer()
            return self._producer

    async def _new_producer(self) -> AIOKafkaProducer:
        smallest, largest = min(self._limits.values()), max(self._limits.values())
        return await connected(
            lambda: AIOKafkaProducer(
                **self._connection.arguments(),
                enable_idempotence=True,
                acks="all",
                # A full batch wakes everyone who waits to add to it, so a small one costs more than it saves; but a batch
                # must fit every topic, as a message must.
                max_batch_size=min(_BATCH_BYTES, smallest // 2),
                # Each topic's own limit is checked before; the producer's must not be lower than the highest of them.
                max_request_size=largest + 1024,
            ),
            AIOKafkaProducer.stop,
            self._name,
        )


class _OnItsWay:
    """A message that Kafka has not acknowledged yet, and who waits for that: nobody's end is another's."""

    __slots__ = ("_ended", "_waiting", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._ended = False
        self._waiting: set[asyncio.Future[None]] = set()

    async def acknowledged(self) -> None:
        """Returns when it is, raises what it failed with. To be called before it has ended."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            del waiting  # it holds the exception, which holds this frame: the message would stay until garbage is looked for

    def end(self, error: BaseException | None) -> bool:
        """Tells those who wait; whether this was the first end: one that a broken producer abandons comes to another."""
        is_first, self._ended = not self._ended, True
        for waiting in self._waiting if is_first else ():
            if waiting.done():  # cancelled, and about to leave
                continue
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)
        return is_first


def _error(sent: asyncio.Future[Any]) -> BaseException | None:
    return KafkaUnavailable("the producer was stopped") if sent.cancelled() else sent.exception()
