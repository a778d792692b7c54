"""What SEEN takes as one receiver, checked before a call is spent (SEEN API 1.0, create receivers)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from connector.seen.payload import json_type
from connector.types import Reason, Unsendable

EXTRA_ARGS = "extra_args"
"""The one field of a receiver that is an object: whatever else the film uses."""

_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_LONGEST_ID_BYTES = 1024  # it is the key of what we publish


@dataclass(frozen=True, slots=True)
class ReceiverRules:
    """What a receiver must be. `delivery_by_seen`: SEEN itself sends the film, to an email address or a phone number."""

    delivery_by_seen: bool = False

    def checked(self, fields: dict[str, Any]) -> dict[str, Any] | Unsendable:
        """`fields` as SEEN takes them. An integer `customer_id` becomes its decimal string, and an empty one is left out:
        the second would exist already. Nothing else is coerced.
        """
        fields = {name: value for name, value in fields.items() if value is not None}
        customer_id = fields.get("customer_id")
        if customer_id == "":
            del fields["customer_id"]
        if isinstance(customer_id, int) and not isinstance(customer_id, bool):
            fields["customer_id"] = customer_id = str(customer_id)
        known = customer_id if isinstance(customer_id, str) and customer_id else None
        fault = _name_fault(fields) or _field_fault(fields) or self._address_fault(fields)
        return fields if fault is None else Unsendable(fault.reason, fault.detail, known)

    def _address_fault(self, fields: dict[str, Any]) -> Unsendable | None:
        if self.delivery_by_seen and not (fields.get("email") or fields.get("phone")):
            why = "SEEN sends the film (seen.delivery_by_seen), and the event has neither `email` nor `phone`"
            return Unsendable(Reason.NO_ADDRESS, why)
        return None


def _name_fault(fields: dict[str, Any]) -> Unsendable | None:
    extra = fields.get(EXTRA_ARGS, {})
    if not isinstance(extra, dict):
        return Unsendable(Reason.BAD_FIELD, f"`{EXTRA_ARGS}` must be an object, it is {json_type(extra)}")
    for name in (*fields, *extra):
        if not _NAME.fullmatch(name):
            why = f"{name[:40]!r} is no name for a field: letters A to Z, digits and _ are"
            return Unsendable(Reason.BAD_PROPERTY_NAME, why)
    return None


def _field_fault(fields: dict[str, Any]) -> Unsendable | None:
    for name in ("first_name", "last_name", "email", "phone", "customer_id"):
        value = fields.get(name)
        if not (value is None or isinstance(value, str)):
            return Unsendable(Reason.BAD_FIELD, f"`{name}` must be a string, it is {json_type(value)}")
    if not fields.get("first_name"):
        return Unsendable(
            Reason.NO_FIRST_NAME, "the event has no first name: `first_name` is absent or empty"
        )
    if (size := len(fields.get("customer_id", "").encode("utf-8", "replace"))) > _LONGEST_ID_BYTES:
        why = f"`customer_id` has {size} bytes, at most {_LONGEST_ID_BYTES} are taken"
        return Unsendable(Reason.ID_TOO_LONG, why)
    if fields.get("phone") and not _is_e164(fields["phone"]):
        return Unsendable(Reason.BAD_PHONE, "`phone` is no number in the form of E.164, such as +4712345678")
    if fields.get("email") and not _is_email(fields["email"]):
        return Unsendable(Reason.BAD_EMAIL, "`email` is no email address")
    return None


def _is_e164(text: str) -> bool:
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return False
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written == text and phonenumbers.is_possible_number(number)


def _is_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True
