"""Which offset of a partition may be committed.

Rules:
 1. A tracker belongs to one epoch: one assignment of one partition. When that ends, the tracker is thrown away with it.
 2. Offsets start in rising order; they may have gaps (compaction, transaction markers).
 3. The watermark is the lowest offset that is started and not settled, else the last started plus one.
 4. Everything below the watermark is settled, so the watermark never falls.
 5. What a predecessor has settled beyond its watermark is passed over; what it may have sent is in doubt.
 6. An event may leave only below what was promised in an acknowledged commit, so a successor knows what may have left.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from connector.delivery.commitdata import CommitData

if TYPE_CHECKING:
    from collections.abc import Iterable


class OffsetTracker:
    """The started and settled offsets of one epoch of one partition.

    Every operation takes constant time, but for `beyond` and `at_the_end`, which walk over the span, once a commit.
    """

    __slots__ = (
        "_ended",
        "_highest_sent",
        "_known",
        "_next",
        "_sent",
        "_unsettled",
        "promised",
        "unsettled_bytes",
    )

    def __init__(self, position: int, known: CommitData | None = None) -> None:
        """`position` is the offset that will be read first; `known` is what the commit said of those beyond it."""
        self._next = position
        self._known = known or CommitData(frozenset(), frozenset(), position)
        self._sent: set[int] = set()
        self._highest_sent = position - 1
        self.promised = position
        # An OrderedDict finds its first key in constant time, where a dict walks over all that were removed before it.
        self._unsettled: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self.unsettled_bytes = 0
        self._ended = False

    def start(self, offset: int, timestamp_ms: int, size: int = 0) -> None:
        """Notes that `offset`, of Kafka's time `timestamp_ms` and of `size` bytes, was read.

        Raises ValueError if it is not above all offsets read before.
        """
        if offset < self._next:
            raise ValueError(f"offset {offset} was read after {self._next - 1}")
        self._unsettled[offset] = (timestamp_ms, size)
        self.unsettled_bytes += size
        self._next = offset + 1

    def settle(self, offset: int) -> None:
        """Notes that the outcome of `offset` is durable. Nothing once the epoch has ended; else KeyError if not started."""
        if not self._ended:
            self._sent.discard(offset)
            _, size = self._unsettled.pop(offset)
            self.unsettled_bytes -= size

    def pass_over(self, offset: int) -> bool:
        """Whether a predecessor has settled `offset`; then it counts as read and settled here too."""
        if offset not in self._known.settled:
            return False
        self._next = offset + 1
        return True

    def is_in_doubt(self, offset: int) -> bool:
        """Whether a predecessor may have sent `offset`, and did not settle it."""
        return offset < self._known.started_below or offset in self._known.in_doubt

    def ends_at(self, end: int) -> None:
        """The partition ended at `end` when this epoch had begun already: beyond it a predecessor cannot have read."""
        known = self._known
        if end < known.started_below or any(offset >= end for offset in known.in_doubt):
            in_doubt = frozenset(offset for offset in known.in_doubt if offset < end)
            self._known = replace(known, in_doubt=in_doubt, started_below=min(end, known.started_below))

    def sent(self, offset: int) -> None:
        """A request for `offset` leaves: until `answered`, SEEN may have it."""
        self._sent.add(offset)
        self._highest_sent = max(self._highest_sent, offset)

    def answered(self, offset: int) -> None:
        """SEEN does not have `offset`, for certain."""
        self._sent.discard(offset)

    def beyond(self, ahead: int, waiting: Iterable[int]) -> CommitData:
        """What a commit now says beyond the watermark. Events up to the last of `waiting`, and `ahead` offsets more, may
        leave once it is acknowledged.
        """
        watermark = self.watermark
        reached = max(watermark, self._highest_sent + 1, *(offset + 1 for offset in waiting))
        started_below = max(reached + ahead, self.promised, self._known.started_below)
        return CommitData(self._settled_from(watermark), self._unanswered(), started_below)

    def at_the_end(self) -> CommitData:
        """What the last commit of an epoch says: nothing leaves any more."""
        watermark = self.watermark
        return CommitData(self._settled_from(watermark), self._unanswered(), watermark)

    def _settled_from(self, watermark: int) -> frozenset[int]:
        here = (offset for offset in range(watermark, self._next) if offset not in self._unsettled)
        return frozenset(here) | {offset for offset in self._known.settled if offset >= self._next}

    @property
    def unread_in_doubt(self) -> set[int]:
        """The offsets that a predecessor may have sent and that were not read yet."""
        known = self._known
        named = {offset for offset in known.in_doubt if offset >= self._next}
        return named | (set(range(self._next, known.started_below)) - known.settled)

    def _unanswered(self) -> frozenset[int]:
        """What may be with SEEN: sent by us, or by a predecessor and not read or not looked up yet."""
        return frozenset(self._sent | self.unread_in_doubt)

    def end(self) -> None:
        """Ends the epoch: from now on the watermark stands still, and late completions count for nothing."""
        self._ended = True

    def overtake(self) -> None:
        """Ends the epoch in the middle of an assignment: the partition goes on elsewhere, beyond what was read.

        No successor will read these offsets, so there is nothing to promise: they may leave.
        """
        self.end()
        self.promised = self._next

    @property
    def ended(self) -> bool:
        """Whether the epoch has ended."""
        return self._ended

    @property
    def watermark(self) -> int:
        """The offset that may be committed: the next one to read, were we to start again."""
        return next(iter(self._unsettled), self._next)

    @property
    def unsettled(self) -> int:
        """How many offsets are started and not settled."""
        return len(self._unsettled)

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """Kafka's time of the record at the watermark; None if everything is settled."""
        timestamp_ms, _ = next(iter(self._unsettled.values()), (None, 0))
        return timestamp_ms

    @property
    def span(self) -> int:
        """How many offsets lie between the watermark and the next one to read, gaps included."""
        return self._next - self.watermark
