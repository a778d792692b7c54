"""What an answer means whichever API gave it. Pure and total; `api` is how people call that API."""

from __future__ import annotations

from typing import Any

import orjson

from connector.http.exchange import Fault, NoResponse, Response
from connector.types import InDoubt, Reason, Retry, Suspend

_LONGEST_CODE = 64
_REFUSALS = {401: Reason.UNAUTHENTICATED, 403: Reason.FORBIDDEN}


def unanswered(missing: NoResponse) -> Retry | InDoubt:
    """What it means that a request was not answered."""
    match missing.fault:
        case Fault.FENCED:
            return Retry(reason=Reason.LEASE_LOST, detail=missing.detail)
        case Fault.NOT_SENT:
            return Retry(reason=Reason.CANNOT_CONNECT, detail=missing.detail, outage=True, unsent=True)
        case Fault.TIMED_OUT:
            return InDoubt(reason=Reason.TIMED_OUT, detail=missing.detail)
        case Fault.LOST:
            return InDoubt(reason=Reason.CONNECTION_LOST, detail=missing.detail)


def not_about_the_event(answer: Response, api: str) -> Retry | Suspend | InDoubt:
    """What an answer means that says nothing of what was sent; InDoubt where it says nothing at all."""
    words = said(answer, api)
    hold = answer.retry_after_seconds
    match answer.status:
        case 401 | 403:
            return Suspend(reason=_REFUSALS[answer.status], **words)
        case status if 300 <= status < 400:
            return Suspend(reason=Reason.REDIRECTED, **words)
        case 429:
            return Retry(reason=Reason.OVER_QUOTA, hold_seconds=hold, **words)
        case 408 | 425:
            return Retry(reason=Reason.NOT_READY, hold_seconds=hold, **words)
        case 502 | 503 | 504:
            return Retry(reason=Reason.UNAVAILABLE, hold_seconds=hold, outage=True, **words)
        case status if 500 <= status < 600:
            return Retry(reason=Reason.SERVER_ERROR, hold_seconds=hold, **words)
        case _:
            return InDoubt(reason=Reason.UNEXPECTED_ANSWER, **words)


def said(answer: Response, api: str, *, message: bool = False) -> dict[str, Any]:
    """The answer in words, its `message` whole. It may repeat customer data: only where it goes to a dead letter."""
    body = parsed(answer.body)
    words = [f"{api} answered {answer.status}", *error_code(body.get("code"))]
    text = body.get("message")
    if message and isinstance(text, str):
        words.append(f"({text})")
    return {"detail": " ".join(words), "status": answer.status, "response": answer.excerpt}


def error_code(value: object) -> list[str]:
    """The code of an error, none if `value` does not look like one."""
    return [value] if isinstance(value, str) and value.isidentifier() and len(value) <= _LONGEST_CODE else []


def parsed(body: bytes) -> dict[str, Any]:
    """The members of a JSON object; none if `body` is anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
