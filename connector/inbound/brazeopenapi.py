"""What of the listener's interface is Braze's, as OpenAPI describes it: a part of `openapi`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from connector.inbound import answer, brazeanswer
from connector.inbound.answerschema import JSON, responses
from connector.inbound.limits import Limits
from connector.inbound.taken import Durability
from connector.types import Reason, Unsendable

if TYPE_CHECKING:
    from connector.inbound.answer import Answer

_ABOUT_BRAZE = """\
What SEEN's own path takes, at the connector in its place. There is nothing at this path where no workspace takes anything
from Braze. The workspace is found by its id or slug at SEEN.

201 promises that what was sent is durable, in Kafka or on the connector's disk, and will be sent to SEEN when its quota
allows. What SEEN would refuse is kept as a dead letter, and gets SEEN's error. After 503, calling again helps.
"""

_ABOUT_DATA = """\
One object with an `id`, which is text or an integer, and flat properties: text, numbers, true, false, null.
"""

_ABOUT_RECEIVERS = """\
An array of receivers, one at least. In a 400 with an array, what has no errors was taken.
"""


class _Posted(NamedTuple):
    """What Braze posts, the same at each of its paths, which have the name of a workspace at SEEN in them."""

    name: str
    paths: dict[str, str]
    summary: str
    body: str
    example: object
    answers: tuple[Answer, ...]


def _answers_to_braze(*own: Answer) -> tuple[Answer, ...]:
    return (
        *own,
        answer.MALFORMED,
        answer.CUT_OFF,
        brazeanswer.UNAUTHENTICATED,
        answer.NO_SUCH_PATH,
        answer.TIMED_OUT,
        answer.too_large(Limits().max_body_bytes),
        answer.BUSY,
        answer.not_durable(""),
    )


_NO_OBJECT = brazeanswer.refused(Unsendable(Reason.NOT_JSON, "what it is"))
_NO_FIRST_NAME = Unsendable(Reason.NO_FIRST_NAME, "the event has no first name: …")
_POSTED = (
    _Posted(
        "data",
        {
            "/v1/workspaces/{workspace_id}/data": "workspace_id",
            "/v1/projects/{project_id}/data": "project_id",
        },
        "Braze wants a video",
        _ABOUT_DATA,
        {"id": "12345", "first_name": "John"},
        _answers_to_braze(
            *(brazeanswer.created({"id": "12345"}, durability) for durability in get_args(Durability)),
            _NO_OBJECT,
            brazeanswer.refused(Unsendable(Reason.ID_NOT_A_STRING, "what it is")),
        ),
    ),
    _Posted(
        "receivers",
        {"/v1/campaigns/{campaign_slug}/receivers/": "campaign_slug"},
        "Braze wants films",
        _ABOUT_RECEIVERS,
        [{"customer_id": "101", "first_name": "Jane"}],
        _answers_to_braze(
            *(brazeanswer.received([], durability, None) for durability in get_args(Durability)),
            brazeanswer.refused(Unsendable(Reason.BAD_FIELD, "an array of receivers is expected, …")),
            brazeanswer.refused_items([_NO_FIRST_NAME]),
        ),
    ),
)


def paths() -> dict[str, Any]:
    """The paths of the document that are Braze's."""
    return {path: _posts(posted, path) for posted in _POSTED for path in posted.paths}


def components() -> dict[str, Any]:
    """The responses that these paths refer to."""
    return {
        f"{posted.name}_{status}": each
        for posted in _POSTED
        for status, each in responses(posted.answers).items()
    }


def _posts(posted: _Posted, path: str) -> dict[str, Any]:
    variable = posted.paths[path]
    names = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"}
    return {
        "parameters": [{"name": variable, "in": "path", "required": True, "schema": names}],
        "post": {
            "operationId": f"post_{posted.name}_of_{variable}",
            "summary": posted.summary,
            "description": f"{posted.summary}. {_ABOUT_BRAZE}",
            "security": [{"bearer": []}],
            "requestBody": {
                "content": {JSON: {"schema": {"description": posted.body}, "example": posted.example}}
            },
            "responses": {
                status: {"$ref": f"#/components/responses/{posted.name}_{status}"}
                for status in responses(posted.answers)
            },
        },
    }
