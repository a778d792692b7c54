"""The listener's interface as an OpenAPI 3.1 document. Pure.

What it says of an answer, its status, headers and body, is read from the answers themselves (`answer`), so it cannot say
anything else. It is one document for every deployment, and names nothing of a configuration.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import orjson

from connector.inbound import answer, brazeopenapi
from connector.inbound.answerschema import JSON, responses
from connector.inbound.grants import FORM, Refusal
from connector.inbound.limits import Limits
from connector.inbound.taken import Durability, Taken
from connector.inbound.tokenendpoint import MAX_FORM_BYTES
from connector.types import Reason

if TYPE_CHECKING:
    from connector.inbound.answer import Answer

VERSION = "1.0.0"
"""Of the interface, not of the connector: it changes when the interface does."""

DOCUMENT_PATH = "/openapi.json"

_METHODS = ("post", "put", "patch")

_ABOUT = f"""\
Where SEEN tells seen-connector that a video is ready and what its viewers do, and where it fetches access tokens for that;
and where Braze posts what it would post to SEEN.

Every answer has a JSON body; of an error it is `code` and `message`, at the token endpoint what RFC 6749 says. Another path
is answered 404, another method 405 with `Allow`.

How a caller proves its right is configured for each workspace: in exactly one of the ways named here, or not at all.
An unknown workspace and a wrong secret get the same answer, late for an address that has failed often.

A body may have {Limits().max_body_bytes:,} bytes unless the connector is configured otherwise, and must come whole within
{Limits().body_timeout_seconds:g} s. It is sent as it is: without a `Content-Encoding`.
"""

_ABOUT_CALLS = """\
200 and 202 promise that what was sent is durable, in Kafka or on the connector's disk. That holds for a body that cannot be
understood too, which is kept as a dead letter: calling again would not help. After 503, calling again does.
"""

_ABOUT_CALLBACKS = """\
Taken whatever it is, and if there is none. A video-ready event is made of an object with an `id`, which is text that is
not empty, or an integer. The other fields are text or null, and links lead to the web. Where the fields are is configured
for each workspace; these are the defaults.
"""

_ABOUT_VIEWER_EVENTS = """\
Taken whatever it is, and if there is none. An event is made of any JSON. Where it says what the viewer did, and with whose
video, is configured for each workspace; these are the defaults.
"""

_ABOUT_TOKENS = """\
OAuth 2.0 client credentials (RFC 6749, 4.4): id and secret in the form or in a Basic header, not in both. The token opens
the callbacks of the client's workspace. There is nothing at this path where no workspace takes such tokens.
"""


def document() -> dict[str, Any]:
    """The whole document, as values that JSON knows."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "seen-connector: the listener", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": {
            **{kind.path: _calls(kind) for kind in _KINDS},
            **brazeopenapi.paths(),
            "/oauth2/token": {"post": _token()},
            DOCUMENT_PATH: {"get": _itself()},
        },
        "components": {
            "responses": {
                f"{kind.name}_{status}": each
                for kind in _KINDS
                for status, each in responses(kind.answers).items()
            }
            | brazeopenapi.components(),
            "securitySchemes": _schemes(),
        },
    }


def text() -> str:
    """The document as JSON for people, with a newline at its end."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _calls(kind: _Kind) -> dict[str, Any]:
    names = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,99}$"}
    workspace = {"name": "workspace", "in": "path", "required": True, "schema": names, "example": "acme"}
    return {"parameters": [workspace]} | {method: _call(kind, method) for method in _METHODS}


def _call(kind: _Kind, method: str) -> dict[str, Any]:
    return {
        "operationId": f"{method}_{kind.name}",
        "summary": kind.summary,
        "description": f"{kind.summary}. {_ABOUT_CALLS}",
        "security": [{"bearer": []}, {"header": []}, {"basic": []}, {"oauth2": []}, {}],
        "requestBody": {"content": {JSON: {"schema": {"description": kind.body}, "example": kind.example}}},
        "responses": {
            status: {"$ref": f"#/components/responses/{kind.name}_{status}"}
            for status in responses(kind.answers)
        },
    }


def _answers() -> tuple[Answer, ...]:
    """To calls of each kind."""
    reasons = [None, *(each for each in Reason if each.startswith("callback_"))]
    taken = [
        answer.taken(Taken(durability, reason=reason))
        for durability, reason in itertools.product(get_args(Durability), reasons)
    ]
    return (
        *taken,
        answer.MALFORMED,
        answer.CUT_OFF,
        answer.UNAUTHENTICATED,
        answer.TIMED_OUT,
        answer.too_large(Limits().max_body_bytes),
        answer.WRONG_TYPE,
        answer.ENCODED,
        answer.BUSY,
        answer.CROWDED,
        answer.UNVERIFIABLE,
        answer.not_durable(""),
    )


class _Kind(NamedTuple):
    """A kind of call, which is the same with each method."""

    name: str
    path: str
    summary: str
    body: str
    example: dict[str, str]
    answers: tuple[Answer, ...]


_KINDS = (
    _Kind(
        "callback",
        "/callbacks/{workspace}",
        "A video is ready",
        _ABOUT_CALLBACKS,
        {"id": "12345", "player_url": "https://player.seen.io/v/eHmnkM2wqAWc"},
        _answers(),
    ),
    _Kind(
        "viewer_event",
        "/callbacks/{workspace}/viewer",
        "A viewer acted",
        _ABOUT_VIEWER_EVENTS,
        {"event": "video-played", "id": "12345"},
        (*_answers(), answer.NO_VIEWER_EVENTS),
    ),
)


def _token() -> dict[str, Any]:
    fields = {
        "grant_type": {"const": "client_credentials"},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string"},
        "scope": {"type": "string", "description": "Means nothing here."},
    }
    form = {"type": "object", "properties": fields, "required": ["grant_type"]}
    return {
        "operationId": "fetch_token",
        "summary": "An access token for callbacks",
        "description": _ABOUT_TOKENS,
        "security": [{"client": []}, {}],
        "requestBody": {"required": True, "content": {FORM: {"schema": form}}},
        "responses": responses(
            [
                answer.token_issued("an access token", 300.0, ""),
                *(answer.token_refused(why) for why in Refusal),
                answer.MALFORMED,
                answer.CUT_OFF,
                answer.NO_SUCH_PATH,
                answer.TIMED_OUT,
                answer.too_large(MAX_FORM_BYTES),
                answer.TOO_MANY_FORMS,
            ]
        ),
    }


def _itself() -> dict[str, Any]:
    return {
        "operationId": "describe",
        "summary": "This document",
        "security": [{}],
        "responses": responses(
            [answer.described({"openapi": "3.1.0", "info": {}, "paths": {}}), answer.MALFORMED]
        ),
    }


def _schemes() -> dict[str, Any]:
    own = {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {}}}
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token that is agreed upon (the scheme may be `Token`, too), or a JWT of a server of yours.",
        },
        "header": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Api-Key",
            "description": "A token in a header whose name is configured: this is an example.",
        },
        "basic": {"type": "http", "scheme": "basic"},
        "oauth2": {"type": "oauth2", "flows": own},
        "client": {"type": "http", "scheme": "basic", "description": "The client's id and secret."},
    }
