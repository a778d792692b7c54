"""What travels in a commit's metadata, so that whoever reads on from the commit repeats as little as can be.

Rules:
 1. Everything is said of offsets from the watermark on: what is below it is settled.
 2. `settled` has outcomes that are durable: those offsets are not sent again.
 3. `in_doubt` was sent and not answered: it is looked up before it is sent again.
 4. No event at `started_below` or beyond may leave before a later commit is acknowledged; so after an unclean end, what
    is below it and not settled may have been sent. Whoever ends cleanly commits with `started_below` at the watermark.
 5. `quota` is what the quota's next owner must know; here it is opaque.
 6. The text is versioned and carries a checksum: what is foreign, damaged or absent says nothing, and is no error.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

MAX_CHARACTERS = 4096
"""What Kafka takes by default (offset.metadata.max.bytes)."""

_PREFIX = "seen2:"
"""The version: another layout has another prefix, or what was written by the one before would be misread."""
_NUMBER_BYTES = 4
_LONGEST_OFFSET = 2 ** (8 * _NUMBER_BYTES) - 1
_LONGEST_PAYLOAD = 1 << 20


@dataclass(frozen=True, slots=True)
class CommitData:
    """What is known beyond a watermark. All offsets are absolute and not below the watermark."""

    settled: frozenset[int]
    in_doubt: frozenset[int]
    started_below: int
    quota: bytes = b""


def encode(data: CommitData, watermark: int, limit: int = MAX_CHARACTERS) -> str:
    """`data` as ASCII of at most `limit` characters; without `settled`, then without `in_doubt`, where it would be longer.

    What is left out costs repeats or look-ups and loses nothing, for `started_below` stays, or covers the doubts that were
    left out; the empty text if not even that fits, which counts as unknown.
    """
    nothing: frozenset[int] = frozenset()
    covering = max(data.started_below, max(data.in_doubt, default=-1) + 1)
    for settled, in_doubt, started_below in (
        (data.settled, data.in_doubt, data.started_below),
        (nothing, data.in_doubt, data.started_below),
        (nothing, nothing, covering),
    ):
        span = min(max(0, started_below - watermark), _LONGEST_OFFSET)
        payload = b"".join(
            (
                span.to_bytes(_NUMBER_BYTES),
                _sized(data.quota),
                _sized(_bitmap(settled, watermark)),
                _bitmap(in_doubt, watermark),
            )
        )
        text = _PREFIX + base64.urlsafe_b64encode(zlib.compress(payload)).decode()
        if len(text) <= limit:
            return text
    return ""


def decode(text: str, watermark: int) -> CommitData | None:
    """What `text` says of the offsets from `watermark` on; None if it is not ours or damaged."""
    if not text.startswith(_PREFIX):
        return None
    inflate = zlib.decompressobj()
    try:
        payload = inflate.decompress(
            base64.b64decode(text[len(_PREFIX) :], b"-_", validate=True), _LONGEST_PAYLOAD
        )
    except (binascii.Error, ValueError, zlib.error):
        return None
    if not inflate.eof:
        return None
    span, rest = payload[:_NUMBER_BYTES], payload[_NUMBER_BYTES:]
    quota, rest = _cut(rest)
    settled, in_doubt = _cut(rest)
    started_below = watermark + int.from_bytes(span)
    return CommitData(_offsets(settled, watermark), _offsets(in_doubt, watermark), started_below, quota)


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(_NUMBER_BYTES) + part


def _cut(payload: bytes) -> tuple[bytes, bytes]:
    """The first sized part, and the rest."""
    end = _NUMBER_BYTES + int.from_bytes(payload[:_NUMBER_BYTES])
    return payload[_NUMBER_BYTES:end], payload[end:]


def _bitmap(offsets: frozenset[int], watermark: int) -> bytes:
    bits = bytearray((max(offsets, default=watermark - 1) - watermark) // 8 + 1)
    for offset in offsets:
        place = offset - watermark
        bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


def _offsets(bitmap: bytes, watermark: int) -> frozenset[int]:
    return frozenset(
        watermark + 8 * place + bit
        for place, byte in enumerate(bitmap)
        for bit in range(8)
        if byte >> bit & 1
    )
