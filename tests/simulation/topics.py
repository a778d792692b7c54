"""The topics of one workspace in a course, the commits of its group, and what calls to them meet."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import orjson

from connector.types import Commit, Partition, Record
from tests.simulation.history import Fault, Produced, Published
from tests.simulation.records import PARTITIONS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from random import Random

    from connector.types import Message
    from tests.simulation.history import Entry
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.plan import WorkspacePlan
    from tests.simulation.records import PlannedRecord

SOURCE, OUTCOMES, DEAD_LETTERS = "events", "outcomes", "dead-letters"


class Topics:
    """The topics of one workspace, and the commits of its group."""

    def __init__(
        self, plan: WorkspacePlan, loop: VirtualLoop, random: Random, start: float, history: list[Entry]
    ) -> None:
        """`start` is the Unix time at the loop's zero."""
        self.plan = plan
        self.loop = loop
        self.random = random
        self.history = history
        self.commits: dict[Partition, Commit] = {}
        self.log: dict[Partition, list[Record]] = {Partition(SOURCE, each): [] for each in range(PARTITIONS)}
        self.settled: set[int] = set()
        self.numbers: dict[str, int] = {}
        self.commit_number = 0
        self.last_commit = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._start = start

    def produce(self, planned: PlannedRecord) -> None:
        """Writes a record of the plan to its partition."""
        partition = Partition(SOURCE, planned.partition)
        time_ms = int((self._start + planned.at) * 1000)
        record = Record(SOURCE, planned.partition, planned.offset, time_ms, planned.key, planned.value)
        self.log[partition].append(record)
        self.numbers[record.origin] = planned.number
        self.note(Produced(self.now, self.plan.name, planned.number))
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            _wake(each)

    async def news(self, until: float) -> None:
        """Waits for the next record, at most until then."""
        woken: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append(woken)
        alarm = self.loop.call_at(until, _wake, woken)
        try:
            await woken
        finally:
            alarm.cancel()

    def read(self, partition: Partition, position: int, room: int) -> list[Record]:
        """At most `room` records from `position` on."""
        log = self.log[partition]
        first = bisect_left(log, position, key=lambda record: record.offset)
        return log[first : first + room]

    @property
    def uncommitted(self) -> int:
        """How many records nobody has committed past."""
        return sum(
            len(self.read(partition, self.commits.get(partition, Commit(0)).offset, len(log)))
            for partition, log in self.log.items()
        )

    def trouble(self, what: str) -> str | None:
        """What a call meets now: a fault of the plan whose name begins with `what`, or the broker is away."""
        for spell in self.plan.kafka:
            is_meant = spell.covers(self.now) and spell.what.startswith((what, "away"))
            if is_meant and (spell.what == "away" or self.random.random() < spell.share):
                self.note(Fault(self.now, self.plan.name, f"kafka: {spell.what}"))
                return spell.what
        return None

    def publish(self, replica: int, topic: str, message: Message) -> None:
        """Makes `message` durable."""
        headers = {name: value for name, value in message.headers if value is not None}
        number, kind, event_id = self.describe(topic, headers, message)
        if kind != "dead letter":
            self.settled.add(number)
        words = headers.get("seen-dead-letter-detail", b"").decode()
        self.note(Published(self.now, self.plan.name, replica, number, kind, event_id, words))

    def describe(self, topic: str, headers: Mapping[str, bytes], message: Message) -> tuple[int, str, str]:
        """The record that `message` is about, the kind of its outcome, and the event's id."""
        if topic == DEAD_LETTERS:
            place = (
                headers[f"seen-dead-letter-origin-{name}"].decode()
                for name in ("topic", "partition", "offset")
            )
            origin = "/".join(place)
            return self.numbers[origin], "dead letter", origin
        origin = orjson.loads(message.value or b"")["origin"]
        name = f"{origin['topic']}/{origin['partition']}/{origin['offset']}"
        return self.numbers[name], headers["ce_type"].decode().split(".")[2], headers["ce_id"].decode()

    def note(self, entry: Entry) -> None:
        """Adds to the history."""
        self.history.append(entry)

    @property
    def now(self) -> float:
        """The loop's time."""
        return self.loop.time()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
