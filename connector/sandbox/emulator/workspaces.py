"""A workspace and its items: what SEEN does with a request that reaches it. Pure: no network, no clock.

Readings that the documents leave open, chosen once:

- Over the limit comes first, before authorization: the 429 is an HTML page, so it is a proxy's.
- The same id is the same entity: its properties are merged (a property that is sent again is replaced, one that is not
  sent again stays), the answer is 201 with all of them, and no second journey starts.
- An `id` that is missing or empty is refused as one that is no string: 500 ErrInvalidRequest.
- A body that is not declared as application/json is refused as one that is not a JSON object: 400 ErrRequestBody.
- `q=property:value` compares the text of the property, or its JSON if it is no string; `count` is of all that match.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from connector.sandbox.emulator import answers
from connector.sandbox.emulator.arrivals import SlidingWindow
from connector.sandbox.emulator.links import links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.emulator.answers import Answer
    from connector.sandbox.emulator.settings import Quota, WorkspaceSettings

_MOST_ITEMS = 100_000
_PAGE = 100


@dataclass(slots=True)
class Item:
    """One entity: the properties that were sent, and what its journey has made of them so far."""

    id: str
    values: dict[str, object]
    outputs: list[dict[str, object]] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """The item as SEEN shows it."""
        return {"id": self.id, "journeyOutputs": self.outputs, "values": self.values}


@dataclass(frozen=True, slots=True)
class Call:
    """What of a request decides its answer. `item` is the id in the path, None for the collection; `is_data`: of the
    platform API.

    `at` is when it arrived, in the seconds of the quota.
    """

    at: float
    method: str
    item: str | None
    is_data: bool
    authorization: str
    content_type: str
    query: Mapping[str, str]
    body: bytes


class Workspace:
    """One workspace: its keys, its quota and its items, the oldest of which are forgotten beyond 100,000."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self.id = settings.id
        self.tokens = settings.tokens
        self.clients = settings.clients
        self.issued: dict[str, float] = {}
        self.callback = settings.callback
        self.viewer = settings.viewer
        self.quota = settings.quota
        self.window = SlidingWindow(settings.quota.per_seconds)
        self.items: dict[str, Item] = {}

    def set_quota(self, quota: Quota) -> None:
        """Counts by another quota from now on; what arrived before is forgotten, the worst window too."""
        self.quota = quota
        self.window = SlidingWindow(quota.per_seconds)

    def issue(self, token: str, client_id: str, client_secret: str, now: float) -> float | None:
        """Has an access token open the workspace for as long as it returns, in seconds; None if it knows no such client."""
        for known in self.clients:
            is_the_one = hmac.compare_digest(known.client_secret.encode(), client_secret.encode())
            if known.client_id == client_id and is_the_one:
                self.issued = {each: end for each, end in self.issued.items() if end > now}
                self.issued[token] = now + known.token_seconds
                return known.token_seconds
        return None

    def arrive(self, now: float) -> bool:
        """Counts one arrival. True if it is within the quota."""
        return self.window.arrive(now) <= self.quota.requests

    def answer(self, call: Call) -> Answer:
        """SEEN's answer to a call that is within the quota; carries it out."""
        if not self._is_authorized(call):
            return answers.UNAUTHENTICATED
        if call.method == "POST" and call.item is None:
            return self._create(call)
        if call.method == "GET":
            return self._search(call.query) if call.item is None else self._find(call.item)
        return answers.METHOD_NOT_ALLOWED

    def _is_authorized(self, call: Call) -> bool:
        scheme, _, token = call.authorization.partition(" ")
        given = token.encode()
        issued = (each for each, end in self.issued.items() if call.at < end)
        return scheme.lower() == "bearer" and any(
            hmac.compare_digest(given, known.encode()) for known in (*self.tokens, *issued)
        )

    def _create(self, call: Call) -> Answer:
        values = json_object(call.body) if call.content_type == "application/json" else None
        if values is None:
            return answers.BAD_BODY
        key = values.pop("id", None)
        if not isinstance(key, str) or not key:
            return answers.ID_MUST_BE_A_STRING
        known = self.items.get(key)
        if known:
            known.values.update(values)
            return answers.as_json(201, {"id": key, "values": known.values})
        self.keep(Item(key, values))
        return answers.as_json(201, {"id": key, "values": values}, starts_journeys=(key,))

    def keep(self, item: Item) -> None:
        """Has one more item, and forgets the oldest where there are too many."""
        if len(self.items) >= _MOST_ITEMS:
            del self.items[next(iter(self.items))]
        self.items[item.id] = item

    def callback_body(self, key: str) -> dict[str, object]:
        """The body of the callback for an item."""
        return links(self.id, key).callback(key)

    def _find(self, key: str) -> Answer:
        item = self.items.get(key)
        return answers.as_json(200, item.document()) if item else answers.UNKNOWN_ITEM

    def _search(self, query: Mapping[str, str]) -> Answer:
        name, colon, wanted = query.get("q", "").partition(":")
        limit, offset = query.get("limit", str(_PAGE)), query.get("offset", "0")
        if ("q" in query and not (name and colon)) or not (limit.isdecimal() and offset.isdecimal()):
            return answers.BAD_QUERY
        found = [item for item in self.items.values() if "q" not in query or _text_of(item, name) == wanted]
        page = found[int(offset) : int(offset) + int(limit)]
        return answers.as_json(200, {"count": len(found), "data": [item.document() for item in page]})


def json_object(body: bytes) -> dict[str, object] | None:
    """The body as one JSON object, None if it is anything else."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _text_of(item: Item, name: str) -> str | None:
    value = item.id if name == "id" else item.values.get(name)
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
