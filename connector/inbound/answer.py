"""What the listener can answer: one value for each way in which a call can end. Pure.

`result` is also the metric's label and the log's field. A body is JSON: `{"code", "message"}` for an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.inbound.grants import Refusal
    from connector.inbound.taken import Taken

RETRY_AFTER_SECONDS = 60
"""SEEN calls twice more, 60 s apart (SEEN callbacks): sooner makes no sense to it, later loses a call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one call. `closes` marks one that leaves the body unread, so that the connection ends with it.

    `id`, `detail` and `workspace` are what the log says beyond the result: none is sent to the caller. `document` is the
    body where its form is not ours to choose.
    """

    status: int
    result: str
    message: str
    headers: Mapping[str, str]
    closes: bool = True
    id: str | None = None
    detail: str | None = None
    workspace: str | None = None
    document: Mapping[str, object] | Sequence[object] | None = field(default=None, repr=False)

    @property
    def body(self) -> bytes:
        """The JSON that the caller gets."""
        if self.document is not None:
            return orjson.dumps(self.document)
        if self.status < 300:
            return orjson.dumps({"result": self.result, "message": self.message})
        return orjson.dumps({"code": self.result, "message": self.message})


_NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_SECONDS)}

NO_SUCH_PATH = Answer(404, "not_found", "there is nothing at this path", {})
WRONG_METHOD = Answer(405, "wrong_method", "call with POST, PUT or PATCH", {"Allow": "POST, PUT, PATCH"})
ONLY_POST = Answer(405, "wrong_method", "call with POST", {"Allow": "POST"})
ONLY_GET = Answer(405, "wrong_method", "call with GET", {"Allow": "GET, HEAD"})
UNAUTHENTICATED = Answer(
    401,
    "unauthenticated",
    "the workspace is unknown or the credentials are wrong",
    {"WWW-Authenticate": 'Bearer realm="callbacks", Basic realm="callbacks", charset="UTF-8"'},
)
EXPIRED = replace(UNAUTHENTICATED, detail="the access token has expired")
"""Told from `UNAUTHENTICATED` by us alone: nobody guessed, so nobody is slowed."""

UNVERIFIABLE = Answer(
    503, "unverifiable", "the keys to verify the access token cannot be had: call again", _RETRY_AFTER
)
NO_VIEWER_EVENTS = Answer(
    404,
    "no_viewer_events",
    "this workspace takes no viewer events: its configuration names no topic for them",
    {},
)
WRONG_TYPE = Answer(415, "wrong_type", "the body must be JSON, with a content type that says so", {})
ENCODED = Answer(
    415, "wrong_type", "a body with a Content-Encoding is not taken", {"Accept-Encoding": "identity"}
)
BUSY = Answer(503, "busy", "too many calls of this workspace at once", _RETRY_AFTER)
CROWDED = replace(BUSY, closes=False)
"""`BUSY` for a call whose body was read."""

TOO_MANY_FORMS = replace(BUSY, message="too many forms of this address at once")
MALFORMED = Answer(400, "malformed", "this is no request of HTTP/1.1, or its head is too large", {})
TIMED_OUT = Answer(408, "timed_out", "the body did not arrive in time", {})
CUT_OFF = Answer(400, "cut_off", "the body ended before it was whole", {})


def too_large(max_body_bytes: int) -> Answer:
    """The answer to a body of more than `max_body_bytes`."""
    return Answer(413, "too_large", f"a body may have {max_body_bytes} bytes", {})


def described(document: Mapping[str, object]) -> Answer:
    """The description of the listener's interface."""
    return Answer(200, "described", "", {}, closes=False, document=document)


def token_issued(token: str, lifetime_seconds: float, workspace: str) -> Answer:
    """An access token (RFC 6749, 5.1)."""
    document = {"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime_seconds)}
    return Answer(200, "issued", "", _NOT_STORED, closes=False, workspace=workspace, document=document)


def token_refused(why: Refusal, *, closes: bool = True) -> Answer:
    """No access token (RFC 6749, 5.2). `closes` where the form was not read."""
    is_client = why == "invalid_client"
    headers = _NOT_STORED | (
        {"WWW-Authenticate": 'Basic realm="oauth2", charset="UTF-8"'} if is_client else {}
    )
    return Answer(
        401 if is_client else 400, why.value, "", headers, closes=closes, document={"error": why.value}
    )


def not_durable(why: str) -> Answer:
    """The answer to what is neither in Kafka nor in the spool."""
    message = "what was sent could not be made durable: call again"
    return Answer(503, "not_durable", message, _RETRY_AFTER, closes=False, detail=why)


def taken(callback: Taken) -> Answer:
    """The answer to a callback that is durable, even where it could not be understood: 200 in Kafka, 202 in the spool."""
    if callback.reason is not None:
        message = f"kept as a dead letter, calling again would not help: {callback.reason}"
    elif callback.durability == "spooled":
        message = "the event is on disk, and will be in Kafka"
    else:
        message = "the event is in Kafka"
    status = 202 if callback.durability == "spooled" else 200
    return Answer(status, callback.result, message, {}, closes=False, id=callback.id, detail=callback.reason)
