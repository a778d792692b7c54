"""A broker in memory: a `Sink` for the settler and, for one consumer group, a `Source` for the pump."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

from connector.types import Commit, Message, Partition, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connector.errors import KafkaUnavailable, PublishRefused
    from connector.types import Headers


class Ownership(Protocol):
    """Who is told of partitions: the pump."""

    def assigned(self, commits: Mapping[Partition, Commit]) -> None:
        """These partitions are its own, each from its commit on."""
        ...

    async def revoked(self) -> None:
        """Everything is about to be taken; it is when this returns."""
        ...


class MemoryTopics:
    """Topics in memory, with the faults that a broker has.

    - `poll_error` and `commit_error` are raised by every poll and commit while they are set, `unreadable` by polls alone.
    - `commit_seconds` is how long a commit takes; `is_fenced` has commits answered as the group does when it has moved on.
    - `committed` is what the group has committed, `metadata` what travels with it, `published` has every message that was
      acknowledged, in order; `polls` and `commits` count the calls.
    """

    def __init__(self) -> None:
        self.poll_error: KafkaUnavailable | None = None
        self.unreadable: KafkaUnavailable | None = None
        self.commit_error: KafkaUnavailable | None = None
        self.commit_seconds = 0.0
        self.is_fenced = False
        self.committed: dict[Partition, int] = {}
        self.metadata: dict[Partition, str] = {}
        self.polls = 0
        self.commits = 0
        self.published: list[tuple[str, Message]] = []
        self._log: defaultdict[Partition, list[Record]] = defaultdict(list)
        self._positions: dict[Partition, int] = {}
        self._refusals: dict[str, tuple[Exception, float]] = {}
        self._news = asyncio.Event()

    # What a simulation does

    def add(
        self,
        partition: Partition,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int = 0,
        offset: int | None = None,
    ) -> Record:
        """Appends a record; `offset` leaves a gap before it. Raises ValueError for an offset that is taken."""
        end = self._end(partition)
        if offset is not None and offset < end:
            raise ValueError(f"the next offset is {end}")
        at = end if offset is None else offset
        record = Record(partition.topic, partition.number, at, timestamp_ms, key, value, headers)
        self._log[partition].append(record)
        self._news.set()
        return record

    def assign(self, owner: Ownership, *partitions: Partition) -> None:
        """Gives these partitions, and no others, to `owner`, each from its commit on; without one from its beginning."""
        self._positions = {each: self.committed.get(each, self._beginning(each)) for each in partitions}
        owner.assigned(
            {each: Commit(offset, self.metadata.get(each)) for each, offset in self._positions.items()}
        )

    async def revoke(self, owner: Ownership) -> None:
        """Takes all partitions from `owner`; records are read until it has let go, as with a broker."""
        await owner.revoked()
        self._positions = {}

    def fail(
        self, topic: str, error: KafkaUnavailable | PublishRefused, *, seconds: float = math.inf
    ) -> None:
        """Has every publication to `topic` raise `error`, for so many seconds of the loop's time or until `heal`."""
        self._refusals[topic] = (error, asyncio.get_running_loop().time() + seconds)

    def heal(self, topic: str) -> None:
        """Takes messages for `topic` again."""
        self._refusals.pop(topic, None)

    def messages(self, topic: str) -> list[Message]:
        """What was published to `topic`, in order."""
        return [message for name, message in self.published if name == topic]

    def records(self, partition: Partition) -> list[Record]:
        """What was added to `partition`, in order."""
        return list(self._log[partition])

    # What the engine sees

    async def publish(self, topic: str, message: Message) -> None:
        """Keeps `message`; raises what `fail` asked for."""
        error, until = self._refusals.get(topic, (None, 0.0))
        if error is not None and asyncio.get_running_loop().time() < until:
            raise error
        await asyncio.sleep(0)
        self.published.append((topic, message))

    async def poll(self, partitions: Collection[Partition], room: int, seconds: float) -> list[Record]:
        """Up to `room` records of `partitions`, within `seconds`; raises `poll_error`."""
        self.polls += 1
        if (error := self.poll_error or self.unreadable) is not None:
            raise error
        try:
            async with asyncio.timeout(seconds if room else 0):
                while not (found := self._next(partitions, room)):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return []
        return found

    async def commit(self, commits: Mapping[Partition, Commit]) -> bool:
        """Commits, after `commit_seconds`; raises `commit_error`."""
        self.commits += 1
        await asyncio.sleep(self.commit_seconds)
        if self.commit_error is not None:
            raise self.commit_error
        if not self.is_fenced:
            self.committed.update({each: commit.offset for each, commit in commits.items()})
            self.metadata.update({each: commit.metadata or "" for each, commit in commits.items()})
        return not self.is_fenced

    async def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The offset after the last record of each; raises `poll_error`."""
        if self.poll_error is not None:
            raise self.poll_error
        return {each: self._end(each) for each in partitions}

    def _next(self, partitions: Collection[Partition], room: int) -> list[Record]:
        wanted = [each for each in partitions if each in self._positions]
        found = [
            record for each in wanted for record in self._log[each] if record.offset >= self._positions[each]
        ]
        for record in found[:room]:
            self._positions[Partition(record.topic, record.partition)] = record.offset + 1
        return found[:room]

    def _beginning(self, partition: Partition) -> int:
        return self._log[partition][0].offset if self._log[partition] else 0

    def _end(self, partition: Partition) -> int:
        return self._log[partition][-1].offset + 1 if self._log[partition] else 0
