"""The values that pass between the layers. All frozen: nothing that is handed over can change under the receiver.

Words are those of the glossary in docs/design.md: a *record* is bytes in Kafka, an *event* is a parsed record,
a *verdict* is what a response means, an *outcome* is how a delivery ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Headers = tuple[tuple[str, bytes | None], ...]
"""Kafka headers, in order; names may repeat, and a value may be null."""


class Reason(StrEnum):
    """Why something ended as it did. A closed set: it is also the metric label and the dead letter's header."""

    # accepted
    CREATED = "created"
    FOUND = "found"
    ALREADY_EXISTS = "already_exists"
    QUEUED = "queued"
    # rejected before a request was spent
    TOMBSTONE = "tombstone"
    EMPTY_RECORD = "empty_record"
    UNREADABLE = "unreadable"
    RECORD_TOO_LARGE = "record_too_large"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    NOT_AN_OBJECT = "not_an_object"
    MAPPING_FAILED = "mapping_failed"
    ID_MISSING = "id_missing"
    ID_NOT_A_STRING = "id_not_a_string"
    ID_TOO_LONG = "id_too_long"
    BAD_PROPERTY_NAME = "bad_property_name"
    BAD_IMAGE = "bad_image"
    BAD_FIELD = "bad_field"
    NO_FIRST_NAME = "no_first_name"
    NO_ADDRESS = "no_address"
    BAD_PHONE = "bad_phone"
    BAD_EMAIL = "bad_email"
    REQUEST_TOO_LARGE = "request_too_large"
    NO_ATTRIBUTES = "no_attributes"
    # rejected by SEEN, or by Braze
    BAD_REQUEST = "bad_request"
    INVALID_REQUEST = "invalid_request"
    REFUSED_BY_SEEN = "refused_by_seen"
    REFUSED_BY_BRAZE = "refused_by_braze"
    REFUSED_ALONE = "refused_alone"
    # to be retried
    OVER_QUOTA = "over_quota"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    CANNOT_CONNECT = "cannot_connect"
    NOT_READY = "not_ready"
    LEASE_LOST = "lease_lost"
    OTHERS_REFUSED = "others_refused"
    BATCH_REFUSED = "batch_refused"
    # suspends the workspace
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNKNOWN_WORKSPACE = "unknown_workspace"
    REDIRECTED = "redirected"
    OUTAGE = "outage"
    # in doubt
    TIMED_OUT = "timed_out"
    CONNECTION_LOST = "connection_lost"
    UNEXPECTED_ANSWER = "unexpected_answer"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    # expired
    GAVE_UP = "gave_up"
    TOO_OLD = "too_old"
    # skipped
    FILTERED = "filtered"
    OTHER_EVENT = "other_event"
    SUPERSEDED = "superseded"
    # callbacks
    CALLBACK_NOT_JSON = "callback_not_json"
    CALLBACK_NOT_AN_OBJECT = "callback_not_an_object"
    CALLBACK_WITHOUT_ID = "callback_without_id"
    CALLBACK_MAPPING_FAILED = "callback_mapping_failed"
    CALLBACK_TOO_LARGE = "callback_too_large"


class ViewerAct(StrEnum):
    """What a viewer did, by SEEN's names of its external events; `UNKNOWN` stands for any other name, and for none."""

    VIDEO_PLAYED = "video-played"
    VIDEO_WATCHED = "video-watched"
    PLAYER_OPENED = "player-opened"
    SHARE_CLICKED = "share-clicked"
    CTA_CLICKED = "cta-clicked"
    UNKNOWN = "unknown"


class ImageResult(StrEnum):
    """What looking at an image found. A closed set: it is also the metric label."""

    GOOD = "good"
    # it cannot be used
    NOT_ALLOWED = "not_allowed"
    REDIRECTED = "redirected"
    NEEDS_AUTHENTICATION = "needs_authentication"
    MISSING = "missing"
    REFUSED = "refused"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    COMPRESSED = "compressed"
    UNTRUSTED = "untrusted"
    UNREADABLE = "unreadable"
    # nothing was found out, for as long as it was tried
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    UNAVAILABLE = "unavailable"


class Priority(StrEnum):
    """What a request is for, the more urgent first: which of those that wait for the quota gets the next slot."""

    DELIVERY = "delivery"
    REPLAY = "replay"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Remaining:
    """What an API says is left of its quota: `requests` of `limit`, until it begins anew in `reset_seconds`; None where it
    does not say.
    """

    requests: int
    reset_seconds: float | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read: `key` and `value` are its bytes, untouched; `timestamp_ms` is Kafka's, in milliseconds.

    `unreadable` says why nothing of its content could be had, where that is so: then only its coordinates are true.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable: str = ""

    @property
    def origin(self) -> str:
        """The record's coordinates, `topic/partition/offset`: unique for ever, so a key to recognise repeats by."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def size(self) -> int:
        """The bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class Commit:
    """The offset that is read next after a restart, and the text that travels with it; None if it is no commit yet, but
    where reading begins.
    """

    offset: int
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published: the bytes of a Kafka record that has no coordinates yet."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """An upper bound of the bytes that it takes in a topic, framing included."""
        framing = 128 + sum([len(name) * 4 + len(value or b"") + 10 for name, value in self.headers])
        return framing + len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class ImageLinks:
    """The images that an event names, each by its property and its link, which nobody has looked at yet.

    `drop`: one that cannot be used is left out, and the event is sent without it; otherwise the event is rejected.
    """

    links: tuple[tuple[str, str], ...]
    drop: bool


@dataclass(frozen=True, slots=True)
class DroppedImage:
    """An image that an event goes without for the form of its link: its property, its host if it has one, and what is wrong."""

    name: str
    host: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Event:
    """A parsed and mapped record, ready to be sent once its `images` were looked at; None if there is nothing to look at.

    `id` is the id as SEEN knows it, `order_key` names its lane, `body` is the JSON object that SEEN gets, in bytes, without
    the `dropped` images.
    """

    record: Record
    id: str
    order_key: bytes
    body: bytes
    images: ImageLinks | None = None
    dropped: tuple[DroppedImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A record that cannot become an event: it is dead-lettered without spending a request."""

    reason: Reason
    detail: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that the configuration says to leave out: counted, settled, nothing more."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What every verdict carries: `detail` is for people; `response` is the start of SEEN's answer, redacted."""

    reason: Reason
    detail: str = ""
    status: int | None = None
    response: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(_Finding):
    """SEEN has the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(_Finding):
    """SEEN will never take the event: dead letter, no retry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(_Finding):
    """Another try may help. `hold_seconds` holds the whole workspace that long: a 429, or a Retry-After.

    `outage` marks an answer that by itself says that SEEN is down (cannot connect, 502, 503, 504). `unsent`: nothing of
    the event left, so it cannot be the event's fault.
    """

    hold_seconds: float | None = None
    outage: bool = False
    unsent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend(_Finding):
    """The event is fine, the workspace is not: stop sending, keep everything, probe. `unsent` as in `Retry`."""

    unsent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt(_Finding):
    """Nobody knows whether SEEN has the event: ask before it is sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent(_Finding):
    """A look-up's answer: SEEN does not have this event with these values."""


Verdict = Accepted | Reject | Retry | Suspend | InDoubt
"""What the response to a delivery means."""

Sighting = Accepted | Absent | Retry | Suspend | InDoubt
"""What the response to a look-up means; InDoubt where the answer says neither."""


class OutcomeKind(StrEnum):
    """How a delivery ended. Every record ends in exactly one of these."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one record's delivery ended. Times are Unix seconds, None where no attempt was made."""

    kind: OutcomeKind
    reason: Reason
    detail: str = ""
    status: int | None = None
    response: str = ""
    attempts: int = 0
    first_attempt_at: float | None = None
    last_attempt_at: float | None = None
