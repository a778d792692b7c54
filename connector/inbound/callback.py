"""What a callback says: bytes → `VideoReady`, by the workspace's field mapping. Pure and total.

SEEN lets each client agree on the body's shape (SEEN, "Callbacks: the video is ready"), so the fields are JMESPath
expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import jmespath

from connector.inbound.reading import Legible, Unintelligible, id_of, json_in
from connector.published import VideoReady, video_ready_message
from connector.text import absolute
from connector.types import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LINKS = frozenset({"player_url", "video_url", "landing_page_url", "thumbnail_url", "email_thumbnail_url"})
"""The links that a callback may bring, by their names in `VideoReady`."""


@dataclass(frozen=True, slots=True)
class Field:
    """A JMESPath expression: `find` gives what it finds in a callback's body."""

    expression: str
    find: Callable[[dict[str, Any]], object]

    @classmethod
    def compiled(cls, expression: str) -> Self:
        """Raises `jmespath.exceptions.JMESPathError` for text that is no expression."""
        parsed = jmespath.compile(expression)
        if parsed.parsed["type"] == "field":  # a bare name, as most are: that needs no interpreter
            name = parsed.parsed["value"]
            return cls(expression, lambda body: body.get(name))
        return cls(expression, parsed.search)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFields:
    """Where a callback's fields are in its body. `links` holds any of `LINKS`, else ValueError."""

    id: Field
    campaign_slug: Field
    links: Mapping[str, Field]

    def __post_init__(self) -> None:
        if unknown := self.links.keys() - LINKS:
            raise ValueError(f"no link of a video: {', '.join(sorted(unknown))}")

    @classmethod
    def compiled(cls, expressions: Mapping[str, str]) -> Self:
        """The fields of a workspace file's `callback.fields`: `id`, `campaign_slug`, and any of `LINKS`.

        Raises `jmespath.exceptions.JMESPathError` for text that is no expression, KeyError where one of the first two
        is missing.
        """
        links = {name: Field.compiled(text) for name, text in expressions.items()}
        return cls(id=links.pop("id"), campaign_slug=links.pop("campaign_slug"), links=links)


def parse_callback(body: bytes, fields: CallbackFields, *, received_at: float) -> VideoReady | Unintelligible:
    """The video that `body` tells of. Never raises, whatever the bytes.

    An integer id becomes its decimal string, any other id but a string that is not empty is a failure. A link that is
    absent, null or blank is None; one without a scheme gets `https://` (legacy callbacks lack it); what is no link to the
    web is a failure. A campaign that is no string is None. `received_at` is Unix seconds.
    """
    callback = json_in(body)
    if isinstance(callback, Unintelligible):
        return callback
    if not isinstance(callback, dict):
        return Unintelligible(
            Reason.CALLBACK_NOT_AN_OBJECT, f"the body is not a JSON object but {_kind(callback)}"
        )
    try:
        return _mapped(callback, body, fields, received_at)
    except Exception as error:  # noqa: BLE001 - an expression is the user's program: JMESPath lets Python's own errors out
        return Unintelligible(
            Reason.CALLBACK_MAPPING_FAILED, f"callback.fields: {type(error).__name__}: {error}"
        )


def read_callback(
    body: bytes, received_at: float, *, workspace: str, fields: CallbackFields
) -> Legible | Unintelligible:
    """The event for the videos topic."""
    video = parse_callback(body, fields, received_at=received_at)
    if isinstance(video, Unintelligible):
        return video
    return Legible(video_ready_message(workspace, video), video.found_by, video.id)


def _mapped(
    callback: dict[str, object], body: bytes, fields: CallbackFields, received_at: float
) -> VideoReady | Unintelligible:
    video_id = id_of(fields.id.find(callback))
    if video_id is None:
        return Unintelligible(
            Reason.CALLBACK_WITHOUT_ID,
            f"callback.fields.id ({fields.id.expression}) finds no string that is not empty, and no integer",
        )
    links: dict[str, str | None] = {}
    for name, field in fields.links.items():
        found = field.find(callback)
        links[name] = absolute(found) if isinstance(found, str) else None
        if links[name] is None and not _is_blank(found):
            detail = (
                f"callback.fields.{name} ({field.expression}) finds {_kind(found)}, and no http or https link"
            )
            return Unintelligible(Reason.CALLBACK_MAPPING_FAILED, detail, video_id)
    campaign = fields.campaign_slug.find(callback)
    return VideoReady(
        id=video_id,
        campaign_slug=campaign if isinstance(campaign, str) else None,
        found_by="callback",
        received_at=received_at,
        raw=body,
        **links,
    )


def _is_blank(found: object) -> bool:
    return found is None or (isinstance(found, str) and not found.strip())


def _kind(value: object) -> str:
    """What JSON calls such a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names.get(type(value), "no JSON value")
