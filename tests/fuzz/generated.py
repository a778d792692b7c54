"""Calls that schemathesis makes up from the listener's document, and all that it checks of the answers.

Its requests are numbered on their way out: what it sends is known here, and what must not be in Kafka is too.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

import requests
import schemathesis
from schemathesis.engine import events, from_schema

from tests.fuzz import brazebodies, brazecalls
from tests.fuzz.brazecalls import CAMPAIGN, PATHS
from tests.fuzz.calls import BRAZE, CALLBACK, VIEWER, Call
from tests.fuzz.doors import NAMED_HEADER
from tests.fuzz.marks import mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from tests.fuzz.books import Books
    from tests.fuzz.doors import Door, Proof

_SCHEMES = {
    "static": "bearer",
    "named": "header",
    "basic": "basic",
    "ours": "oauth2",
    "theirs": "bearer",
    **dict.fromkeys(PATHS, "bearer"),
}
# What Braze posts is any JSON to the document, and SEEN's answer to what it refuses is 400, or 500 for a wrong id.
_CHECKS_OF_BRAZE = {
    "not_a_server_error": {"expected-statuses": ["2xx", "4xx", "500"]},
    "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "500"]},
}
_send = requests.adapters.HTTPAdapter.send


class Generated:
    """Runs schemathesis against the listener at `url`."""

    def __init__(
        self, document: Mapping[str, Any], url: str, numbers: Iterator[int], rng: Random, books: Books
    ) -> None:
        self._document = document
        self._url = url
        self._numbers = numbers
        self._rng = rng
        self._books = books
        self._shown: dict[str, str] = {}

    def run(self, doors: list[Door], examples: int, seed: int) -> None:
        """At each door; with so many examples for each operation and phase. It blocks."""

        def numbered(
            adapter: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            return self._numbered(adapter, request, **options)

        with mock.patch.object(requests.adapters.HTTPAdapter, "send", numbered):
            for door in doors:
                for event in from_schema(self._schema(door, examples, seed)).execute():
                    self._note(event)

    def _schema(self, door: Door, examples: int, seed: int) -> schemathesis.BaseSchema:
        """The document as it is for one workspace, with its secret."""
        document = copy.deepcopy(dict(self._document))
        scheme = _SCHEMES.get(door.name)
        for path in BRAZE:
            item = document["paths"].pop(path)
            del item["parameters"]
            if path in PATHS.get(door.name, ()):
                document["paths"][brazecalls.target(path, door.name)] = item
        for path in (CALLBACK, VIEWER):
            item = document["paths"].pop(path)
            del item["parameters"]
            for operation in item.values():
                operation["security"] = [{scheme: []} if scheme else {}]
            if door.name not in PATHS and (path == CALLBACK or door.takes_viewer_events):
                document["paths"][path.replace("{workspace}", door.name)] = item
        if door.name != "ours":
            del document["paths"]["/oauth2/token"]
        document["components"]["securitySchemes"]["header"]["name"] = NAMED_HEADER
        self._shown = {name.decode(): value.decode("latin-1") for name, value in door.right[0]}
        settings = {
            "base-url": self._url,
            "seed": seed,
            "workers": 1,
            "headers": self._shown,
            "continue-on-failure": True,
            "generation": {"max-examples": examples, "database": "none"},
            "checks": _CHECKS_OF_BRAZE if door.name in PATHS else {},
        }
        return schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(settings))

    def _numbered(
        self, adapter: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        number = next(self._numbers)
        path = urlsplit(request.url or "").path
        body = request.body or b""
        assert isinstance(body, str | bytes)
        content = body.encode() if isinstance(body, str) else body
        request.headers["X-Forwarded-For"] = f"198.18.{self._rng.randrange(256)}.{self._rng.randrange(256)}"
        self._books.counts["requests of schemathesis"] += 1
        is_right = all(request.headers.get(name) == value for name, value in self._shown.items())
        proof: Proof = "right" if is_right else "wrong"
        call = _braze_call(number, path, request, proof, content)
        if call is not None:
            return self._answered(call, adapter, request, **options)
        workspace, kind = _led_by(path)
        if kind is not None:
            _bring(request, mark(number) + content)
        self._books.remember(number, workspace, proof, kind or path)
        response = _send(adapter, request, **options)
        if kind is not None and 200 <= response.status_code < 300:
            self._books.taken(number)
        return response

    def _answered(
        self,
        call: Call,
        adapter: requests.adapters.HTTPAdapter,
        request: requests.PreparedRequest,
        **options: Any,
    ) -> requests.Response:
        """What Braze might post: the answer says what must be in Kafka."""
        _bring(request, call.content)
        request.headers["Content-Type"] = f"application/json; call={call.number}"
        self._books.send(call)
        response = _send(adapter, request, **options)
        self._books.answered(call, response.status_code, response.content)
        return response

    def _note(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.NonFatalError | events.FatalError):
            self._books.breach("complaints of schemathesis", repr(event))
        if not isinstance(event, events.ScenarioFinished):
            return
        for case_id, checks in event.recorder.checks.items():
            for check in checks:
                self._books.counts["checks of schemathesis"] += 1
                if check.failure_info is not None:
                    case, failure = event.recorder.cases[case_id].value, check.failure_info.failure
                    said = f"{check.name}: {case.method} {case.formatted_path}: {failure.title}: {failure.message}"
                    self._books.breach("complaints of schemathesis", said)


def _led_by(path: str) -> tuple[str, str | None]:
    """Which workspace a path names, and which of the document's paths it is."""
    before, _, rest = path.partition("/callbacks/")
    workspace, slash, last = rest.partition("/")
    kind = {("", ""): CALLBACK, ("/", "viewer"): VIEWER}.get((slash, last))
    return workspace, kind if not before and workspace else None


def _bring(request: requests.PreparedRequest, content: bytes) -> None:
    request.body = content
    request.prepare_content_length(content)


def _braze_call(
    number: int, path: str, request: requests.PreparedRequest, proof: Proof, content: bytes
) -> Call | None:
    """None for what goes elsewhere."""
    workspace, braze = brazecalls.led_by(path)
    if braze is None:
        return None
    posted = brazebodies.of_any(number, content, is_array=workspace == CAMPAIGN)
    method = request.method or ""
    return Call(
        number,
        braze,
        method,
        workspace,
        proof,
        plain=False,
        head=f"{method} {path}".encode(),
        body=posted.content,
        content=posted.content,
        items=posted.items,
    )
