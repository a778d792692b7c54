"""Kafka, as one workspace of a course meets it: its topics, its consumer group, and what goes wrong between.

A commit is taken only from the owner, in its own generation; and from a member that was put out and knows it, if nobody
else is in the group (aiokafka sends it without a generation). What was on its way arrives, though the sender be dead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connector.errors import KafkaUnavailable, PublishRefused
from connector.types import Commit, Partition, Record
from tests.simulation.history import Assigned, CommitSent, Committed, Died, Fault, Heard, Refused, Revoked
from tests.simulation.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connector.kafka.source import Ownership
    from connector.types import Message
    from tests.simulation.loop import Process
    from tests.simulation.topics import Topics

_CALL_SECONDS = 10.0
_PUBLISH_SECONDS = 30.0
_REBALANCE_SECONDS = 60.0
_EVERY_TOO_LARGE = 7


class Group:
    """Who owns the partitions, all of them, and in which generation."""

    def __init__(self, topics: Topics) -> None:
        self.topics = topics
        self.generation = 0
        self.owner: Member | None = None

    async def rebalance(self, to: Member) -> None:
        """Has the owner give everything back, if there is one, and gives it to `to`. Who does not answer is evicted."""
        if self.owner is not None:
            await self.owner.give_back(was_asked=True)
        self.give(to)

    def evict(self) -> None:
        """Takes everything from the owner, which does not hear of it."""
        self.generation += 1
        self.owner = None

    def give(self, to: Member) -> None:
        """Gives everything to `to`, in a new generation."""
        self.generation += 1
        self.owner = to
        to.generation = self.generation
        to.is_unplaced = True
        to.is_out = False


class Member:
    """A replica's connection to Kafka: its `Source` and its `Sink`."""

    def __init__(self, replica: int, group: Group, process: Process) -> None:
        self._replica = replica
        self._group = group
        self._topics = group.topics
        self._process = process
        self._positions: dict[Partition, int] = {}
        self.ownership: Ownership | None = None
        self.generation = 0
        self.is_unplaced = False
        self.is_cut_off = False
        self.is_out = False

    async def give_back(self, *, was_asked: bool) -> None:
        """Has the replica give everything back; was it not asked, all was taken from it before."""
        if self.ownership is None:
            return
        name = self._topics.plan.name
        self.is_unplaced = False
        self.is_out = not was_asked
        if self._topics.random.random() < 0.5:
            self._positions = {}  # else a poll that is under way still brings records
        asked = self._process.start(self.ownership.revoked(), "revoked")
        await asyncio.wait([asked], timeout=_REBALANCE_SECONDS)
        if asked.done() and (error := asked.exception()) is not None:
            self._topics.note(Died(self._topics.now, name, self._replica, repr(error)))
        self._positions = {}
        self._topics.note(Revoked(self._topics.now, name, self._replica, was_asked))

    # What the engine sees

    async def poll(self, partitions: Collection[Partition], room: int, seconds: float) -> list[Record]:
        """As `Source.poll`."""
        trouble = "away" if self.is_cut_off else self._topics.trouble("poll")
        if trouble == "poll fails":
            raise KafkaUnavailable("reading")
        if trouble == "away":
            await asyncio.sleep(seconds)
            return []
        if self.is_unplaced:
            await self._place()
        if not partitions or not room:
            await asyncio.sleep(0)
            return []
        until = self._topics.now + seconds
        while not (found := self._next(partitions, room)) and self._topics.now < until:
            await self._topics.news(until)
        return found

    async def _place(self) -> None:
        generation = self.generation
        await asyncio.sleep(self._topics.random.uniform(0.002, 0.1))
        if self.generation != generation or not self.is_unplaced or self.ownership is None:
            return
        commits = {
            each: self._topics.commits.get(each) or Commit(log[0].offset if log else 0)
            for each, log in self._topics.log.items()
        }
        self.is_unplaced = False
        self._positions = {each: commit.offset for each, commit in commits.items()}
        now, name = self._topics.now, self._topics.plan.name
        self._topics.note(Assigned(now, name, self._replica, generation, self._topics.last_commit))
        self.ownership.assigned(commits, ())

    def _next(self, partitions: Collection[Partition], room: int) -> list[Record]:
        found: list[Record] = []
        for partition in partitions:
            position = self._positions.get(partition)
            if position is not None and (more := self._topics.read(partition, position, room - len(found))):
                self._positions[partition] = more[-1].offset + 1
                found += more
        return found

    async def commit(self, commits: Mapping[Partition, Commit]) -> bool:
        """As `Source.commit`."""
        topics = self._topics
        number = self._commit_sent(commits)
        trouble = "away" if self.is_cut_off else topics.trouble("commit")
        if trouble == "away":
            await asyncio.sleep(_CALL_SECONDS)
        if trouble in ("away", "commit fails"):
            await asyncio.sleep(0.01)
            raise KafkaUnavailable("committing")
        answer: asyncio.Future[bool] = topics.loop.create_future()
        delay = (
            topics.random.uniform(0.5, 8) if trouble == "commit slow" else topics.random.uniform(0.002, 0.05)
        )
        topics.loop.happens(delay, self._take, dict(commits), number, self.generation, answer)
        taken = await answer
        if trouble == "commit unheard":
            await asyncio.sleep(_CALL_SECONDS - delay)
            raise KafkaUnavailable("committing: the answer was lost")
        return taken

    def _commit_sent(self, commits: Mapping[Partition, Commit]) -> int:
        topics = self._topics
        topics.commit_number += 1
        offsets = tuple((each.number, commit.offset) for each, commit in commits.items())
        topics.note(CommitSent(topics.now, topics.plan.name, self._replica, topics.commit_number, offsets))
        return topics.commit_number

    def _take(
        self, commits: Mapping[Partition, Commit], number: int, generation: int, answer: asyncio.Future[bool]
    ) -> None:
        topics, group = self._topics, self._group
        is_owner = group.owner is self and group.generation == generation
        is_taken = is_owner or (self.is_out and group.owner is None)
        if is_taken:
            topics.commits.update(commits)
            topics.last_commit = number
        entry = Committed if is_taken else Refused
        topics.note(entry(topics.now, topics.plan.name, self._replica, number))
        if not answer.done():
            answer.set_result(is_taken)

    async def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """As `Source.end_offsets`."""
        if self.is_cut_off or self._topics.trouble("nothing else"):
            await asyncio.sleep(_CALL_SECONDS)
            raise KafkaUnavailable("asking for end offsets")
        log = self._topics.log
        return {each: log[each][-1].offset + 1 if log[each] else 0 for each in partitions}

    async def publish(self, topic: str, message: Message) -> None:
        """As `Sink.publish`."""
        topics = self._topics
        number, kind, _ = topics.describe(topic, _headers(message), message)
        if topic == DEAD_LETTERS and number % _EVERY_TOO_LARGE == 0 and message.value:
            topics.note(Fault(topics.now, topics.plan.name, "kafka: publish refused"))
            raise PublishRefused("too large")
        trouble = "away" if self.is_cut_off else topics.trouble("publish")
        if trouble == "away":
            await asyncio.sleep(_PUBLISH_SECONDS)
        if trouble in ("away", "publish fails"):
            await asyncio.sleep(0.01)
            raise KafkaUnavailable("publishing")
        answer: asyncio.Future[None] = topics.loop.create_future()
        topics.loop.happens(topics.random.uniform(0.002, 0.05), self._keep, topic, message, answer)
        await answer
        await asyncio.sleep(topics.random.uniform(0.001, 0.01))
        if trouble == "publish unheard":
            await asyncio.sleep(topics.random.uniform(1, _PUBLISH_SECONDS))
            raise KafkaUnavailable("publishing: the answer was lost")
        topics.note(Heard(topics.now, topics.plan.name, self._replica, number, kind))

    def _keep(self, topic: str, message: Message, answer: asyncio.Future[None]) -> None:
        self._topics.publish(self._replica, topic, message)
        if not answer.done():
            answer.set_result(None)


def _headers(message: Message) -> dict[str, bytes]:
    return {name: value for name, value in message.headers if value is not None}
