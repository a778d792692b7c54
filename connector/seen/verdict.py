"""What SEEN's answers mean. Total: every status, body and transport error has a verdict.

The status alone does not say whether a retry can help, the body's `code` does: a 500 that carries ErrInvalidRequest is
the request's fault (SEEN API 2.0, responses of create data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from connector.http import answer
from connector.http.answer import error_code, parsed
from connector.http.exchange import Fault, NoResponse, Response
from connector.seen.payload import same_json
from connector.text import absolute
from connector.types import Absent, Accepted, InDoubt, Reason, Reject, Retry, Sighting, Suspend, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

_API = "SEEN"


@dataclass(frozen=True, slots=True)
class NoToken:
    """A request that was not made, for want of an access token. `answer` is how asking for one ended."""

    answer: Response | NoResponse


Exchange = Response | NoResponse | NoToken
"""How one request ended."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video that SEEN shows: one journey output with a player. Links are absolute; `raw` is the output, as JSON,
    or `{}` where it nests too deep to be written.
    """

    player_url: str
    thumbnail_url: str | None
    email_thumbnail_url: str | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class VideosFound:
    """A look-up's answer: the videos of this id, one at least."""

    videos: tuple[Video, ...]
    reason: Reason = Reason.FOUND
    status: int = 200


VideoSighting = VideosFound | Absent | Retry | Suspend | InDoubt
"""What the response to the look-up of a video means; Absent: there is none yet."""


def judge(exchange: Exchange, sent_id: str) -> Verdict:
    """What the answer to create data means for the event with the id `sent_id`."""
    if not isinstance(exchange, Response):
        return unanswered(exchange)
    body = parsed(exchange.body)
    match exchange.status:
        case 200 | 201 if body.get("id") == sent_id:
            return Accepted(reason=Reason.CREATED, status=exchange.status)
        case 409:
            return InDoubt(reason=Reason.CONFLICT, **said(exchange))
        case 500 if body.get("code") == "ErrInvalidRequest":
            return Reject(reason=Reason.INVALID_REQUEST, **said(exchange, message=True))
        case 404:
            return Suspend(reason=Reason.UNKNOWN_WORKSPACE, **said(exchange))
        case 400 | 422:
            return Reject(reason=Reason.BAD_REQUEST, **said(exchange, message=True))
        case status if 400 <= status < 500 and status not in (401, 403, 408, 425, 429):
            return Reject(reason=Reason.REFUSED_BY_SEEN, **said(exchange, message=True))
    return not_about_the_event(exchange)


def sight(exchange: Exchange, sent: Mapping[str, Any]) -> Sighting:
    """What the answer to a look-up of `sent["id"]` means: is SEEN's item the one that was `sent`?

    Same values: every property that was sent is there with an equal JSON value, where null is as good as absent; more
    there is ignored (SEEN API 2.0, read one item).
    """
    if not isinstance(exchange, Response):
        return unanswered(exchange)
    body = parsed(exchange.body)
    match exchange.status:
        case 200 if body.get("id") == sent["id"]:
            values = body.get("values")
            there = values if isinstance(values, dict) else {}
            if all(same_json(value, there.get(name)) for name, value in sent.items() if name != "id"):
                return Accepted(reason=Reason.FOUND, status=200)
            return Absent(reason=Reason.NOT_FOUND, detail="SEEN has this id with other values", status=200)
        case 404:
            return Absent(reason=Reason.NOT_FOUND, **said(exchange))
    return not_about_the_event(exchange)


def sight_videos(exchange: Exchange, item_id: str) -> VideoSighting:
    """What the answer to a look-up of `item_id` says of its videos.

    Before a video is ready, `journeyOutputs` is empty or its lists are, and an item may not be there yet: 404 (SEEN API
    2.0, read one item). An output is a video if one of its players has a link; two with the same link are one.
    """
    if not isinstance(exchange, Response):
        return unanswered(exchange)
    body = parsed(exchange.body)
    match exchange.status:
        case 200 if body.get("id") == item_id:
            videos = {
                video.player_url: video for video in map(_video, _objects(body, "journeyOutputs")) if video
            }
            if videos:
                return VideosFound(tuple(videos.values()))
            return Absent(reason=Reason.NOT_FOUND, detail="SEEN shows no video yet", status=200)
        case 404:
            return Absent(reason=Reason.NOT_FOUND, **said(exchange))
    return not_about_the_event(exchange)


def without_token(given: Response | NoResponse) -> Retry | Suspend:
    """What an answer of the token endpoint means that gives no access token: nothing was sent, so nothing is in doubt.

    A refusal (4xx, RFC 6749 section 5.2) is the credentials' fault. Everything else, a 200 without a token too, is an
    outage. Of the body only an error's code is told, for a body may hold a token.
    """
    if isinstance(given, NoResponse):
        reason = Reason.CANNOT_CONNECT if given.fault is Fault.NOT_SENT else Reason.UNAVAILABLE
        return Retry(reason=reason, detail=f"no access token: {given.detail}", outage=True, unsent=True)
    body = parsed(given.body)
    words = [
        "no access token: the token endpoint answered",
        str(given.status),
        *error_code(body.get("error")),
    ]
    detail = " ".join(words)
    match given.status:
        case status if 300 <= status < 400:
            return Suspend(reason=Reason.REDIRECTED, detail=detail, status=status, unsent=True)
        case status if 400 <= status < 500 and status not in (408, 425, 429):
            return Suspend(reason=Reason.UNAUTHENTICATED, detail=detail, status=status, unsent=True)
        case status:
            hold = given.retry_after_seconds
            return Retry(
                reason=Reason.UNAVAILABLE,
                detail=detail,
                status=status,
                hold_seconds=hold,
                outage=True,
                unsent=True,
            )


def _video(output: dict[str, Any]) -> Video | None:
    player = _link(output, "players", "link")
    if player is None:
        return None
    thumbnail = _link(output, "motions", "thumbnail")
    return Video(player, thumbnail, _link(output, "motions", "emailThumbnail"), _written(output))


def _written(output: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(output)
    except orjson.JSONEncodeError:  # it is read down to 1,024 levels, and written down to 254
        return b"{}"


def _link(output: dict[str, Any], things: str, name: str) -> str | None:
    """The first link of this name among an output's things, as a callback would bring it."""
    links = (thing.get(name) for thing in _objects(output, things))
    return next(filter(None, (absolute(link) for link in links if isinstance(link, str))), None)


def _objects(of: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = of.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def unanswered(exchange: NoResponse | NoToken) -> Retry | Suspend | InDoubt:
    """What it means that a request was not answered, or not made."""
    if isinstance(exchange, NoToken):
        return without_token(exchange.answer)
    return answer.unanswered(exchange)


def not_about_the_event(exchange: Response) -> Retry | Suspend | InDoubt:
    """What an answer means that says nothing of what was sent; InDoubt where it says nothing at all."""
    return answer.not_about_the_event(exchange, _API)


def said(exchange: Response, *, message: bool = False) -> dict[str, Any]:
    """The answer in words, SEEN's message whole. It may repeat customer data: only where it goes to a dead letter."""
    return answer.said(exchange, _API, message=message)
