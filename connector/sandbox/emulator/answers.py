"""SEEN's documented answers, to the letter (platform API 2.0; API 1.0 where it says so)."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

_TOO_MANY_REQUESTS = (
    '<!doctype html><meta charset="utf-8">'
    '<meta name=viewport content="width=device-width, initial-scale=1">'
    "<title>429</title>429 Too Many Requests"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back. `starts_journeys` names the items whose creation it announces."""

    status: int
    body: bytes
    content_type: str = "application/json"
    starts_journeys: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


def as_json(status: int, document: object, *, starts_journeys: tuple[str, ...] = ()) -> Answer:
    """An answer of one JSON document."""
    return Answer(status, orjson.dumps(document), starts_journeys=starts_journeys)


def refusal(status: int, code: str, message: str) -> Answer:
    """An answer in the form of SEEN's errors."""
    return as_json(status, {"code": code, "message": message})


BAD_BODY = refusal(400, "ErrRequestBody", "a JSON object is expected")
UNAUTHENTICATED = refusal(401, "ErrUnauthenticated", "api key invalid")
ID_MUST_BE_A_STRING = refusal(500, "ErrInvalidRequest", "ID must be a string")
TOO_MANY_REQUESTS = Answer(429, _TOO_MANY_REQUESTS.encode(), "text/html; charset=utf-8")
# The documents name these statuses and say that they come as JSON; the codes and messages are ours.
UNKNOWN_WORKSPACE = refusal(404, "ErrNotFound", "workspace not found")
UNKNOWN_ITEM = refusal(404, "ErrNotFound", "data not found")
BAD_QUERY = refusal(400, "ErrInvalidRequest", "q must be property:value, limit and offset whole numbers")
# Of the token endpoint, the documents say what it is sent; what it answers is RFC 6749's, 5.1 and 5.2.
INVALID_CLIENT = as_json(401, {"error": "invalid_client", "error_description": "unknown client or secret"})
BAD_TOKEN_REQUEST = as_json(400, {"error": "invalid_request", "error_description": "a form is expected"})
BAD_GRANT_TYPE = as_json(400, {"error": "unsupported_grant_type"})
# Of API 1.0 only the answers to an array of receivers are documented.
INVALID_TOKEN = as_json(401, {"detail": "Invalid token."})
UNKNOWN_CAMPAIGN = as_json(404, {"detail": "Not found."})
NO_RECEIVERS = as_json(400, {"detail": "Expected a list of receivers."})
METHOD_NOT_ALLOWED = refusal(405, "ErrMethodNotAllowed", "method not allowed")
