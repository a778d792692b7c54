"""The bytes of a course's records: events of both APIs, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from tests.simulation.settings import Api

IMAGE = "photo_url"
BAD_IMAGE = "bad image"


def value(api: Api, what: str, event_id: str, number: int, *, has_image: bool) -> bytes | None:
    """The value of record `number`, of `what` kind; an image, if it has one, bears its number."""
    fields = _data(event_id, number) if api == "data" else _receiver(what, event_id, number)
    if has_image:
        fields[IMAGE] = f"https://images.example.com/{number}.jpg"
    match what:
        case "tombstone" | "empty":
            return None
        case "bad json":
            return orjson.dumps(fields)[:-5]
        case "array":
            return orjson.dumps([fields])
        case "no id":
            return orjson.dumps({name: each for name, each in fields.items() if not name.endswith("id")})
        case "filtered":
            return orjson.dumps({**fields, "type": "other"})
        case _:
            return orjson.dumps(fields)


def _data(event_id: str, number: int) -> dict[str, object]:
    return {"id": event_id, "n": number, "name": f"Name {number % 7}", "score": number / 3}


def _receiver(what: str, event_id: str, number: int) -> dict[str, object]:
    fields: dict[str, object] = {"customer_id": event_id, "n": number, "extra_args": {"score": number / 3}}
    if what != "no first name":
        fields["first_name"] = f"Name {number % 7}"
    if what == "bad phone":
        fields["phone"] = "12345678"
    return fields
