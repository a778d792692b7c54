"""Which offset of a partition may be committed.

Rules:
 1. A tracker belongs to one epoch: one assignment of one partition. When that ends, the tracker is thrown away with it.
 2. Offsets start in rising order; they may have gaps (compaction, transaction markers).
 3. The watermark is the lowest offset that is started and not settled, else the last started plus one.
 4. Everything below the watermark is settled, so the watermark never falls.
"""

from __future__ import annotations

from collections import OrderedDict


class OffsetTracker:
    """The started and settled offsets of one epoch of one partition. Every operation takes constant time."""

    __slots__ = ("_ended", "_next", "_unsettled", "unsettled_bytes")

    def __init__(self, position: int) -> None:
        """`position` is the offset that will be read first."""
        self._next = position
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
            _, size = self._unsettled.pop(offset)
            self.unsettled_bytes -= size

    def end(self) -> None:
        """Ends the epoch: from now on the watermark stands still, and late completions count for nothing."""
        self._ended = True

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
