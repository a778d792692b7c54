"""The partitions that are ours, and how far each of them is: one `OffsetTracker` for each, in one epoch.

An assignment is made whole and ended whole, since Kafka's eager rebalances give and take all partitions at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.delivery.commitdata import decode, encode
from connector.delivery.offsets import OffsetTracker
from connector.types import Commit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from connector.delivery.commitdata import CommitData
    from connector.types import Partition


class Assignment:
    """One epoch of all our partitions."""

    def __init__(self, commits: Mapping[Partition, Commit], elsewhere: Collection[Commit] = ()) -> None:
        """`commits` are what will be read first, and what was said beyond it; empty while nothing is ours.

        `accounts` are those of the quota that came with them, and with the group's commits `elsewhere`; one that could
        not be read is empty.
        """
        said = {each: decode(commit.metadata or "", commit.offset) for each, commit in commits.items()}
        self.trackers = {each: OffsetTracker(commit.offset, said[each]) for each, commit in commits.items()}
        found = [(commit, said[each]) for each, commit in commits.items()]
        found += [(commit, decode(commit.metadata or "", commit.offset)) for commit in elsewhere]
        self.accounts = [data.quota if data else b"" for commit, data in found if commit.metadata is not None]
        # Nothing counts as committed yet, the start positions neither: where there was no commit, the start that was
        # chosen is committed at once, so that it holds for what arrives while we are away.
        self._committed: dict[Partition, tuple[int, CommitData]] = {}
        self._saying: dict[Partition, tuple[int, CommitData]] = {}
        self._ends: dict[Partition, int] = {}

    def end(self) -> None:
        """Ends the epoch: late completions count for nothing from now on."""
        for tracker in self.trackers.values():
            tracker.end()

    def move(self, partition: Partition, position: int) -> None:
        """Begins one partition anew at `position`: what was read of it before is delivered, and counts for nothing."""
        self.trackers[partition].overtake()
        self.trackers[partition] = OffsetTracker(position)

    def narrower_than(self, span: int) -> list[Partition]:
        """The partitions whose span of uncommitted offsets is below `span`."""
        return [partition for partition, tracker in self.trackers.items() if tracker.span < span]

    def look(self, ahead: int, waiting: Mapping[Partition, Collection[int]]) -> None:
        """Notes what a commit would say now.

        `waiting` are the offsets of events that may not leave before; `ahead` more offsets may leave afterwards.
        """
        self._note({each: it.beyond(ahead, waiting.get(each, ())) for each, it in self.trackers.items()})

    def look_at_the_end(self) -> None:
        """Notes what the last commit of the epoch says."""
        self._note({each: tracker.at_the_end() for each, tracker in self.trackers.items()})

    def _note(self, said: Mapping[Partition, CommitData]) -> None:
        self._saying = {each: (self.trackers[each].watermark, data) for each, data in said.items()}

    @property
    def has_changed(self) -> bool:
        """Whether what was noted last differs from what was committed."""
        return self._saying != self._committed

    def to_commit(self, account: bytes) -> dict[Partition, Commit]:
        """What was noted last, for all partitions: `account`, of the quota, is one for all of them."""
        return {
            each: Commit(watermark, encode(replace(data, quota=account), watermark))
            for each, (watermark, data) in self._saying.items()
        }

    def committed(self) -> None:
        """Notes that Kafka has acknowledged what was to be committed last."""
        self._committed = self._saying
        for each, (_, data) in self._saying.items():
            self.trackers[each].promised = data.started_below

    def ends_at(self, ends: Mapping[Partition, int]) -> None:
        """Notes the offsets after the last records, which were asked for in this epoch: for the lag, and for what a
        predecessor cannot have sent.
        """
        self._ends = dict(ends)
        for each, end in ends.items():
            self.trackers[each].ends_at(end)

    @property
    def in_doubt(self) -> int:
        """Offsets that a predecessor may have sent, and that were not read yet."""
        return sum(len(tracker.unread_in_doubt) for tracker in self.trackers.values())

    @property
    def buffered(self) -> int:
        """Records read and not settled."""
        return sum(tracker.unsettled for tracker in self.trackers.values())

    @property
    def buffered_bytes(self) -> int:
        """The size of these records."""
        return sum(tracker.unsettled_bytes for tracker in self.trackers.values())

    @property
    def lag(self) -> int:
        """Offsets from the watermarks to the ends, as far as the ends are known."""
        return sum(max(0, end - self.trackers[each].watermark) for each, end in self._ends.items())

    @property
    def blocking(self) -> tuple[str, int] | None:
        """What holds back the widest span of uncommitted offsets, as `topic/partition/offset`, and its width."""
        spans = [(tracker.span, f"{each}/{tracker.watermark}") for each, tracker in self.trackers.items()]
        span, origin = max(spans, default=(0, ""))
        return (origin, span) if span else None

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """Kafka's time of the oldest record that is read and not settled, by each partition's first."""
        times = [tracker.oldest_timestamp_ms for tracker in self.trackers.values()]
        return min((time for time in times if time is not None), default=None)
