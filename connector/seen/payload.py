"""What SEEN takes as the body of create data, checked before a request is spent (SEEN API 2.0, create data)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from connector.types import Reason, Unsendable

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
_HOST = re.compile(r"[\w.:-]{1,255}")
_LONGEST_NAME = 256
_LONGEST_ID_BYTES = 1024  # it is a path segment of look-ups, and the key of what we publish


def with_string_id(properties: dict[str, Any]) -> dict[str, Any] | Unsendable:
    """`properties` with an `id` that is a non-empty string, as SEEN demands.

    An integer becomes its decimal string; nothing else is coerced (SEEN API 2.0: "ID must be a string").
    """
    value = properties.get("id")
    if value is None or value == "":
        return Unsendable(Reason.ID_MISSING, "the event has no id: `id` is absent, null or empty")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return Unsendable(Reason.ID_NOT_A_STRING, f"`id` must be a string, it is {json_type(value)}")
    if (size := len(value.encode("utf-8", "replace"))) > _LONGEST_ID_BYTES:
        return Unsendable(Reason.ID_TOO_LONG, f"`id` has {size} bytes, at most {_LONGEST_ID_BYTES} are taken")
    return {**properties, "id": value}


def encode(
    properties: Mapping[str, Any], max_bytes: int, limit: str = "seen.max_request_bytes"
) -> bytes | Unsendable:
    """The JSON object in UTF-8; `max_bytes` bounds its size, and people know that bound as `limit`."""
    for name in properties:
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            detail = f"{name[:40]!r} is no name for a property: 1 to {_LONGEST_NAME} printable characters are"
            return Unsendable(Reason.BAD_PROPERTY_NAME, detail)
    try:
        body = orjson.dumps(properties)
    except orjson.JSONEncodeError as error:
        return Unsendable(_reason(str(error)), f"the properties cannot be written as JSON: {error}")
    if b"null" in body and not _is_finite(properties):
        return Unsendable(
            Reason.NUMBER_OUT_OF_RANGE, "a mapped number is NaN or infinite: JSON has no such numbers"
        )
    if len(body) > max_bytes:
        detail = f"the request would have {len(body)} bytes, {limit} is {max_bytes}"
        return Unsendable(Reason.REQUEST_TOO_LARGE, detail)
    return body


def _reason(complaint: str) -> Reason:
    if "64-bit" in complaint:
        return Reason.NUMBER_OUT_OF_RANGE
    return Reason.TOO_DEEP if "Recursion" in complaint else Reason.MAPPING_FAILED


def _is_finite(value: object) -> bool:
    """Whether every number in it is one for JSON; JMESPath's `to_number`, `sum` and `avg` make others, orjson writes null."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_is_finite, value.values()))
        case list():
            return all(map(_is_finite, value))
        case _:
            return True


def image_fault(value: object) -> str | None:
    """Why `value` cannot be the link of an image, or None (SEEN, images sent by URL)."""
    if not isinstance(value, str):
        return f"it must be a string, it is {json_type(value)}"
    try:
        link = urlsplit(value)
        host, _ = link.hostname, link.port
    except ValueError:
        return "it is no URL"  # what Python says repeats parts of it
    if " " in value or not value.isprintable():  # urlsplit drops some of these without a word
        return "it must not contain white space or control characters"
    if link.scheme not in ("http", "https") or not host:
        return "it must be an http or https URL"
    if link.username is not None or link.password is not None:
        return "it must not contain credentials"
    if not link.path.endswith(_IMAGE_ENDINGS):
        return f"its name must end in {', '.join(_IMAGE_ENDINGS)}, in lower case"
    return None


def image_host(value: object) -> str | None:
    """The host of `value` as a link, None where it has none. Good for a log: it holds no other part of the link."""
    if not isinstance(value, str):
        return None
    try:
        link = urlsplit(value)
        # A port that is none refuses all: it may be a password with a slash in it, and the host a user's name.
        host, _ = link.hostname, link.port
    except ValueError:
        return None
    return host if host and _HOST.fullmatch(host) else None


def json_type(value: object) -> str:
    """What people call the JSON type of a parsed value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def same_json(one: object, other: object) -> bool:
    """Whether two parsed values are equal as JSON: numbers by value, true is not 1, the order of members is free."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return one is other
        case dict(), dict():
            return one.keys() == other.keys() and all(
                same_json(value, other[name]) for name, value in one.items()
            )
        case list(), list():
            return len(one) == len(other) and all(map(same_json, one, other))
        case _:
            return one == other
