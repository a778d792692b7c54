"""What Braze is told: what SEEN would answer, or would if it saw what the connector sees. Pure.

Documented are 201 with `{"id", "values"}`, 400 `ErrRequestBody`, 401 `ErrUnauthenticated` and 500 `ErrInvalidRequest` (SEEN
API 2.0, create data); and of receivers 400 with an array, `{}` for an item without errors (SEEN API 1.0). What a 201 says of
receivers is not documented: it is the receivers. Answers that have nothing to do with SEEN (`answer`) have its shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.inbound.answer import Answer
from connector.types import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.inbound.taken import Durability
    from connector.types import Unsendable

_KEY_INVALID = "api key invalid"
_DOCUMENTED = {  # the detail of a body that is no object begins with SEEN's words itself
    Reason.NOT_JSON: "a JSON object is expected",
    Reason.ID_MISSING: "ID must be a string",
    Reason.ID_NOT_A_STRING: "ID must be a string",
}
_INVALID_REQUESTS = frozenset({Reason.ID_MISSING, Reason.ID_NOT_A_STRING})
_FIELDS = {
    Reason.NO_FIRST_NAME: "first_name",
    Reason.BAD_PHONE: "phone",
    Reason.BAD_EMAIL: "email",
    Reason.NO_ADDRESS: "email",
    Reason.ID_TOO_LONG: "customer_id",
}
_NO_FIELD = "non_field_errors"

UNAUTHENTICATED = Answer(
    401,
    "unauthenticated",
    _KEY_INVALID,
    {"WWW-Authenticate": 'Bearer realm="braze"'},
    document={"code": "ErrUnauthenticated", "message": _KEY_INVALID},
)


def created(properties: Mapping[str, object], durability: Durability) -> Answer:
    """The answer to create data: `properties` are those that SEEN will get, `id` among them."""
    values = {name: value for name, value in properties.items() if name != "id"}
    document = {"id": properties["id"], "values": values}
    return Answer(201, durability, "", {}, closes=False, id=str(properties["id"]), document=document)


def received(receivers: Sequence[Mapping[str, object]], durability: Durability, id_: str | None) -> Answer:
    """The answer to create receivers: `receivers` are those that SEEN will get; `id_` is for the log."""
    return Answer(201, durability, "", {}, closes=False, id=id_, document=list(receivers))


def refused(why: Unsendable) -> Answer:
    """The answer to a body that is a dead letter."""
    documented = _DOCUMENTED.get(why.reason)
    message = why.detail if documented is None else f"{documented}: {why.detail}"
    is_invalid = why.reason in _INVALID_REQUESTS
    return Answer(
        500 if is_invalid else 400,
        "dead_lettered",
        message,
        {},
        closes=False,
        id=why.id,
        detail=why.reason,
        document={"code": "ErrInvalidRequest" if is_invalid else "ErrRequestBody", "message": message},
    )


def refused_items(faults: Sequence[Unsendable | None]) -> Answer:
    """The answer to receivers of which some are dead letters: those with a fault, in the order of the request."""
    first = next(each for each in faults if each is not None)
    errors = [{} if each is None else {_FIELDS.get(each.reason, _NO_FIELD): [each.detail]} for each in faults]
    return Answer(
        400,
        "dead_lettered",
        "",
        {},
        closes=False,
        id=first.id,
        detail=first.reason,
        document=errors,
    )
