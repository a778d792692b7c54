"""What travels in a commit's metadata, so that whoever reads on from the commit repeats as little as can be.

Rules:
 1. Everything is said of offsets from the watermark on: what is below it is settled.
 2. `settled` has outcomes that are durable: those offsets are not sent again.
 3. `in_doubt` was sent and not answered: it is looked up before it is sent again.
 4. No event at `started_below` or beyond may leave before a later commit is acknowledged; so after an unclean end, what
    is below it and not settled may have been sent. Whoever ends cleanly commits with `started_below` at the watermark.
 5. The text is versioned and carries a checksum: what is foreign, damaged or absent says nothing, and is no error.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

MAX_CHARACTERS = 4096
"""What Kafka takes by default (offset.metadata.max.bytes)."""

_PREFIX = "seen1:"
_NUMBER_BYTES = 4
_LONGEST_OFFSET = 2 ** (8 * _NUMBER_BYTES) - 1
_LONGEST_PAYLOAD = 1 << 20


@dataclass(frozen=True, slots=True)
class CommitData:
    """What is known beyond a watermark. All offsets are absolute and not below the watermark."""

    settled: frozenset[int]
    in_doubt: frozenset[int]
    started_below: int


def encode(data: CommitData, watermark: int, limit: int = MAX_CHARACTERS) -> str:
    """`data` as ASCII of at most `limit` characters; without `settled`, then without `in_doubt`, where it would be longer.

    What is left out costs repeats or look-ups and loses nothing, for `started_below` stays; the empty text if not even
    that fits, which counts as unknown.
    """
    nothing: frozenset[int] = frozenset()
    span = min(max(0, data.started_below - watermark), _LONGEST_OFFSET)
    for settled, in_doubt in ((data.settled, data.in_doubt), (nothing, data.in_doubt), (nothing, nothing)):
        bitmap = _bitmap(settled, watermark)
        payload = (
            span.to_bytes(_NUMBER_BYTES)
            + len(bitmap).to_bytes(_NUMBER_BYTES)
            + bitmap
            + _bitmap(in_doubt, watermark)
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
    if not inflate.eof or len(payload) < 2 * _NUMBER_BYTES:
        return None
    span = int.from_bytes(payload[:_NUMBER_BYTES])
    length = int.from_bytes(payload[_NUMBER_BYTES : 2 * _NUMBER_BYTES])
    settled, in_doubt = payload[2 * _NUMBER_BYTES :][:length], payload[2 * _NUMBER_BYTES + length :]
    return CommitData(_offsets(settled, watermark), _offsets(in_doubt, watermark), watermark + span)


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
