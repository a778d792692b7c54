"""What the connector publishes: CloudEvents 1.0 in Kafka's binary mode, their data JSON. docs/events.md shows each.

An event's id is a function of what happened, never of when it was published: whatever is published twice has the same
id both times. The key is the `id` as SEEN knows it, so that one id's events keep their order downstream.

The data holds the fields that came: what is not known is left out, never null.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Literal

import orjson

from connector.text import cut, moment, rfc3339, well_formed
from connector.types import Message, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.types import Headers, Outcome, Record, ViewerAct

VIDEO_READY = "seen.video.ready.v1"
VIDEO_OVERDUE = "seen.video.overdue.v1"
OUTCOME_TYPES = {
    OutcomeKind.ACCEPTED: "seen.data.accepted.v1",
    OutcomeKind.REJECTED: "seen.data.rejected.v1",
    OutcomeKind.EXPIRED: "seen.data.expired.v1",
}
"""The event type for each kind of outcome that is published; `skipped` is not."""

MAX_ID_BYTES = 1_024
"""A longer id is left out of an outcome, a longer record key is named by its SHA-256: an outcome fits any topic."""
MAX_DETAIL_BYTES = 2_048

_LAST_KAFKA_TIME_MS = 253_402_300_799_999  # the end of the year 9999, where RFC 3339 ends
# W3C Trace Context writes 55 characters, later versions may write more. What is no ASCII would break CloudEvents readers.
_TRACEPARENT = re.compile(rb"[!-~]{1,256}")
_VIDEO_NAMESPACE = uuid.UUID(
    "e60fa8ef-3a0c-4e42-b272-7e45b2dd94b0"
).bytes  # fixed for ever: event ids rest on it


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReady:
    """A video that can be watched. Links are absolute URLs, None where SEEN named none; `received_at` is Unix seconds.

    `raw` is the whole JSON object that told of it, in UTF-8, as it came: its numbers and its depth survive unchanged.
    """

    id: str
    found_by: Literal["callback", "reconciliation"]
    received_at: float
    raw: bytes
    player_url: str | None = None
    video_url: str | None = None
    landing_page_url: str | None = None
    thumbnail_url: str | None = None
    email_thumbnail_url: str | None = None
    campaign_slug: str | None = None


@dataclass(frozen=True, slots=True)
class VideoOverdue:
    """A video that did not come. Times are Unix seconds: SEEN took the event at `accepted_at`, and is no longer waited for
    since `given_up_at`: then it `was_asked` for the last time and had no video, or cannot be asked at all.
    """

    id: str
    accepted_at: float
    given_up_at: float
    was_asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerEvent:
    """What a viewer did, as SEEN told it at `received_at`, Unix seconds; `raw` is the whole body, `id` whose video it was."""

    act: ViewerAct
    id: str | None
    received_at: float
    raw: bytes


def outcome_message(
    workspace: str, record: Record, event_id: str | None, outcome: Outcome, *, now: float
) -> Message:
    """The event that tells how `record` ended; its CloudEvents id is the record's origin.

    `event_id` is the id as SEEN knows it, None where it is unknown; one that is empty or longer than `MAX_ID_BYTES`
    counts as unknown. Then there is no subject, and the key is the record's. `now` (Unix seconds) is the event's time
    where no attempt was made. The result is bounded, whatever the record holds. Raises ValueError for `skipped`.
    """
    if outcome.kind not in OUTCOME_TYPES:
        raise ValueError(f"an outcome of kind {outcome.kind} is not published")
    known_id = _known_id(event_id)
    happened_at = now if outcome.last_attempt_at is None else outcome.last_attempt_at
    attributes = _attributes(OUTCOME_TYPES[outcome.kind], workspace, record.origin, known_id, happened_at)
    data = {
        "id": known_id,
        "origin": _origin(record),
        "attempts": outcome.attempts,
        "status": outcome.status,
        "reason": outcome.reason,
        "detail": cut(outcome.detail, MAX_DETAIL_BYTES) or None,
        "first_attempt_at": _when(outcome.first_attempt_at),
        "last_attempt_at": _when(outcome.last_attempt_at),
    }
    key = _bounded_key(record.key) if known_id is None else known_id.encode()
    return _message(attributes, data, key, _trace(record.headers))


def video_ready_message(workspace: str, video: VideoReady) -> Message:
    """The event that tells that `video` can be watched, however we heard of it. Its key is the video's id."""
    attributes = _attributes(
        VIDEO_READY, workspace, video_event_id(workspace, video), well_formed(video.id), video.received_at
    )
    data = {
        "id": video.id,
        "player_url": video.player_url,
        "video_url": video.video_url,
        "landing_page_url": video.landing_page_url,
        "thumbnail_url": video.thumbnail_url,
        "email_thumbnail_url": video.email_thumbnail_url,
        "campaign_slug": video.campaign_slug,
        "found_by": video.found_by,
        "received_at": _when(video.received_at),
        "raw": orjson.Fragment(video.raw),
    }
    return _message(attributes, data, well_formed(video.id).encode())


def video_overdue_message(workspace: str, video: VideoOverdue) -> Message:
    """The event that tells that `video` is no longer asked for. Its key is the video's id, its time the last look-up
    if there was one.

    Its CloudEvents id is a UUIDv5 of workspace, id and `accepted_at`.
    """
    accepted_at = rfc3339(video.accepted_at)
    # Three parts, where a video that is ready has four: the ids of the two never meet.
    event_id = _uuid5(workspace, video.id, accepted_at)
    video_id = well_formed(video.id)
    attributes = _attributes(VIDEO_OVERDUE, workspace, event_id, video_id, video.given_up_at)
    data = {
        "id": video_id,
        "accepted_at": accepted_at,
        "last_checked_at": rfc3339(video.given_up_at) if video.was_asked else None,
    }
    return _message(attributes, data, video_id.encode())


def viewer_message(workspace: str, event: ViewerEvent) -> Message:
    """The event that tells what a viewer did; its data is the body as it came. Without an id, as in `outcome_message`,
    there is no subject and no key.

    Its CloudEvents id is a UUIDv5 of workspace and body: nothing else is known to tell two such events apart.
    """
    known_id = _known_id(event.id)
    # Two parts, where those of videos have three or four: their ids never meet.
    event_id = _uuid5(workspace, hashlib.sha256(event.raw).hexdigest())
    event_type = f"seen.viewer.{event.act}.v1"
    attributes = _attributes(event_type, workspace, event_id, known_id, event.received_at)
    return Message(key=None if known_id is None else known_id.encode(), value=event.raw, headers=attributes)


def event_attributes(headers: Headers, workspace: str) -> dict[str, bytes]:
    """The CloudEvents attributes of an event that `workspace` published, by the names of their headers; none of an event of
    another one in the same topic, and of what no connector has written.
    """
    found = {name: value for name, value in headers if name.startswith("ce_") and value is not None}
    return found if found.get("ce_source") == _source(workspace) else {}


def video_event_id(workspace: str, video: VideoReady) -> str:
    """A UUIDv5 of workspace, campaign, id and the video's link: player_url, else landing_page_url, else none.

    A callback that comes twice, and a look-up that finds the same video, give the same id.
    """
    link = video.player_url or video.landing_page_url
    return _uuid5(workspace, video.campaign_slug, video.id, link)


def _uuid5(*parts: str | None) -> str:
    """`uuid.uuid5` of the parts as `json.dumps` writes them: JSON is unambiguous, so no choice of names lets two lists meet.

    Each callback needs it, and this takes a third of the time of those two.
    """
    texts = ["null" if part is None else encode_basestring_ascii(part) for part in parts]
    digest = hashlib.sha1(b"%b[%b]" % (_VIDEO_NAMESPACE, ", ".join(texts).encode()), usedforsecurity=False)
    octets = bytearray(digest.digest()[:16])
    octets[6] = octets[6] & 0x0F | 0x50  # the version
    octets[8] = octets[8] & 0x3F | 0x80  # the variant
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _source(workspace: str) -> bytes:
    return f"/workspaces/{workspace}".encode()


def _attributes(
    event_type: str, workspace: str, event_id: str, subject: str | None, happened_at: float
) -> Headers:
    """An event's attributes as headers (CloudEvents, Kafka protocol binding, 3.2)."""
    required: Headers = (
        ("ce_specversion", b"1.0"),
        ("ce_type", event_type.encode()),
        ("ce_source", _source(workspace)),
        ("ce_id", event_id.encode()),
        ("ce_time", moment(happened_at).isoformat().replace("+00:00", "Z").encode()),
        ("content-type", b"application/json"),
    )
    return required if subject is None else (*required, ("ce_subject", subject.encode()))


def _message(
    attributes: Headers, data: Mapping[str, object], key: bytes | None, more: Headers = ()
) -> Message:
    came = {
        name: well_formed(value) if isinstance(value, str) else value
        for name, value in data.items()
        if value is not None
    }
    return Message(key=key, value=orjson.dumps(came), headers=attributes + more)


def _known_id(event_id: str | None) -> str | None:
    if not event_id:
        return None
    clean = well_formed(event_id)
    return clean if len(clean.encode()) <= MAX_ID_BYTES else None


def _origin(record: Record) -> dict[str, object]:
    origin: dict[str, object] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }
    if 0 <= record.timestamp_ms <= _LAST_KAFKA_TIME_MS:  # Kafka writes -1 where there is none
        origin["timestamp"] = rfc3339(record.timestamp_ms / 1000)
    if record.key is None:
        return origin
    if len(record.key) > MAX_ID_BYTES:
        return {**origin, "key_sha256": hashlib.sha256(record.key).hexdigest()}
    try:
        return {**origin, "key": record.key.decode()}
    except UnicodeDecodeError:
        return {**origin, "key_base64": base64.b64encode(record.key).decode()}


def _bounded_key(key: bytes | None) -> bytes | None:
    if key is None or len(key) <= MAX_ID_BYTES:
        return key
    return hashlib.sha256(key).hexdigest().encode()


def _trace(headers: Headers) -> Headers:
    found = [value for name, value in headers if name == "traceparent" and value is not None]
    return tuple(("traceparent", value) for value in found[-1:] if _TRACEPARENT.fullmatch(value))


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
