"""A workspace of Braze: what `POST /users/track` does with attribute objects. Pure: no network, no clock.

Readings that Braze's documents leave open, chosen once:

- The window of the limit is fixed: it begins at each multiple of its length in Unix time, as X-RateLimit-Reset suggests.
  Every request counts, and over the limit comes first. A 429 names no Retry-After.
- Where at least one object is in order, those that are not are named in `errors` beside a 201, as integrators report it:
  `{"type": "why", "input_array": "attributes", "index": 1}`. Where none is, that is a 400.
- An object of a user who does not exist is queued like any other; with `_update_existing_only` it then changes nothing.
- A REST key that is refused comes back in the message, as integrators report it.
"""

from __future__ import annotations

import hmac
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.sandbox.emulator.answers import Answer, as_json
from connector.sandbox.emulator.arrivals import SlidingWindow
from connector.sandbox.emulator.workspaces import json_object

if TYPE_CHECKING:
    from connector.sandbox.emulator.settings import BrazeSettings, Quota

_MOST_OBJECTS = 75
_MOST_USERS = 100_000
_IDENTIFIERS = ("external_id", "braze_id", "user_alias", "email", "phone")
_NO_IDENTIFIER = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
_NO_DATA = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
_OF_THE_OBJECT = (*_IDENTIFIERS[:3], "_update_existing_only")


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """A request that Braze looked into, at `at` in Unix seconds: its attribute objects as they came, and Braze's own answer.

    One that a fault kept from Braze is not there; one that a fault kept the answer of is.
    """

    at: float
    objects: tuple[object, ...]
    status: int


class Braze:
    """Its keys, its limit and its users, the oldest of which are forgotten beyond 100,000.

    `attributes` holds, by user, what was written. `refusals` says of which users' objects Braze finds what fault.
    """

    def __init__(self, settings: BrazeSettings, remembered: int) -> None:
        """The last `remembered` requests are kept in `requests`, oldest first."""
        self.keys = settings.keys
        self.users = settings.users
        self.attributes: dict[str, dict[str, object]] = {}
        self.refusals: dict[str, str] = {}
        self.requests: deque[TrackRequest] = deque(maxlen=remembered)
        self.set_quota(settings.quota)

    def set_quota(self, quota: Quota) -> None:
        """Counts by another quota from now on, from zero."""
        self.quota = quota
        self.window = SlidingWindow(quota.per_seconds)
        self._began = -math.inf
        self._count = 0

    def arrive(self, wall: float, monotonic: float) -> bool:
        """Counts one request, by both clocks. True if it is within the limit."""
        self.window.arrive(monotonic)
        began = wall // self.quota.per_seconds * self.quota.per_seconds
        self._count = self._count + 1 if began == self._began else 1
        self._began = began
        return self._count <= self.quota.requests

    def answer(self, authorization: str, body: bytes, wall: float, *, is_within_limit: bool) -> Answer:
        """Braze's answer to a request that arrived at `wall`; carries it out."""
        objects: tuple[object, ...] = ()
        if not is_within_limit:
            answer = as_json(429, {"message": "You have exceeded your rate limit"})
        elif not self._is_authorized(authorization):
            answer = as_json(401, {"message": f"Invalid API key: {authorization.partition(' ')[2]}"})
        else:
            found = (json_object(body) or {}).get("attributes")
            objects = tuple(found) if isinstance(found, list) else ()
            answer = self._track(objects)
        self.requests.append(TrackRequest(wall, objects, answer.status))
        return Answer(answer.status, answer.body, headers=self._limits())

    def _limits(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.quota.requests),
            "X-RateLimit-Remaining": str(max(0, self.quota.requests - self._count)),
            "X-RateLimit-Reset": str(math.ceil(self._began + self.quota.per_seconds)),
        }

    def _is_authorized(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        given = key.encode()
        return scheme == "Bearer" and any(hmac.compare_digest(given, known.encode()) for known in self.keys)

    def _track(self, objects: tuple[object, ...]) -> Answer:
        if len(objects) > _MOST_OBJECTS:
            return as_json(400, {"message": "Max Input Length Exceeded"})
        errors = [
            {"type": fault, "input_array": "attributes", "index": index}
            for index, each in enumerate(objects)
            if (fault := self._fault(each)) is not None
        ]
        faulty = {error["index"] for error in errors}
        for index, each in enumerate(objects):
            if index not in faulty and isinstance(each, dict):
                self._write(each)
        if len(errors) == len(objects):
            return as_json(400, {"message": _NO_DATA, "errors": errors})
        processed = {"message": "success", "attributes_processed": len(objects) - len(errors)}
        return as_json(201, processed | ({"errors": errors} if errors else {}))

    def _fault(self, item: object) -> str | None:
        user = _user(item)
        return _NO_IDENTIFIER if user is None else self.refusals.get(user)

    def _write(self, item: dict[str, object]) -> None:
        user = _user(item)
        exists = self.users is None or user in self.users or user in self.attributes
        if user is None or (item.get("_update_existing_only") is True and not exists):
            return
        if user not in self.attributes and len(self.attributes) >= _MOST_USERS:
            del self.attributes[next(iter(self.attributes))]
        written = self.attributes.setdefault(user, {})
        for name, value in item.items():
            if value is None:
                written.pop(name, None)
            elif name not in _OF_THE_OBJECT:
                written[name] = value


def _user(item: object) -> str | None:
    """Who an attribute object is about: the first of the identifiers that it has."""
    if not isinstance(item, dict):
        return None
    return next((str(item[name]) for name in _IDENTIFIERS if item.get(name)), None)
