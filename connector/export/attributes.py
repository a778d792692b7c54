"""What a record of the videos topic becomes: an attribute object for Braze, something to be skipped, or a dead letter.

Rules, in order; the first that applies decides:
 1. What Kafka's client could not decode is not looked into.
 2. Only video-ready events of this workspace are exported: a topic may be shared, and holds overdue reports too.
 3. The data is a JSON object, and `user_id` finds the user in it.
 4. Of the attributes those are written that have a value. One that is absent or null is left out: to Braze, null would
    mean to remove what the user has.
 5. A video that has none of them is not passed over in silence: more likely the mapping is wrong than the video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from connector.published import VIDEO_READY, event_attributes
from connector.seen.payload import encode, json_type, with_string_id
from connector.types import Event, Reason, Skipped, Unsendable

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

    from connector.types import Record


@dataclass(frozen=True, slots=True)
class Attributes:
    """How the videos of `workspace` become attribute objects, at most `max_bytes` each (Braze, User attributes object)."""

    workspace: str
    identifier: Literal["braze_id", "external_id"]
    user_id: ParsedResult
    attributes: tuple[tuple[str, ParsedResult], ...]
    update_existing_only: bool
    max_bytes: int

    def read(self, record: Record) -> Event | Unsendable | Skipped:
        """What `record` becomes. Never raises: whatever the bytes are, there is an answer.

        An event's id, and its lane, is the user: of one user's videos the last one counts.
        """
        if record.unreadable:
            return Unsendable(Reason.UNREADABLE, record.unreadable)
        if event_attributes(record.headers, self.workspace).get("ce_type") != VIDEO_READY.encode():
            return Skipped(Reason.OTHER_EVENT)
        data = _data(record.value or b"")
        if isinstance(data, Unsendable):
            return data
        try:
            user = with_string_id({"id": self.user_id.search(data)})
            found = [(name, expression.search(data)) for name, expression in self.attributes]
        except Exception as error:  # noqa: BLE001 - an expression is the user's program: JMESPath lets Python's own errors out
            return Unsendable(Reason.MAPPING_FAILED, f"braze_out: {type(error).__name__}: {error}")
        if isinstance(user, Unsendable):
            return user
        return self._event(record, user["id"], {name: value for name, value in found if value is not None})

    def _event(self, record: Record, user: str, attributes: dict[str, Any]) -> Event | Unsendable:
        if not attributes:
            detail = "the video has none of braze_out.attributes: " + ", ".join(
                name for name, _ in self.attributes
            )
            return Unsendable(Reason.NO_ATTRIBUTES, detail, user)
        whole = {self.identifier: user, "_update_existing_only": self.update_existing_only, **attributes}
        body = encode(whole, self.max_bytes, "Braze's limit")
        if isinstance(body, Unsendable):
            return Unsendable(body.reason, body.detail, user)
        return Event(record, user, user.encode(), body)


def _data(value: bytes) -> dict[str, Any] | Unsendable:
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return Unsendable(Reason.NOT_JSON, f"the event's data is no JSON that can be read: {error}")
    if not isinstance(data, dict):
        return Unsendable(Reason.NOT_AN_OBJECT, f"a JSON object is expected, this is {json_type(data)}")
    return data
