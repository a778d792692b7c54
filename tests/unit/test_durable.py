"""A callback on its way: directly into Kafka, or over the disk; in the order of its key, whatever fails and whoever is killed."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connector.clock import SystemClock
from connector.deadletter import PREFIX
from connector.delivery.backoff import Backoff
from connector.errors import KafkaUnavailable, PublishRefused, SpoolUnavailable
from connector.inbound import durable, spool
from connector.inbound.door import Grave
from connector.inbound.durable import DurablePublisher
from connector.inbound.spool import Spool
from connector.inbound.spoolfile import BATCH_ROWS, SpoolFile
from connector.types import Message
from tests.end_to_end.deployment import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from connector.inbound.taken import Durability

MB = 1_048_576
VIDEOS, LETTERS = "seen.acme.videos", "seen.acme.dead-letters"
Mode = Literal["well", "away", "broken", "deaf"]


class Kafka:
    """A producer and its broker. `landed` is what is in the topics, in order.

    well: lands and is acknowledged · away: waits in the producer, and lands when Kafka is well again · broken: the producer
    forgets it · deaf: lands, and the acknowledgement is lost. `refuses` says which messages are too large.
    """

    def __init__(self, limit_seconds: float = 5.0) -> None:
        self.limit_seconds = limit_seconds
        self.mode: Mode = "well"
        self.landed: list[tuple[str, Message]] = []
        self.pending: list[tuple[str, Message]] = []
        self.attempts = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuses: Callable[[str, Message], bool] = lambda _topic, _message: False
        self.fails: Callable[[str, Message], bool] = lambda _topic, _message: False

    async def publish(self, topic: str, message: Message) -> Durability:
        self.attempts += 1
        if self.refuses(topic, message):
            raise PublishRefused("too large")
        try:
            async with asyncio.timeout(self.limit_seconds):
                await self.gate.wait()
        except TimeoutError:
            raise KafkaUnavailable("not acknowledged") from None
        if self.mode == "away" or self.fails(topic, message):
            if (topic, message) not in self.pending:
                self.pending.append((topic, message))
            await asyncio.sleep(0)
            raise KafkaUnavailable("not acknowledged")
        if self.mode == "broken":
            for _ in range(3):
                await asyncio.sleep(0)  # it tried; who comes meanwhile may meet a new producer
            raise KafkaUnavailable("the producer broke")
        joined = (topic, message) in self.pending
        self.landed += self.pending
        self.pending.clear()
        if not joined:
            self.landed.append((topic, message))
        await asyncio.sleep(0)
        if self.mode == "deaf":
            raise KafkaUnavailable("not acknowledged")
        return "published"

    def values(self, topic: str = VIDEOS) -> list[bytes]:
        return [message.value or b"" for where, message in self.landed if where == topic]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_WAITS", Backoff(0.001, 0.002))


class Process:
    """The spool and the publisher of one process, with its drain."""

    def __init__(self, folder: Path, kafka: Kafka, max_bytes: int, limit_seconds: float) -> None:
        self.spool = Spool(folder, max_bytes, ["acme"], SystemClock())
        self.holding = self.spool.holding("acme")
        grave = Grave("acme", LETTERS, "0.1.0")
        self.publisher = DurablePublisher(kafka, self.spool, grave, limit_seconds)
        self._drain: asyncio.Task[None] | None = None

    async def start(self, *, draining: bool = True) -> None:
        await self.spool.open()
        if draining:
            self.drain()

    def drain(self) -> None:
        self._drain = asyncio.create_task(self.publisher.drain())

    async def end(self) -> None:
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.gather(self._drain, return_exceptions=True)
        await self.spool.close()

    async def drained(self) -> None:
        await eventually(lambda: self.holding.callbacks == 0, "the spool is drained", 20)

    async def call(self, number: int, key: bytes | None = b"key", topic: str = VIDEOS) -> Durability:
        return await self.publisher.publish(topic, Message(key, b"%d" % number))


@asynccontextmanager
async def running(
    folder: Path, kafka: Kafka, *, draining: bool = True, max_bytes: int = 16 * MB, limit_seconds: float = 5.0
) -> AsyncIterator[Process]:
    process = Process(folder, kafka, max_bytes, limit_seconds)
    await process.start(draining=draining)
    try:
        yield process
    finally:
        await process.end()


# --- the property

Step = tuple[str, int | Mode]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 2)),
        st.tuples(st.just("call"), st.integers(0, 2)),
        st.tuples(st.just("mode"), st.sampled_from(["well", "away", "broken", "deaf"])),
        st.tuples(st.just("turns"), st.sampled_from([1, 3, 20])),
        st.tuples(st.just("wait"), st.just(0)),
        st.tuples(st.just("disk"), st.sampled_from([0, 1])),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("kill"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(course=steps)
def test_whatever_was_answered_lands_and_in_the_order_of_its_key(
    tmp_path_factory: pytest.TempPathFactory, course: list[Step]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_TRY_AGAIN_SECONDS", 0.001)
        asyncio.run(run(tmp_path_factory.mktemp("spool"), course, Disk(patch)))


class Disk:
    """The disk of every spool: while it does not work, nothing can be written to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.works = True
        for name in ("append", "delete", "probe"):
            patch.setattr(SpoolFile, name, self._checked(getattr(SpoolFile, name)))

    def _checked(self, write: Callable[..., None]) -> Callable[..., None]:
        def checked(*arguments: object) -> None:
            if not self.works:
                raise SpoolUnavailable("the disk: broken")
            write(*arguments)

        return checked


async def run(parent: Path, course: list[Step], disk: Disk) -> None:
    kafka = Kafka()
    durable: dict[int, list[int]] = defaultdict(list)
    calls: list[tuple[int, int, asyncio.Task[Durability]]] = []
    folder = parent / "0"
    folder.mkdir()
    process = Process(folder, kafka, 16 * MB, 5.0)
    await process.start()
    for number, (act, argument) in enumerate(course):
        if act == "mode":
            kafka.mode = argument  # type: ignore[assignment]
            continue
        assert isinstance(argument, int)
        if act == "call":
            calls.append((argument, number, asyncio.create_task(process.call(number, b"%d" % argument))))
        elif act == "turns":
            await turns(argument)
        elif act == "wait":
            await asyncio.sleep(0.002)
        elif act == "disk":
            disk.works = argument == 1
        elif act == "cancel":
            [call.cancel() for _, _, call in calls[argument:][:1]]
        else:
            answered(calls, durable)
            shutil.copytree(folder, folder := parent / str(number + 1))
            for _, _, call in calls:
                call.cancel()
            calls.clear()
            await end_unseen(process, kafka)
            process = Process(folder, kafka, 16 * MB, 5.0)
            await process.start()
    kafka.mode = "well"
    disk.works = True
    await asyncio.gather(*(call for _, _, call in calls), return_exceptions=True)
    await process.drained()
    await eventually(lambda: process.spool.bytes == 0, "all is deleted", 10)
    assert not any(process.holding._lanes)
    await process.end()
    answered(calls, durable)
    for key, numbers in durable.items():
        landed = [int(m.value or b"") for _, m in kafka.landed if m.key == b"%d" % key]
        first = list(dict.fromkeys(landed))
        assert [number for number in first if number in numbers] == numbers


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def answered(calls: list[tuple[int, int, asyncio.Task[Durability]]], durable: dict[int, list[int]]) -> None:
    """Notes which calls have been answered 2xx, by key."""
    for key, number, call in calls:
        if call.done() and not call.cancelled() and call.exception() is None:
            durable[key].append(number)


async def end_unseen(process: Process, kafka: Kafka) -> None:
    """Ends what is left of a process that was killed: nothing of it reaches Kafka any more."""
    seen = list(kafka.landed)
    await process.end()
    kafka.landed = seen
    kafka.pending.clear()


# --- one by one


async def test_a_callback_that_kafka_takes_never_touches_the_disk(tmp_path: Path) -> None:
    kafka = Kafka()
    async with running(tmp_path, kafka) as process:
        assert await process.call(1) == "published"
        assert process.holding.callbacks == 0
    assert kafka.values() == [b"1"]


async def test_after_the_limit_a_callback_is_on_the_disk_and_then_in_kafka(tmp_path: Path) -> None:
    kafka = Kafka(limit_seconds=0.05)
    kafka.gate.clear()
    async with running(tmp_path, kafka, limit_seconds=0.05) as process:
        assert await process.call(1) == "spooled"
        assert process.holding.callbacks == 1
        kafka.gate.set()
        await process.drained()
    assert kafka.values() == [b"1"]


@pytest.mark.parametrize("run_in", [asyncio.run, uvloop.run])
def test_what_has_waited_for_its_turn_has_only_the_rest_of_the_limit(
    tmp_path: Path, run_in: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def course() -> None:
        kafka = Kafka(limit_seconds=60)
        kafka.gate.clear()
        async with running(tmp_path, kafka, draining=False, limit_seconds=0.05) as process:
            first = asyncio.create_task(process.call(1))
            await eventually(lambda: kafka.attempts == 1, "the first has its turn", 20)
            second = asyncio.create_task(process.call(2))
            await asyncio.sleep(0.1)
            kafka.gate.set()
            await first
            assert await second == "spooled"

    run_in(course())


async def test_while_kafka_is_away_nobody_else_waits_for_it_and_then_the_direct_way_is_open_again(
    tmp_path: Path,
) -> None:
    kafka = Kafka()
    kafka.mode = "away"
    async with running(tmp_path, kafka, draining=False) as process:
        assert await process.call(1) == "spooled"
        for number in range(2, 10):
            assert await process.call(number, b"%d" % number) == "spooled"
        assert kafka.attempts == 1
        kafka.mode = "well"
        process.drain()
        await process.drained()
        assert await process.call(10) == "published"
    assert sorted(kafka.values(), key=int) == [b"%d" % number for number in range(1, 11)]


async def test_while_the_spool_holds_a_key_its_callbacks_join_it_and_others_pass(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.fails = lambda _topic, message: message.value == b"1"
    async with running(tmp_path, kafka) as process:
        assert await process.call(1) == "spooled"
        assert await process.call(2) == "spooled"
        assert (
            await process.call(3, b"other") == "spooled"
        )  # the topic is taken for away until it has taken something
        await eventually(lambda: b"3" in kafka.values(), "another key is drained", 10)
        assert await process.call(4, b"third") == "published"
        assert await process.call(5) == "spooled"
        assert not {b"2", b"5"} & set(kafka.values())
        kafka.fails = lambda _topic, _message: False
        await process.drained()
    key = [value for value in dict.fromkeys(kafka.values()) if value in {b"1", b"2", b"5"}]
    assert key == [b"1", b"2", b"5"]


async def test_callbacks_of_one_key_are_decided_one_after_the_other(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.gate.clear()
    kafka.fails = lambda _topic, message: message.value == b"1"
    async with running(tmp_path, kafka, draining=False) as process:
        calls = [
            asyncio.create_task(process.call(number, key))
            for number, key in ((1, b"key"), (2, b"key"), (3, b"other"))
        ]
        await asyncio.sleep(0.01)
        assert kafka.attempts == 2
        kafka.gate.set()
        assert await asyncio.gather(*calls) == ["spooled", "spooled", "published"]


async def test_what_neither_kafka_nor_the_spool_takes_is_said(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.mode = "away"
    async with running(tmp_path, kafka, max_bytes=MB, draining=False) as process:
        large = [Message(b"%d" % number, b"x" * 50_000) for number in range(30)]
        calls = [process.publisher.publish(VIDEOS, each) for each in large]
        results = await asyncio.gather(*calls, return_exceptions=True)
        held = process.holding.callbacks
        full = "the spool is full: acme has used its 1048576 bytes"
        assert [str(each) for each in results[held:]] == [full] * (30 - held)
        assert 10 < held < 30
        kafka.mode = "well"
        process.drain()
        await process.drained()
        assert await process.call(1) == "published"
    assert len(set(kafka.landed)) >= held + 1


async def test_a_disk_that_takes_nothing_does_not_close_the_direct_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SpoolUnavailable("the disk: broken")

    monkeypatch.setattr(SpoolFile, "append", fail)
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka) as process:
        with pytest.raises(SpoolUnavailable, match="broken"):
            await process.call(1)
        kafka.mode = "well"
        assert await process.call(2) == "published"


async def test_a_callback_is_deleted_only_after_the_acknowledgement(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1)
    kafka.mode = "well"
    kafka.gate.clear()
    async with running(tmp_path, kafka) as process:
        await eventually(lambda: kafka.attempts >= 2, "the drain publishes", 10)
        assert len(await process.spool.batch("acme", VIDEOS, 0)) == 1
        kafka.gate.set()
        await process.drained()
        assert await process.spool.batch("acme", VIDEOS, 0) == []


def refuse(*_: object) -> None:
    raise SpoolUnavailable("it is full, or its disk is")


async def test_regression_a_disk_that_is_full_when_kafka_is_back_holds_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be deleted on a full disk: the drain waited for that after its first batch, and the door was closed."""
    monkeypatch.setattr(spool, "_TRY_AGAIN_SECONDS", 0.001)
    kafka = Kafka()
    kafka.mode = "broken"
    count = 2 * BATCH_ROWS + 5
    async with running(tmp_path, kafka, draining=False) as process:
        for number in range(count):
            await process.call(number, b"%d" % (number % 7))
        held = process.holding.bytes
        kafka.mode = "well"
        with monkeypatch.context() as full:
            full.setattr(SpoolFile, "append", refuse)
            full.setattr(SpoolFile, "delete", refuse)
            full.setattr(SpoolFile, "probe", refuse)
            process.drain()
            await process.drained()
            assert await process.call(count, b"3") == "published"
            assert process.holding.bytes == held  # they are on the disk, and count against the share
            assert process.holding.oldest is None
            assert process.spool.failure == "it is full, or its disk is"
        await eventually(lambda: process.holding.bytes == 0, "all is deleted when there is room", 10)
        assert process.spool.failure is None
    assert sorted(kafka.values(), key=int) == [b"%d" % number for number in range(count + 1)]
    async with running(tmp_path, kafka, draining=False) as process:
        assert process.holding.callbacks == 0


async def test_until_a_callback_is_deleted_the_next_of_its_key_joins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process that is killed meanwhile would publish the older one again, after the newer one."""
    kafka = Kafka()
    kafka.mode = "broken"
    deleting, goes_on = threading.Event(), threading.Event()
    delete = SpoolFile.delete

    def slow(file: SpoolFile, numbers: list[int]) -> None:
        deleting.set()
        assert goes_on.wait(10)
        delete(file, numbers)

    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1)
        kafka.mode = "well"
        monkeypatch.setattr(SpoolFile, "delete", slow)
        process.drain()
        await eventually(deleting.is_set, "the first is in Kafka", 10)
        next_one = asyncio.create_task(process.call(2))
        await turns(10)
        assert kafka.values() == [b"1"]
        goes_on.set()
        assert await next_one == "spooled"
        await process.drained()
    assert kafka.values() == [b"1", b"2"]


async def test_regression_a_disk_that_cannot_be_read_does_not_close_the_direct_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds cannot be drained, so nothing showed that Kafka was back: callbacks of all keys were refused."""
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1)
        kafka.mode = "well"
        monkeypatch.setattr(SpoolFile, "append", refuse)
        monkeypatch.setattr(SpoolFile, "batch", refuse)
        assert await process.publisher._tried_round() == 0
        assert await process.call(2, b"another") == "published"
        with pytest.raises(SpoolUnavailable):
            await process.call(3)  # of its key there is one on the disk


async def test_a_drain_that_is_cancelled_deletes_what_kafka_has_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1, b"a")
        await process.call(2, b"b")
        kafka.mode = "well"
        hangs = hang_for(b"b", kafka, monkeypatch)
        drain = asyncio.create_task(process.publisher.drain())
        await hangs.wait()
        await eventually(lambda: bool(kafka.landed), "the first is in Kafka", 10)
        drain.cancel()
        await asyncio.wait([drain], timeout=5)
        assert [row.waiting.message.key for row in await process.spool.batch("acme", VIDEOS, 0)] == [b"b"]


def hang_for(key: bytes, kafka: Kafka, patch: pytest.MonkeyPatch) -> asyncio.Event:
    """Has publications of `key` never end; the event tells of the first."""
    hangs = asyncio.Event()

    async def publish(topic: str, message: Message) -> Durability:
        if message.key == key:
            hangs.set()
            await asyncio.Event().wait()
        return await Kafka.publish(kafka, topic, message)

    patch.setattr(kafka, "publish", publish)
    return hangs


async def test_regression_a_drain_ends_when_it_is_cancelled_although_the_disk_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1, b"a")
        await process.call(2, b"b")
        kafka.mode = "well"
        monkeypatch.setattr(SpoolFile, "delete", refuse)
        hangs = hang_for(b"b", kafka, monkeypatch)
        drain = asyncio.create_task(process.publisher.drain())
        await hangs.wait()
        await eventually(lambda: bool(kafka.landed), "the first is in Kafka", 10)
        drain.cancel()
        _, late = await asyncio.wait([drain], timeout=5)
        assert not late


async def test_a_callback_whose_caller_went_away_while_it_was_written_is_drained_all_the_same(
    tmp_path: Path,
) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka) as process:
        call = asyncio.create_task(process.call(1))
        async with asyncio.timeout(5):
            while not process.holding.callbacks:  # noqa: ASYNC110 - the very moment is what matters
                await asyncio.sleep(0)
        call.cancel()
        kafka.mode = "well"
        await process.drained()
    assert call.cancelled()
    assert kafka.values() == [b"1"]


async def test_a_topic_that_takes_nothing_holds_back_no_other_topic(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.fails = lambda topic, _message: topic == "gone"
    async with running(tmp_path, kafka, draining=False) as process:
        for number in range(2 * BATCH_ROWS):
            assert await process.call(number, b"%d" % number, "gone") == "spooled"
        kafka.mode = "broken"
        assert await process.call(7) == "spooled"
        kafka.mode = "well"
        process.drain()
        await eventually(lambda: b"7" in kafka.values(), "the other topic is drained", 10)
        assert process.holding.callbacks == 2 * BATCH_ROWS


async def test_a_key_that_is_not_taken_holds_back_no_other_key_however_many_it_has(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    count = 3 * BATCH_ROWS
    async with running(tmp_path, kafka, draining=False) as process:
        for number in range(count):
            await process.call(number, b"stuck" if number % 2 else b"%d" % number)
        kafka.mode = "well"
        kafka.fails = lambda _topic, message: message.key == b"stuck"
        process.drain()
        await eventually(lambda: process.holding.callbacks == count // 2, "the other keys are drained", 10)
        kafka.fails = lambda _topic, _message: False
        await process.drained()
    stuck = [int(m.value or b"") for _, m in kafka.landed if m.key == b"stuck"]
    assert list(dict.fromkeys(stuck)) == list(range(1, count, 2))


@pytest.mark.parametrize("takes_bodies", [True, False])
async def test_what_its_topic_refuses_when_it_is_drained_becomes_a_dead_letter(
    tmp_path: Path, takes_bodies: bool
) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1)
        kafka.mode = "well"
        kafka.refuses = lambda topic, message: topic == VIDEOS or not (takes_bodies or message.value == b"")
        process.drain()
        await process.drained()
    [(topic, letter)] = kafka.landed
    headers = dict(letter.headers)
    assert (topic, letter.value) == (LETTERS, b"1" if takes_bodies else b"")
    assert headers[PREFIX + "reason"] == b"callback_too_large"
    assert headers[PREFIX + "workspace"] == b"acme"


async def test_a_message_without_a_key_waits_for_no_other(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.fails = lambda _topic, message: message.value == b"1"
    async with running(tmp_path, kafka) as process:
        await process.call(1, None, LETTERS)
        await process.call(2, None, LETTERS)
        await eventually(lambda: b"2" in kafka.values(LETTERS), "the second is drained", 10)
        assert await process.call(3, None, LETTERS) == "published"


async def test_one_round_goes_over_all_that_has_no_key_although_some_of_it_is_not_taken(
    tmp_path: Path,
) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        for number in range(2 * BATCH_ROWS):
            await process.call(number, None, LETTERS)
        kafka.mode = "well"
        kafka.fails = lambda _topic, message: message.value == b"1"
        assert await process.publisher._round() == 2 * BATCH_ROWS - 1


async def test_a_drain_that_is_told_to_finish_ends_when_it_is_done_or_when_kafka_takes_nothing(
    tmp_path: Path,
) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    async with running(tmp_path, kafka, draining=False) as process:
        for number in range(250):
            await process.call(number, b"%d" % number)
        process.publisher.finish()
        with capture_logs() as lines:
            async with asyncio.timeout(10):
                await process.publisher.drain()
        assert [(line["event"], line["why"]) for line in lines] == [("spool_waits", "the producer broke")]
        assert process.holding.callbacks == 250
        kafka.mode = "well"
        with capture_logs() as lines:
            async with asyncio.timeout(10):
                await process.publisher.drain()
        assert [(line["event"], line["callbacks"]) for line in lines] == [("spool_drained", 250)]
        assert process.holding.callbacks == 0


async def test_a_drain_survives_a_bug(tmp_path: Path) -> None:
    kafka = Kafka()
    kafka.mode = "broken"
    bugs = iter([KeyError("a bug"), None])
    async with running(tmp_path, kafka, draining=False) as process:
        await process.call(1)

        def refuses(_topic: str, _message: Message) -> bool:
            if (bug := next(bugs, None)) is not None:
                raise bug
            return False

        kafka.mode, kafka.refuses = "well", refuses
        with capture_logs() as lines:
            process.drain()
            await process.drained()
    assert "spool_drain_died" in [line["event"] for line in lines]
    assert kafka.values() == [b"1"]


def test_the_course_is_told_by_its_steps() -> None:
    """Keeps the property honest: its model of Kafka lands late what it was given while it was away."""

    async def late() -> list[bytes]:
        kafka = Kafka()
        kafka.mode = "away"
        with pytest.raises(KafkaUnavailable):
            await kafka.publish(VIDEOS, Message(b"k", b"1"))
        kafka.mode = "well"
        await kafka.publish(VIDEOS, Message(b"k", b"2"))
        return kafka.values()

    assert asyncio.run(late()) == [b"1", b"2"]
