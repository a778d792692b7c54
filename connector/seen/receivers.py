"""What SEEN's answers to create receivers mean, for each item of the batch. Total, as `verdict.judge`.

A refusal is an array as long as the request's, in its order: `{}` for an item without errors, else the messages by field
(SEEN API 1.0, create receivers). An item without errors is not created then: it is sent again, without those that have some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from connector.http.exchange import Response
from connector.seen.verdict import Exchange, not_about_the_event, said, unanswered
from connector.text import REDACTED_BYTES
from connector.types import Accepted, InDoubt, Reason, Reject, Retry, Suspend, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXISTS = "already exists"


def judge_receivers(exchange: Exchange, items: int, *, takes_existing: bool) -> list[Verdict]:
    """What the answer means for each of `items` receivers that were sent, in their order.

    `takes_existing`: one that exists already is accepted; else it is refused. What it says of an item is neither redacted
    nor shortened much.
    """
    if not isinstance(exchange, Response):
        return [unanswered(exchange)] * items
    match exchange.status:
        case 201:
            return [Accepted(reason=Reason.CREATED, status=201)] * items
        case 400 if (errors := _errors(exchange.body, items)) is not None:
            return [_item(each, exchange, takes_existing=takes_existing) for each in errors]
        case 404:
            return [Suspend(reason=Reason.UNKNOWN_WORKSPACE, **said(exchange))] * items
        case 409:
            return [InDoubt(reason=Reason.CONFLICT, **said(exchange))] * items
        case status if 400 <= status < 500 and status not in (401, 403, 408, 425, 429):
            return [_refused(exchange, items)] * items
    return [not_about_the_event(exchange)] * items


def _errors(body: bytes, items: int) -> list[dict[str, Any]] | None:
    """The errors of each item; None where the answer is none that says them, or says none at all."""
    try:
        errors = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    is_told = isinstance(errors, list) and len(errors) == items and any(errors)
    return errors if is_told and all(isinstance(each, dict) for each in errors) else None


def _item(errors: Mapping[str, Any], exchange: Response, *, takes_existing: bool) -> Verdict:
    messages = _text(errors, exchange)
    if not errors:
        return Retry(
            reason=Reason.OTHERS_REFUSED, detail="SEEN refused others of its batch", status=exchange.status
        )
    if errors.keys() == {"customer_id"} and _says_that_it_exists(errors["customer_id"]):
        kind = Accepted if takes_existing else Reject
        detail = "SEEN has a receiver with this customer_id already"
        return kind(reason=Reason.ALREADY_EXISTS, detail=detail, status=exchange.status, response=messages)
    detail = f"SEEN answered {exchange.status} ({messages})"
    return Reject(reason=Reason.BAD_REQUEST, detail=detail, status=exchange.status, response=messages)


def _says_that_it_exists(messages: object) -> bool:
    """The documented message is "A receiver with this ID already exists."."""
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(isinstance(each, str) and _EXISTS in each for each in messages)
    )


def _text(errors: Mapping[str, Any], exchange: Response) -> str:
    try:
        return orjson.dumps(errors)[:REDACTED_BYTES].decode("utf-8", "ignore")
    except orjson.JSONEncodeError:  # it is read down to 1,024 levels, and written down to 254
        return exchange.excerpt


def _refused(exchange: Response, items: int) -> Reject | Retry:
    if items > 1:
        return Retry(reason=Reason.BATCH_REFUSED, **said(exchange))
    reason = Reason.BAD_REQUEST if exchange.status in (400, 422) else Reason.REFUSED_BY_SEEN
    return Reject(reason=reason, **said(exchange, message=True))
