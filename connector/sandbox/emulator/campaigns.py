"""A campaign of the legacy API and its receivers: what SEEN does with a call that reaches it. Pure: no network, no clock.

Readings that the documents leave open, chosen once:

- A call is carried out whole or not at all: where one item has errors, none is created.
- What is no array of objects, an empty one too, is a 400 that says so in a shape of its own: `{"detail": "..."}`.
- Of two items with one customer_id in a call, the second exists already.
- Messages that are not documented are worded as those of the framework that writes the documented one.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

import orjson

from connector.sandbox.emulator import answers
from connector.sandbox.emulator.links import links
from connector.sandbox.emulator.workspaces import Item, Workspace

if TYPE_CHECKING:
    from connector.sandbox.emulator.answers import Answer
    from connector.sandbox.emulator.workspaces import Call

_FIELDS = ("first_name", "last_name", "email", "phone", "customer_id")
_LONGEST = 100
_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

Errors = dict[str, list[str]]


class Campaign(Workspace):
    """One campaign: its receivers are its items, by customer_id; one without gets a number."""

    def answer(self, call: Call) -> Answer:
        """SEEN's answer to a call that is within the quota; carries it out."""
        if not self._is_authorized(call):
            return answers.INVALID_TOKEN
        if call.method != "POST":
            return answers.METHOD_NOT_ALLOWED
        receivers = _objects(call.body) if call.content_type == "application/json" else None
        if receivers is None:
            return answers.NO_RECEIVERS
        known: set[str] = set()
        errors = [self._errors(each, known) for each in receivers]
        if any(errors):
            return answers.as_json(400, errors)
        keys = tuple(self._received(each) for each in receivers)
        return answers.as_json(201, receivers, starts_journeys=keys)

    def callback_body(self, key: str) -> dict[str, object]:
        """The body of the callback, as in the documents' example for campaigns: a link without a scheme is in it."""
        found = links(self.id, key)
        folder = found.thumbnail.removesuffix("/thumbnail.jpg")
        return {
            "customer_id": self.items[key].values.get("customer_id") if key in self.items else key,
            "campaign_slug": self.id,
            "landing_page_url": found.player.removeprefix("https://").replace(
                "player.seen.io", "film.example.com"
            ),
            "video_url": f"{folder}/output.m3u8",
            "thumbnail_url": found.thumbnail,
            "email_thumbnail_url": found.email_thumbnail,
        }

    def _is_authorized(self, call: Call) -> bool:
        scheme, _, token = call.authorization.partition(" ")
        given = token.encode()
        return scheme == "Token" and any(hmac.compare_digest(given, known.encode()) for known in self.tokens)

    def _errors(self, receiver: dict[str, object], known: set[str]) -> Errors:
        errors = {name: [why] for name in _FIELDS if (why := _fault(name, receiver.get(name)))}
        errors |= {name: ["Invalid field name."] for name in receiver if not _NAME.fullmatch(name)}
        key = receiver.get("customer_id")
        if isinstance(key, str) and key:
            if key in self.items or key in known:
                errors.setdefault("customer_id", []).append("A receiver with this ID already exists.")
            known.add(key)
        return errors

    def _received(self, receiver: dict[str, object]) -> str:
        key = receiver.get("customer_id")
        name = key if isinstance(key, str) and key else f"receiver-{len(self.items) + 1}"
        self.keep(Item(name, receiver))
        return name


def _fault(name: str, value: object) -> str | None:
    if value is None or value == "":
        return "This field is required." if name == "first_name" else None
    if not isinstance(value, str):
        return "Not a valid string."
    if len(value) > _LONGEST:
        return f"Ensure this field has no more than {_LONGEST} characters."
    if name == "phone" and not _E164.fullmatch(value):
        return "The phone number entered is not valid."
    if name == "email" and not _EMAIL.fullmatch(value):
        return "Enter a valid email address."
    return None


def _objects(body: bytes) -> list[dict[str, object]] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    is_batch = isinstance(found, list) and found and all(isinstance(each, dict) for each in found)
    return found if is_batch else None
