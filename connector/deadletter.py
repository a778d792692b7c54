"""Dead letters: what could not be delivered, as it came, with its story in headers `seen-dead-letter-*`.

Header values are UTF-8 text: numbers are decimal, times RFC 3339 in UTC, except `origin-timestamp`, which is Kafka's own
number of milliseconds, so that it can be compared exactly. A header whose value is not known is not written.
docs/events.md lists them all.

A record that was replayed carries the headers of its earlier death: they are replaced, not doubled. How often it was
replayed is what its header `seen-replay-count` says, 0 where there is none; whoever replays a record sets that header.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.text import cut, rfc3339
from connector.types import Message

if TYPE_CHECKING:
    from connector.types import Headers, Outcome, Reason, Record

PREFIX = "seen-dead-letter-"
REPLAY_COUNT = "seen-replay-count"
MAX_TEXT_BYTES = 2_048
"""The longest `detail` and `response`; what is longer is cut at a character's boundary."""
MIN_MESSAGE_BYTES = 65_536
"""What a topic must take at least, so that every outcome and every dead letter without its value fits."""
MAX_CARRIED_BYTES = 16_384
"""The largest key, and the largest headers altogether, that a dead letter without its value still carries."""

_MAX_COUNT_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCallback:
    """An authenticated call that cannot become an event: its body as it came; `received_at` is Unix seconds. Its dead letter
    has `headers` beside its story.
    """

    body: bytes
    reason: Reason
    detail: str
    content_type: str
    received_at: float
    headers: Headers = ()


def dead_letter(record: Record, outcome: Outcome, *, workspace: str, version: str) -> Message:
    """The record as it was, key, value and headers unchanged, plus its story.

    A tombstone keeps its null value. Kafka clients do not write a record that has neither key nor value: such a one gets
    an empty value and the header `seen-dead-letter-value: null`; one that could not be read `unreadable`, its content
    is where the coordinates say.
    """
    story = _record_story(record, outcome, workspace, version)
    value = record.value
    if record.key is None and value is None:
        value = b""
        story["value"] = "unreadable" if record.unreadable else "null"
    return Message(key=record.key, value=value, headers=(*_foreign(record.headers), *_headers(story)))


def without_value(record: Record, outcome: Outcome, *, workspace: str, version: str) -> Message:
    """The dead letter of a record that does not fit its topic: size and SHA-256 stand in for the value.

    A key or headers beyond `MAX_CARRIED_BYTES` are left out likewise, so that the result fits every topic that takes
    `MIN_MESSAGE_BYTES`. The record's coordinates lead to the original for as long as the source topic keeps it.
    """
    story = _record_story(record, outcome, workspace, version)
    story |= _omitted("value", record.value)
    key = record.key
    if key is not None and len(key) > MAX_CARRIED_BYTES:
        story |= _omitted("key", key)
        key = None
    headers = _foreign(record.headers)
    if Message(key=None, value=None, headers=headers).size > MAX_CARRIED_BYTES:
        headers = ()
        story["headers"] = "omitted"
    return Message(key=key, value=b"", headers=(*headers, *_headers(story)))


def callback_dead_letter(callback: RefusedCallback, *, workspace: str, version: str) -> Message:
    """The body of a callback as it came, plus its story. There is no key, and none of the request's headers."""
    story = _callback_story(callback, workspace, version)
    return Message(key=None, value=callback.body, headers=(*callback.headers, *_headers(story)))


def callback_without_body(callback: RefusedCallback, *, workspace: str, version: str) -> Message:
    """The dead letter of a callback that does not fit its topic: size and SHA-256 stand in for the body."""
    story = _callback_story(callback, workspace, version) | _omitted("value", callback.body)
    return Message(key=None, value=b"", headers=(*callback.headers, *_headers(story)))


def _record_story(record: Record, outcome: Outcome, workspace: str, version: str) -> dict[str, str]:
    return {
        "reason": outcome.reason,
        "detail": cut(outcome.detail, MAX_TEXT_BYTES),
        "status": "" if outcome.status is None else str(outcome.status),
        "response": cut(outcome.response, MAX_TEXT_BYTES),
        "attempts": str(outcome.attempts),
        "first-attempt": _when(outcome.first_attempt_at),
        "last-attempt": _when(outcome.last_attempt_at),
        "origin-topic": record.topic,
        "origin-partition": str(record.partition),
        "origin-offset": str(record.offset),
        "origin-timestamp": str(record.timestamp_ms),
        "workspace": workspace,
        "connector-version": version,
        "replay-count": str(_replay_count(record.headers)),
    }


def _callback_story(callback: RefusedCallback, workspace: str, version: str) -> dict[str, str]:
    return {
        "reason": callback.reason,
        "detail": cut(callback.detail, MAX_TEXT_BYTES),
        "content-type": cut(callback.content_type, MAX_TEXT_BYTES),
        "received-at": _when(callback.received_at),
        "workspace": workspace,
        "connector-version": version,
    }


def _omitted(what: str, content: bytes | None) -> dict[str, str]:
    if content is None:
        return {what: "null"}
    return {
        what: "omitted",
        f"{what}-size": str(len(content)),
        f"{what}-sha256": hashlib.sha256(content).hexdigest(),
    }


def _headers(story: dict[str, str]) -> Headers:
    return tuple((PREFIX + name, value.encode()) for name, value in story.items() if value)


def _foreign(headers: Headers) -> Headers:
    return tuple((name, value) for name, value in headers if not name.startswith(PREFIX))


def _replay_count(headers: Headers) -> int:
    """The last `seen-replay-count`; what is no decimal number of a sane length counts as 0."""
    counts = [value for name, value in headers if name == REPLAY_COUNT]
    count = (counts[-1] if counts else None) or b""
    return int(count) if count.isdigit() and len(count) <= _MAX_COUNT_DIGITS else 0


def _when(seconds: float | None) -> str:
    return "" if seconds is None else rfc3339(seconds)
