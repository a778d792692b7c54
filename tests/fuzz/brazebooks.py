"""What calls of Braze's were answered, and what is in Kafka of them: one has to say the same as the other. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from connector.deadletter import PREFIX
from connector.inbound.brazebody import CALL_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.types import Record
    from tests.fuzz.calls import Call

_OF_BODIES = frozenset({"ErrRequestBody", "ErrInvalidRequest"})
_Held = Counter[tuple[str, str]]
"""Roles of topics, each with the SHA-256 of what is there."""


class _Call(NamedTuple):
    whole: str
    items: tuple[str, ...]
    excerpt: bytes


class BrazeBooks:
    """Each method says what is wrong, None or nothing where all is well."""

    def __init__(self) -> None:
        self._sent: dict[int, _Call] = {}
        self._said: dict[int, _Held] = {}
        self._found: dict[int, _Held] = defaultdict(Counter)
        self._places: set[bytes] = set()

    def send(self, call: Call) -> None:
        """Before it is sent."""
        self._sent[call.number] = _Call(_sha(call.content), tuple(map(_sha, call.items)), call.content[:200])

    def answered(self, call: Call, status: int, body: bytes) -> str | None:
        """What was said must be in Kafka, exactly; after 503 it may be there, in part."""
        if status == 503:
            return None
        sent = self._sent[call.number]
        taken = _taken(status, body, len(sent.items))
        if taken is None:
            self._said[call.number] = Counter()
            return None
        if call.proof == "wrong":
            return "a body was read that showed a wrong secret"
        if isinstance(taken, bool):
            self._said[call.number] = Counter([("dead_letters", sent.whole)])
            return "some of it is sound" if call.sound and any(call.sound) else None
        if len(taken) != len(sent.items):
            return f"an answer about {len(taken)} items to {len(sent.items)}"
        roles = ("braze" if each else "dead_letters" for each in taken)
        self._said[call.number] = Counter(zip(roles, sent.items, strict=True))
        return None if call.sound in (None, taken) else f"sound are {call.sound}"

    def record(self, number: int, role: str, record: Record) -> str | None:
        """One record of a call that may have one there."""
        value = record.value or b""
        headers = dict(record.headers)
        if PREFIX + "origin-topic" in headers:
            return "it was taken, and refused when it was to be sent"
        omitted = headers.get(PREFIX + "value-sha256")
        self._found[number][role, _sha(value) if omitted is None else omitted.decode()] += 1
        place = headers.get(CALL_HEADER)
        if place is None or place in self._places:
            return "its place in a call is missing, or another's"
        self._places.add(place)
        return _fault(record) if role == "braze" else None

    def close(self) -> Iterator[str]:
        """After the last record."""
        for number, said in self._said.items():
            found = self._found.get(number, Counter())
            if found != said:
                excerpt = self._sent[number].excerpt
                yield f"call {number}: lacks {_short(said - found)}, has {_short(found - said)}: {excerpt!r}"
        for number, found in self._found.items():
            known = self._sent.get(number)  # of raw bytes nothing more is known than whose they are
            if known and any(sha not in known.items and sha != known.whole for _, sha in found):
                yield f"call {number}: {_short(found)} is no part of {known.excerpt!r}"


def _fault(record: Record) -> str | None:
    """What is wrong with a record for SEEN."""
    try:
        said = json.loads(record.value or b"")
    except ValueError:
        return "it is no JSON"
    if not isinstance(said, dict):
        return "it is no object"
    id_ = said.get("id", said.get("customer_id"))
    key = None if id_ in (None, "") else str(id_).encode()
    return None if record.key == key else f"its key is {record.key!r}"


def _taken(status: int, body: bytes, items: int) -> tuple[bool, ...] | bool | None:
    """For each item whether it was taken; False for a body that was refused whole, None for one that was not read."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    if isinstance(said, list):
        return tuple(status == 201 or each == {} for each in said)
    if status == 201:
        return (True,) * items
    return False if said.get("code") in _OF_BODIES else None


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _short(held: _Held) -> dict[str, int]:
    return {f"{role} {sha[:8]}": count for (role, sha), count in held.items()}
