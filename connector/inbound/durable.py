"""How a callback of one workspace becomes durable: in Kafka within a limit, else in the spool, from where it is drained.

Rules:
 1. Messages of one key are decided one after the other, in the order in which they came; so none overtakes another.
 2. While the spool holds anything of a key, new messages of that key join it. While Kafka is away for a topic, all do that
    are for that topic: nobody waits for a limit that will run out.
 3. The drain publishes each key's messages one at a time, oldest first, and forgets them only when Kafka has acknowledged
    them. A message that is published and not yet deleted when the process dies is published again.
 4. A message without a key has no order.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from connector.clock import wait_for_event
from connector.deadletter import RefusedCallback
from connector.delivery.backoff import Backoff
from connector.errors import KafkaUnavailable, PublishRefused, SpoolUnavailable
from connector.inbound.door import bury
from connector.types import Reason

if TYPE_CHECKING:
    from connector.inbound.door import Grave, Publisher
    from connector.inbound.spool import Spool
    from connector.inbound.spoolfile import Row
    from connector.inbound.taken import Durability
    from connector.types import Message

log = structlog.get_logger()

_PART_OF_BURSTS = 0.5

_WAITS = Backoff(0.5, 5.0)
"""Between rounds in which Kafka took nothing; each has itself waited as long as a publication may."""


class DurablePublisher:
    """Publishes for the workspace of `grave`: with `kafka` within `limit_seconds`, else into `spool`.

    `kafka` keeps that limit by itself. It is where the drain publishes, too; `grave` is where what a topic refuses is
    buried by it.
    """

    def __init__(self, kafka: Publisher, spool: Spool, grave: Grave, limit_seconds: float) -> None:
        self._kafka = kafka
        self._spool = spool
        self._grave = grave
        self._limit_seconds = limit_seconds
        self._holding = spool.holding(grave.workspace)
        self._turns: WeakValueDictionary[tuple[str, bytes], asyncio.Lock] = WeakValueDictionary()
        self._away: set[str] = set()
        self._work = asyncio.Event()
        self._finishing = asyncio.Event()
        self._why = ""

    async def publish(self, topic: str, message: Message, part: float = 1.0) -> Durability:
        """Returns when `message` is durable, and says where. It may use up `part` of the workspace's share of the spool.

        Raises PublishRefused if it is too large for the topic, SpoolUnavailable if neither Kafka nor the spool took it.
        """
        came_at = asyncio.get_running_loop().time()
        if message.key is None:
            return await self._decided(topic, message, came_at, part)
        async with self._turns.setdefault((topic, message.key), asyncio.Lock()):  # first come, first served
            return await self._decided(topic, message, came_at, part)

    async def _decided(self, topic: str, message: Message, came_at: float, part: float) -> Durability:
        if not self._joins(topic, message.key) and await self._published(topic, message, came_at):
            return "published"
        try:
            await self._spool.append(self._grave.workspace, topic, message, part)
        finally:  # what was cancelled may be on the disk all the same
            self._work.set()
        return "spooled"

    def _joins(self, topic: str, key: bytes | None) -> bool:
        if topic in self._away and self._holding.has_topic(topic):
            return True
        return key is not None and self._holding.may_have(topic, key)

    async def _published(self, topic: str, message: Message, came_at: float) -> bool:
        try:
            if came_at == asyncio.get_running_loop().time():  # it did not wait for its turn
                await self._kafka.publish(topic, message)
            else:
                async with asyncio.timeout_at(came_at + self._limit_seconds):
                    await self._kafka.publish(topic, message)
        except (KafkaUnavailable, TimeoutError):
            self._away.add(topic)
            return False
        return True

    # The drain

    def finish(self) -> None:
        """Has `drain` end as soon as nothing is left, or Kafka takes nothing."""
        self._finishing.set()
        self._work.set()

    async def drain(self) -> None:
        """Brings into Kafka what is spooled, now and later, until `finish`. It may be cancelled at any time."""
        failures = moved = 0
        while self._holding.callbacks or not self._finishing.is_set():
            if not self._holding.callbacks:
                self._work.clear()
                await self._work.wait()
                continue
            found = await self._tried_round()
            moved += found
            failures = 0 if found else failures + 1
            if not self._holding.callbacks:
                log.info("spool_drained", workspace=self._grave.workspace, callbacks=moved)
                moved = 0
            elif not found:
                self._say_that_it_waits()
                if self._finishing.is_set():
                    return
                await wait_for_event(self._finishing, _WAITS.ceiling(failures) * random.uniform(0.5, 1.0))

    def _say_that_it_waits(self) -> None:
        """Unless nothing went wrong: what is counted and not written yet cannot be moved yet."""
        if self._why:
            held = self._holding.callbacks
            log.warning("spool_waits", workspace=self._grave.workspace, callbacks=held, why=self._why)

    async def _tried_round(self) -> int:
        """How many callbacks a round moved; none where it broke."""
        self._why = ""
        try:
            return await self._round()
        except SpoolUnavailable as error:
            self._why = str(error)
            self._away.clear()  # what cannot be read cannot show that Kafka is back
        except Exception as error:  # isolation: a bug here must not end the other workspaces
            self._why = f"died of {type(error).__name__}"
            log.error("spool_drain_died", workspace=self._grave.workspace, exc_info=error)
        return 0

    async def _round(self) -> int:
        """Goes once over all that is spooled, topic by topic, until a topic takes nothing more."""
        count = 0
        for topic in self._holding.topics:
            after, stuck = 0, set[bytes | None]()
            while rows := await self._spool.batch(self._grave.workspace, topic, after):
                after = rows[-1].number
                free = [row for row in rows if row.waiting.message.key not in stuck]
                moved = await self._moved(free)
                if free and not moved:
                    break
                self._away.discard(topic)
                count += len(moved)
                gone = {row.number for row in moved}
                stuck |= {row.waiting.message.key for row in free if row.number not in gone} - {None}
        return count

    async def _moved(self, rows: list[Row]) -> list[Row]:
        """Publishes `rows`, each key's in their order, and forgets those that Kafka has: these are the answer."""
        courses: dict[object, list[Row]] = {}
        for row in rows:
            key = row.waiting.message.key
            courses.setdefault(row.number if key is None else key, []).append(row)
        moved: list[Row] = []
        try:
            async with asyncio.TaskGroup() as group:
                for course in courses.values():
                    group.create_task(self._move_in_order(course, moved))
        finally:
            if moved:
                await self._spool.forget(self._grave.workspace, moved)
        return moved

    async def _move_in_order(self, course: list[Row], moved: list[Row]) -> None:
        for row in course:
            try:
                await self._publish(row)
            except (KafkaUnavailable, PublishRefused) as error:
                self._why = str(error)
                return
            moved.append(row)

    async def _publish(self, row: Row) -> None:
        waiting = row.waiting
        try:
            await self._kafka.publish(waiting.topic, waiting.message)
        except PublishRefused as refusal:
            log.warning("spooled_callback_refused", workspace=waiting.workspace, why=str(refusal))
            callback = RefusedCallback(
                body=waiting.message.value or b"",
                reason=Reason.CALLBACK_TOO_LARGE,
                detail=str(refusal),
                content_type="application/json",
                received_at=waiting.spooled_at,
            )
            await bury(self._kafka, self._grave, callback)


class BurstPublisher:
    """Publishes with `durable` what comes in bursts: half of the workspace's share of the spool is left to the rest."""

    def __init__(self, durable: DurablePublisher) -> None:
        self._durable = durable

    async def publish(self, topic: str, message: Message) -> Durability:
        """As `DurablePublisher.publish`."""
        return await self._durable.publish(topic, message, _PART_OF_BURSTS)
