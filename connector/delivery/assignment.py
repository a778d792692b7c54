"""The partitions that are ours, and how far each of them is: one `OffsetTracker` for each, in one epoch.

An assignment is made whole and ended whole, since Kafka's eager rebalances give and take all partitions at once.
"""

from __future__ import annotations

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

    def __init__(self, commits: Mapping[Partition, Commit]) -> None:
        """`commits` are what will be read first, and what was said beyond it; empty while nothing is ours."""
        self.trackers = {
            partition: OffsetTracker(commit.offset, decode(commit.metadata, commit.offset))
            for partition, commit in commits.items()
        }
        # Nothing counts as committed yet, the start positions neither: where there was no commit, the start that was
        # chosen is committed at once, so that it holds for what arrives while we are away.
        self._committed: dict[Partition, Commit] = {}
        self._promising: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}

    def end(self) -> None:
        """Ends the epoch: late completions count for nothing from now on."""
        for tracker in self.trackers.values():
            tracker.end()

    def move(self, partition: Partition, position: int) -> None:
        """Begins one partition anew at `position`: what was under way in it is of an epoch that is over."""
        self.trackers[partition].end()
        self.trackers[partition] = OffsetTracker(position)

    def narrower_than(self, span: int) -> list[Partition]:
        """The partitions whose span of uncommitted offsets is below `span`."""
        return [partition for partition, tracker in self.trackers.items() if tracker.span < span]

    def to_commit(self, ahead: int, waiting: Mapping[Partition, Collection[int]]) -> dict[Partition, Commit]:
        """What differs from what was committed: watermarks, and what is said beyond them.

        `waiting` are the offsets of events that may not leave before; `ahead` more offsets may leave afterwards.
        """
        return self._changed(
            {each: tracker.beyond(ahead, waiting.get(each, ())) for each, tracker in self.trackers.items()}
        )

    def to_commit_at_the_end(self) -> dict[Partition, Commit]:
        """The same, for the last commit of the epoch."""
        return self._changed({each: tracker.at_the_end() for each, tracker in self.trackers.items()})

    def _changed(self, said: Mapping[Partition, CommitData]) -> dict[Partition, Commit]:
        self._promising = {each: data.started_below for each, data in said.items()}
        commits = {}
        for each, data in said.items():
            watermark = self.trackers[each].watermark
            commit = Commit(watermark, encode(data, watermark))
            if self._committed.get(each) != commit:
                commits[each] = commit
        return commits

    def committed(self, commits: Mapping[Partition, Commit]) -> None:
        """Notes what Kafka has acknowledged, of what was to be committed last."""
        self._committed.update(commits)
        for each in commits:
            self.trackers[each].promised = self._promising[each]

    def ends_at(self, ends: Mapping[Partition, int]) -> None:
        """Notes the offsets after the last records, for the lag."""
        self._ends = dict(ends)

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
