"""The values that labels of metrics can have: closed sets, so that every series exists from the start.

A reason that is missing here cannot be counted: a new one belongs into these sets, and into docs/design.md.
"""

from __future__ import annotations

from connector.types import OutcomeKind, Reason

R = Reason
_SENT_REJECTS = (
    R.BAD_REQUEST,
    R.INVALID_REQUEST,
    R.REFUSED_BY_SEEN,
    R.REFUSED_BY_BRAZE,
    R.REFUSED_ALONE,
    R.ALREADY_EXISTS,
)
_TAKEN = (R.CREATED, R.FOUND, R.ALREADY_EXISTS, R.QUEUED)
_UNSENDABLE = (
    R.TOMBSTONE,
    R.EMPTY_RECORD,
    R.UNREADABLE,
    R.RECORD_TOO_LARGE,
    R.NOT_JSON,
    R.TOO_DEEP,
    R.NUMBER_OUT_OF_RANGE,
    R.NOT_AN_OBJECT,
    R.MAPPING_FAILED,
    R.ID_MISSING,
    R.ID_NOT_A_STRING,
    R.ID_TOO_LONG,
    R.BAD_PROPERTY_NAME,
    R.BAD_IMAGE,
    R.BAD_FIELD,
    R.NO_FIRST_NAME,
    R.NO_ADDRESS,
    R.BAD_PHONE,
    R.BAD_EMAIL,
    R.REQUEST_TOO_LARGE,
    R.NO_ATTRIBUTES,
)
_RETRIES = (
    R.OVER_QUOTA,
    R.SERVER_ERROR,
    R.UNAVAILABLE,
    R.CANNOT_CONNECT,
    R.NOT_READY,
    R.LEASE_LOST,
    R.OTHERS_REFUSED,
    R.BATCH_REFUSED,
)
_SUSPENSIONS = (R.UNAUTHENTICATED, R.FORBIDDEN, R.UNKNOWN_WORKSPACE, R.REDIRECTED)
_DOUBTS = (R.TIMED_OUT, R.CONNECTION_LOST, R.UNEXPECTED_ANSWER, R.CONFLICT)

OUTCOME_REASONS: dict[OutcomeKind, tuple[Reason, ...]] = {
    OutcomeKind.ACCEPTED: _TAKEN,
    OutcomeKind.REJECTED: (*_UNSENDABLE, *_SENT_REJECTS),
    OutcomeKind.EXPIRED: (R.GAVE_UP, R.TOO_OLD),
    OutcomeKind.SKIPPED: (R.FILTERED, R.TOMBSTONE, R.OTHER_EVENT, R.SUPERSEDED),
}
"""The reasons that an outcome of each kind can have."""

ATTEMPT_REASONS: dict[str, tuple[Reason, ...]] = {
    "accepted": _TAKEN,
    "reject": _SENT_REJECTS,
    "retry": _RETRIES,
    "suspend": _SUSPENSIONS,
    "in_doubt": _DOUBTS,
    "absent": (R.NOT_FOUND,),
}
"""The reasons that an attempt with each verdict can have."""

CALLBACK_RESULTS = (
    "published",
    "spooled",
    "dead_lettered",
    "unauthenticated",
    "no_viewer_events",
    "wrong_method",
    "too_large",
    "wrong_type",
    "busy",
    "timed_out",
    "cut_off",
    "not_durable",
    "unverifiable",
)
"""How a callback or viewer event can end; only the first three are answered 2xx."""

BRAZE_RESULTS = (
    "published",
    "spooled",
    "dead_lettered",
    "unauthenticated",
    "wrong_method",
    "too_large",
    "busy",
    "timed_out",
    "cut_off",
    "not_durable",
)
"""How a call of Braze's can end; only the first two are answered 2xx."""

TOKEN_ANSWERS = (
    "issued",
    "invalid_client",
    "invalid_request",
    "unsupported_grant_type",
    "wrong_method",
    "too_large",
    "busy",
    "timed_out",
    "cut_off",
)
"""How a request for an access token can end; only the first gives one."""

CUT_CAUSES = ("displaced", "no_place", "slow_head", "slow_reader", "too_much")
"""Why a connection to the listener was cut off by us."""

FOUND_BY = ("callback", "reconciliation")
"""How a video can be found."""
