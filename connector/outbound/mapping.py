"""What a record becomes: an event for SEEN, something to be skipped, or a dead letter that says why.

Rules, in order; the first that applies decides:
 1. What Kafka's client could not decode, and a record over the size limit, is not parsed.
 2. Neither key nor value is an empty record; a null value alone is a tombstone.
 3. The value is one JSON object, as RFC 8259 has it, whose numbers survive being written again.
 4. `where` decides whether it is meant for SEEN.
 5. `properties`, and `extra_args` of receivers, say what is sent; a path that leads nowhere, or to null, sends nothing.
    Without either, a flat object is sent as it is.
 6. What is sent obeys SEEN's rules for ids, names and images: those of the API that it is for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson
from jmespath.exceptions import JMESPathError

from connector.seen.payload import encode, image_fault, image_host, json_type, with_string_id
from connector.seen.receiver import EXTRA_ARGS
from connector.types import DroppedImage, Event, ImageLinks, Reason, Skipped, Unsendable

if TYPE_CHECKING:
    from connector.seen.receiver import ReceiverRules
    from connector.types import Record

_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_STRING_OR_NUMBER = re.compile(
    rb'"(?:[^"\\]|\\.)*"|(?P<integer>-?[0-9]+)(?P<rest>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)'
)
_NO_JSON_WORDS = re.compile(rb"\b(?:NaN|Infinity)\b")
# What a JMESPath expression can raise on data that its author did not think of: `to_string` of deep nesting, say.
_EXPRESSION_ERRORS = (JMESPathError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError)


class Expression(Protocol):
    """A compiled JMESPath expression."""

    def search(self, value: Any) -> Any:
        """What the expression selects of `value`; raises JMESPathError."""
        ...


@dataclass(frozen=True, slots=True)
class Mapping:
    """How the records of one source become events. Sizes in bytes."""

    where: Expression | None
    properties: tuple[tuple[str, Expression], ...] | None
    tombstones: Literal["reject", "skip"]
    images: tuple[str, ...]
    on_bad_image: Literal["reject", "drop"]
    max_record_bytes: int
    max_request_bytes: int
    fetch_images: bool = False
    extra_args: tuple[tuple[str, Expression], ...] | None = None
    receiver: ReceiverRules | None = None

    def read(self, record: Record) -> Event | Unsendable | Skipped:
        """What `record` becomes. Never raises: whatever the bytes are, there is an answer."""
        if record.unreadable:
            return Unsendable(Reason.UNREADABLE, record.unreadable)
        if record.value is None:
            return self._without_value(record)
        if len(record.value) > self.max_record_bytes:
            detail = f"the record's value has {len(record.value)} bytes, delivery.max_record_bytes is {self.max_record_bytes}"
            return Unsendable(Reason.RECORD_TOO_LARGE, detail)
        parsed = parse(record.value)
        if isinstance(parsed, Unsendable):
            return parsed
        try:
            if self.where is not None and not _truthy(self.where.search(parsed)):
                return Skipped(Reason.FILTERED)
        except _EXPRESSION_ERRORS as error:
            return Unsendable(Reason.MAPPING_FAILED, f"`where` failed: {error}")
        return self._event(record, parsed)

    def _without_value(self, record: Record) -> Unsendable | Skipped:
        if record.key is None:
            return Unsendable(Reason.EMPTY_RECORD, "the record has neither key nor value")
        if self.tombstones == "skip":
            return Skipped(Reason.TOMBSTONE)
        detail = "the record is a tombstone (its value is null): SEEN has nothing to make of it"
        return Unsendable(Reason.TOMBSTONE, detail)

    def _event(self, record: Record, parsed: dict[str, Any]) -> Event | Unsendable:
        selected = self._select(parsed)
        if isinstance(selected, Unsendable):
            return selected
        rules, id_name = (
            (with_string_id, "id") if self.receiver is None else (self.receiver.checked, "customer_id")
        )
        properties = rules(selected)
        if isinstance(properties, Unsendable):
            return properties
        event_id: str = properties.get(id_name, "")
        left = self._with_good_images(properties)
        if isinstance(left, Unsendable):
            return replace(left, id=event_id or None)
        properties, dropped = left
        body = encode(properties, self.max_request_bytes)
        if isinstance(body, Unsendable):
            return replace(body, id=event_id or None)
        order_key = (event_id or record.origin).encode() if record.key is None else record.key
        return Event(record, event_id, order_key, body, self._images(properties), dropped)

    def _images(self, properties: dict[str, Any]) -> ImageLinks | None:
        """The images that are still to be looked at: their names are good already."""
        links = tuple(
            (name, there[name]) for name in self.images if (there := _holding(properties, name)) is not None
        )
        return ImageLinks(links, drop=self.on_bad_image == "drop") if links and self.fetch_images else None

    def _select(self, parsed: dict[str, Any]) -> dict[str, Any] | Unsendable:
        if self.properties is None and self.extra_args is None:
            return self._as_it_is(parsed)
        selected = _searched(self.properties or (), parsed)
        if isinstance(selected, Unsendable) or self.extra_args is None:
            return selected
        extra = _searched(self.extra_args, parsed)
        return extra if isinstance(extra, Unsendable) else {**selected, EXTRA_ARGS: extra}

    def _as_it_is(self, parsed: dict[str, Any]) -> dict[str, Any] | Unsendable:
        for name, value in parsed.items():
            may_nest = self.receiver is not None and name == EXTRA_ARGS
            if isinstance(value, dict | list) and not may_nest:
                detail = f"{name[:40]!r} is {json_type(value)}: without `properties` an event must be flat"
                return Unsendable(Reason.MAPPING_FAILED, detail)
        return parsed

    def _with_good_images(
        self, properties: dict[str, Any]
    ) -> tuple[dict[str, Any], tuple[DroppedImage, ...]] | Unsendable:
        good = dict(properties)
        dropped: list[DroppedImage] = []
        if isinstance(good.get(EXTRA_ARGS), dict):
            good[EXTRA_ARGS] = dict(good[EXTRA_ARGS])
        for name in self.images:
            there = _holding(good, name)
            fault = None if there is None else image_fault(there[name])
            if fault is not None and self.on_bad_image == "reject":
                return Unsendable(Reason.BAD_IMAGE, f"the image {name!r} cannot be used: {fault}")
            if there is not None and fault is not None:
                dropped.append(DroppedImage(name, image_host(there[name]), fault))
                del there[name]
        return good, tuple(dropped)


def _holding(properties: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Which of both has a value of that name, null being none: the properties, or a receiver's `extra_args`."""
    extra = properties.get(EXTRA_ARGS)
    if properties.get(name) is not None:
        return properties
    return extra if isinstance(extra, dict) and extra.get(name) is not None else None


def _searched(
    wanted: tuple[tuple[str, Expression], ...], parsed: dict[str, Any]
) -> dict[str, Any] | Unsendable:
    selected: dict[str, Any] = {}
    for name, expression in wanted:
        try:
            value = expression.search(parsed)
        except _EXPRESSION_ERRORS as error:
            return Unsendable(Reason.MAPPING_FAILED, f"the property {name!r} cannot be mapped: {error}")
        if value is not None:
            selected[name] = value
    return selected


def parse(value: bytes) -> dict[str, Any] | Unsendable:
    """The JSON object in `value`, or why there is none, with line and column where they are known."""
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _no_json(value, str(error))
    if not isinstance(parsed, dict):
        return Unsendable(Reason.NOT_AN_OBJECT, f"a JSON object is expected, this is {json_type(parsed)}")
    if _LONG_NUMBER.search(value) and _has_huge_integer(value):
        detail = "an integer beyond 64 bits would lose digits on its way; send it as a string"
        return Unsendable(Reason.NUMBER_OUT_OF_RANGE, detail)
    return parsed


def _no_json(value: bytes, complaint: str) -> Unsendable:
    if "depth limit" in complaint:
        return Unsendable(Reason.TOO_DEEP, f"the JSON is nested too deeply: {complaint}")
    if "infinity when parsed" in complaint:
        return Unsendable(Reason.NUMBER_OUT_OF_RANGE, f"a number is too large: {complaint}")
    if "surrogate" in complaint and b"\\u" in value:
        return Unsendable(Reason.NOT_JSON, f"half of a surrogate pair is no character: {complaint}")
    if _NO_JSON_WORDS.search(value):
        return Unsendable(Reason.NOT_JSON, f"NaN and Infinity are no JSON: {complaint}")
    return Unsendable(Reason.NOT_JSON, f"the value is no JSON: {complaint}")


def _has_huge_integer(value: bytes) -> bool:
    """Whether an integer is in it that orjson reads as a float, silently, with other digits."""
    for token in _STRING_OR_NUMBER.finditer(value):
        integer = token["integer"]
        if integer and not token["rest"] and (len(integer) > 20 or not -(2**63) <= int(integer) < 2**64):
            return True
    return False


def _truthy(value: object) -> bool:
    """JMESPath's own notion: false, null and whatever is empty are false; zero is true."""
    return value is not None and value is not False and value not in ("", [], {})
