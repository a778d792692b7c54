"""Each answer that SEEN documents, and each way to get none, leads to what the delivery rules say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from connector.sandbox.emulator import Fault
from tests.end_to_end.deployment import headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

HTML_429 = '<!doctype html><meta charset="utf-8"><title>429</title>429 Too Many Requests'
# the fault, once; the outcome's reason, its attempts, and how often SEEN was sent the event
HEALED = {
    "429": (Fault(act="answer", status=429, body=HTML_429, content_type="text/html"), "created", 2, 2),
    "500": (Fault(act="answer", status=500, body="oops"), "created", 2, 2),
    "503": (Fault(act="answer", status=503, body=""), "created", 2, 2),
    "reset-before": (Fault(act="reset", unread=True), "created", 3, 2),
    "reset-after": (Fault(act="reset", processed=True), "found", 2, 1),
    "timeout": (Fault(act="hang"), "created", 3, 2),
    "timeout-after": (Fault(act="hang", processed=True), "found", 2, 1),
}


@pytest.mark.parametrize("name", HEALED)
async def test_a_passing_failure_ends_accepted(deployment: Deployment, seen: Emulator, name: str) -> None:
    fault, reason, attempts, posts = HEALED[name]
    deployment.workspace(
        seen={"timeout_seconds": 0.5, "quota": {"requests": 20, "per_seconds": 1, "grace_seconds": 0.1}}
    )
    seen.fail(fault)
    async with deployment:
        await deployment.running()
        await deployment.produce({"value": b'{"id": "one", "name": "Kari"}'})
        await deployment.settled(1)
    (outcome,) = [orjson.loads(each.value or b"") for each in await deployment.read("outcomes")]
    assert (outcome["reason"], outcome["attempts"]) == (reason, attempts)
    assert sum(arrival.method == "POST" for arrival in seen.arrivals("acme")) == posts
    assert await deployment.read("dead_letters") == []


REFUSED = {
    "400": (
        Fault(act="answer", status=400, body='{"code": "ErrRequestBody", "message": "no"}'),
        "bad_request",
        "400",
    ),
    "500 that says so": (
        Fault(act="answer", status=500, body='{"code": "ErrInvalidRequest", "message": "no"}'),
        "invalid_request",
        "500",
    ),
    "413": (Fault(act="answer", status=413, body="too large"), "refused_by_seen", "413"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refused_event_is_dead_lettered_after_one_attempt(
    deployment: Deployment, seen: Emulator, name: str
) -> None:
    fault, reason, status = REFUSED[name]
    deployment.workspace()
    seen.fail(fault)
    async with deployment:
        await deployment.running()
        await deployment.produce({"key": b"k", "value": b'{"id": "one"}'}, {"value": b'{"id": "two"}'})
        await deployment.settled(2)
    (letter,) = await deployment.read("dead_letters")
    story = headers_of(letter)
    assert (story["seen-dead-letter-reason"], story["seen-dead-letter-status"]) == (reason, status)
    assert story["seen-dead-letter-response"] == fault.body
    assert story["seen-dead-letter-attempts"] == "1"
    assert len(seen.arrivals("acme")) == 2
