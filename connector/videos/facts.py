"""What a record of the outcomes or videos topic says: bytes → a fact that the ledger heeds. Pure.

What most records say is in their headers, so the data of those of the outcomes topic is not looked into.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from connector.published import OUTCOME_TYPES, VIDEO_OVERDUE, VIDEO_READY, event_attributes
from connector.types import OutcomeKind

if TYPE_CHECKING:
    from connector.types import Record


class _Types:
    ACCEPTED = OUTCOME_TYPES[OutcomeKind.ACCEPTED]
    READY = VIDEO_READY
    OVERDUE = VIDEO_OVERDUE


@dataclass(frozen=True, slots=True)
class WasAccepted:
    """SEEN took an event of this id. Times are Unix seconds, here and below."""

    id: str
    at: float


@dataclass(frozen=True, slots=True)
class WasReady:
    """A video of this id was heard of. `event_id` is the CloudEvents id; `reconciled`: SEEN was asked."""

    id: str
    at: float
    event_id: str
    reconciled: bool


@dataclass(frozen=True, slots=True)
class WasOverdue:
    """It was reported that no video of this id came: SEEN took it at `accepted_at`, and was given up at `at`."""

    id: str
    at: float
    accepted_at: float


Fact = WasAccepted | WasReady | WasOverdue


def fact_of(record: Record, workspace: str) -> Fact | None:
    """What `record` says of `workspace`; None if that is nothing: of another type, of another workspace in the same topic,
    without an id, or not written by a connector at all. Never raises.
    """
    headers = event_attributes(record.headers, workspace)
    try:
        video_id = headers["ce_subject"].decode()
        at = _seconds(headers["ce_time"].decode())
        match headers["ce_type"].decode():
            case _Types.ACCEPTED:
                return WasAccepted(video_id, at)
            case _Types.READY:
                reconciled = _data(record.value).get("found_by") == "reconciliation"
                return WasReady(video_id, at, headers["ce_id"].decode(), reconciled)
            case _Types.OVERDUE:
                return WasOverdue(video_id, at, _seconds(str(_data(record.value).get("accepted_at"))))
    except (KeyError, ValueError, OverflowError):
        return None
    return None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _data(value: bytes | None) -> dict[str, Any]:
    try:
        data = orjson.loads(value or b"")
    except (
        orjson.JSONDecodeError
    ):  # a callback may nest as deep as the parser goes, and is nested once more here
        return {}
    return data if isinstance(data, dict) else {}
