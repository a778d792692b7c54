"""What a body from Braze holds: the objects in it, byte for byte, each with what it becomes. Pure and total.

Braze posts one object for each message to SEEN's platform API, and an array with one receiver to its legacy API (SEEN, Braze
integration); an array may have more, as at SEEN. Each object is read as the engine will read it, so what is answered 201
is what the engine will send.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from connector.seen.payload import json_type
from connector.types import Event, Message, Reason, Unsendable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.types import Headers

MAX_RECEIVERS = 1_000
"""In one array. SEEN documents no limit; without one a call could take minutes of the processor."""

CALL_HEADER = "seen-braze-call"
"""The header that tells one object from all others, however alike: of the call, and its place there. Messages that are equal
while they are on their way become one record.
"""

_SPACE = re.compile(r"[ \t\n\r]*")
# Only where a value ends is asked for: digits are not converted.
_VALUES = json.JSONDecoder(parse_float=str, parse_int=str)


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a body: `raw` is what Braze sent, `found` what the engine will make of it."""

    raw: bytes
    found: Event | Unsendable

    def message(self, event: Event, headers: Headers) -> Message:
        """The record for the Braze topic; the key is the id as SEEN knows it, none where a receiver has none."""
        return Message(event.id.encode() or None, self.raw, headers)


def headers_of(call: str, place: int) -> Headers:
    """Of what becomes of the object at that place of a call, the first being 0, which is that of a whole body too."""
    return ((CALL_HEADER, f"{call}/{place}".encode()),)


def receivers_in(body: bytes, read: Callable[[bytes], Event | Unsendable]) -> list[Item] | Unsendable:
    """The items of the array in `body`, one at least; or why there are none."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Unsendable(Reason.NOT_JSON, f"an array of receivers is expected, and this is no JSON: {error}")
    if not isinstance(parsed, list) or not parsed:
        what = "an empty one" if parsed == [] else json_type(parsed)
        return Unsendable(Reason.BAD_FIELD, f"an array of receivers is expected, this is {what}")
    if len(parsed) > MAX_RECEIVERS:
        return Unsendable(
            Reason.REQUEST_TOO_LARGE, f"{len(parsed)} receivers: a call may have {MAX_RECEIVERS}"
        )
    try:
        return [Item(raw, read(raw)) for raw in _items(body.decode())]
    except RecursionError:
        return Unsendable(Reason.TOO_DEEP, "a receiver is nested too deeply")


def _items(text: str) -> Iterator[bytes]:
    """What stands between the brackets and commas of a JSON array, which this is, and not an empty one."""
    place = text.index("[")
    while text[place] != "]":
        start = _after_space(text, place + 1)
        _, end = _VALUES.raw_decode(text, start)
        yield text[start:end].encode()
        place = _after_space(text, end)


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()
