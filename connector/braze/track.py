"""What Braze's answers to `POST /users/track` mean, for each attribute object of a request. Pure and total.

Rules:
 1. 201 with `"message": "success"` has queued them all, and so has 202 with `"message": "queued"`, Braze's answer while its
    processing rests (Braze, Track users; API errors and responses). Whether the user exists is not in it.
 2. Beside that, `errors` may name objects that Braze refused: `{"type": "why", "input_array": "attributes", "index": 3}`,
    counted from 0 within that array. Those are refused, the others queued.
 3. An error that names no object of ours leaves the others in doubt, unless `attributes_processed` says that all of them
    were queued. In a request of one object it can be about nothing else.
 4. A 400 carries out nothing. If all its errors name objects, the others are sent again without those; else halves find
    out who is at fault.
 5. In doubt is no harm: an object that is written twice sets the same values again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from connector.http.answer import not_about_the_event, parsed, said, unanswered
from connector.http.exchange import Response
from connector.text import REDACTED_BYTES
from connector.types import Accepted, InDoubt, Reason, Reject, Retry, Suspend, Verdict

if TYPE_CHECKING:
    from connector.http.exchange import Reply

_API = "Braze"


class _Errors(NamedTuple):
    """What `errors` says: of each object that it names, by index, what is wrong with it; and how much of it names none."""

    named: dict[int, list[object]]
    unplaced: list[object]


def judge_track(reply: Reply, items: int) -> list[Verdict]:
    """What the answer means for each of `items` attribute objects that were sent, in their order.

    What it says of one of them is neither redacted nor shortened much.
    """
    if not isinstance(reply, Response):
        return [unanswered(reply)] * items
    match reply.status:
        case 200 | 201 | 202:
            return _taken(reply, items)
        case 404:  # Braze answers so to a REST key that it does not know, too
            return [Suspend(reason=Reason.UNKNOWN_WORKSPACE, **said(reply, _API))] * items
        case 429:
            # A reset that has passed is that of another clock: it says nothing.
            hold = reply.retry_after_seconds if reply.retry_after_seconds is not None else reply.reset_seconds
            return [Retry(reason=Reason.OVER_QUOTA, hold_seconds=hold or None, **said(reply, _API))] * items
        case status if 400 <= status < 500 and status not in (401, 403, 408, 425):
            return _refused(reply, items)
    return [not_about_the_event(reply, _API)] * items


def _taken(answer: Response, items: int) -> list[Verdict]:
    body = parsed(answer.body)
    errors = _errors(body.get("errors"), items)
    processed = body.get("attributes_processed")
    is_legible = body.get("message") in ("success", "queued") or _is_count(processed)
    rest: Verdict = Accepted(reason=Reason.QUEUED, status=answer.status)
    if not is_legible:
        rest = InDoubt(reason=Reason.UNEXPECTED_ANSWER, **said(answer, _API))
    elif errors.unplaced and not (_is_count(processed) and processed == items - len(errors.named)):
        rest = _unplaced(answer, errors, items)
    return [_named(errors, each, answer) if each in errors.named else rest for each in range(items)]


def _unplaced(answer: Response, errors: _Errors, items: int) -> Verdict:
    words = said(answer, _API)
    if items == 1:
        words |= _in_words(errors.unplaced, answer)
        return Reject(reason=Reason.REFUSED_BY_BRAZE, **words)
    words["detail"] += " with errors that name no attribute object"
    return InDoubt(reason=Reason.UNEXPECTED_ANSWER, **words)


def _refused(answer: Response, items: int) -> list[Verdict]:
    errors = _errors(parsed(answer.body).get("errors"), items)
    if errors.named and not errors.unplaced:
        rest = Retry(
            reason=Reason.OTHERS_REFUSED, detail="Braze refused others of its batch", status=answer.status
        )
        return [_named(errors, each, answer) if each in errors.named else rest for each in range(items)]
    if items > 1:
        return [Retry(reason=Reason.BATCH_REFUSED, **said(answer, _API))] * items
    reason = Reason.BAD_REQUEST if answer.status in (400, 422) else Reason.REFUSED_BY_BRAZE
    return [Reject(reason=reason, **said(answer, _API, message=True))] * items


def _named(errors: _Errors, index: int, answer: Response) -> Reject:
    words = _in_words(errors.named[index], answer)
    return Reject(reason=Reason.REFUSED_BY_BRAZE, status=answer.status, **words)


def _errors(value: object, items: int) -> _Errors:
    found = _Errors({}, [])
    for each in value if isinstance(value, list) else [] if value is None else [value]:
        index = _index(each, items)
        if index is None:
            found.unplaced.append(each)
        else:
            found.named.setdefault(index, []).append(each)
    return found


def _index(error: object, items: int) -> int | None:
    """Which of so many attribute objects an error names."""
    if not isinstance(error, dict) or error.get("input_array") != "attributes":
        return None
    index: Any = error.get("index")
    return index if _is_count(index) and index < items else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _in_words(errors: list[object], answer: Response) -> dict[str, Any]:
    text = _text(errors, answer)
    return {"detail": f"Braze answered {answer.status} ({text})", "response": text}


def _text(errors: list[object], answer: Response) -> str:
    try:
        return orjson.dumps(errors)[:REDACTED_BYTES].decode("utf-8", "ignore")
    except orjson.JSONEncodeError:  # it is read down to 1,024 levels, and written down to 254
        return answer.excerpt
