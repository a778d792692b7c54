"""Braze over real HTTP: what is sent, what each answer becomes, what the permit is told, and what never leaves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson
import pytest

from connector.braze.client import BrazeClient, BrazeEndpoint
from connector.config.secrets import Redactor
from connector.delivery.batch import BatchLimits
from connector.export.destination import TrackDestination, room_in
from connector.http import exchange as http
from connector.http.exchange import NoResponse, Response
from connector.sandbox.emulator import BrazeSettings, Emulator, EmulatorSettings, Fault, Quota
from connector.testing import FakeClock
from connector.types import Accepted, Event, InDoubt, Reason, Record, Reject, Retry, Suspend
from tests.permits import Permit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "braze-rest-key"
CLOCK = FakeClock(wall=1_800_000_100.0)  # 100 s after a full hour
BODY = b'{"attributes":[{"braze_id":"jane","_update_existing_only":true,"player_url":"https://p/1"}]}'


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    braze = BrazeSettings(keys=(KEY,))
    async with Emulator(EmulatorSettings(workspaces=(), braze=braze), CLOCK) as emulator:
        yield emulator


@asynccontextmanager
async def client(url: str, *, key: str = KEY, seconds: float = 30.0) -> AsyncIterator[BrazeClient]:
    redactor = Redactor()
    redactor.add(key)
    one = BrazeClient(BrazeEndpoint(url, seconds, 4), lambda: key, CLOCK, redactor.clean)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def event(user: str, **attributes: object) -> Event:
    record = Record("seen.acme.videos", 0, 1, 0, None, b"")
    return Event(record, user, user.encode(), orjson.dumps({"braze_id": user, **attributes}))


def destination(client: BrazeClient, key: str = KEY) -> TrackDestination:
    redactor = Redactor()
    redactor.add(key)
    return TrackDestination(client, BatchLimits(75, room_in(4_000_000, 75), 5.0), redactor.clean)


@pytest.mark.parametrize("base", ["", "/"])
async def test_attributes_are_posted_with_the_rest_key(emulator: Emulator, base: str) -> None:
    permit = Permit()
    async with client(emulator.url + base) as braze:
        reply = await braze.track(BODY, permit)
    assert isinstance(reply, Response)
    assert (reply.status, orjson.loads(reply.body)["message"]) == (201, "success")
    assert emulator.braze.attributes == {"jane": {"player_url": "https://p/1"}}
    (arrival,) = emulator.arrivals()
    assert (arrival.method, arrival.path, arrival.body) == ("POST", "/users/track", BODY)


async def test_the_permit_is_told_what_braze_says_is_left(emulator: Emulator) -> None:
    permit = Permit()
    emulator.braze.set_quota(Quota(1, 3600.0))
    async with client(emulator.url) as braze:
        await braze.track(BODY, permit)
        assert (permit.words, permit.remaining and permit.remaining.requests) == (["answered"], 0)
        refused = await braze.track(BODY, Permit())
    assert isinstance(refused, Response)
    assert refused.reset_seconds == 3500.0
    assert permit.remaining is not None
    assert permit.remaining.limit == 1


async def test_what_may_no_longer_leave_is_not_written(emulator: Emulator) -> None:
    permit = Permit(granted=0)
    async with client(emulator.url) as braze:
        reply = await braze.track(BODY, permit)
    fenced = "the right to send ended before the request was written"
    assert reply == NoResponse(http.Fault.FENCED, fenced)
    assert (permit.words, emulator.arrivals()) == (["unused"], [])


async def test_a_connection_that_is_refused_sends_nothing(emulator: Emulator) -> None:
    permit = Permit()
    await emulator.port.go_down()
    async with client(emulator.url) as braze:
        reply = await braze.track(BODY, permit)
    assert isinstance(reply, NoResponse)
    assert (reply.fault, permit.words) == (http.Fault.NOT_SENT, ["unused"])


@pytest.mark.parametrize(
    ("fault", "found"),
    [(Fault(act="hang"), http.Fault.TIMED_OUT), (Fault(act="reset"), http.Fault.LOST)],
)
async def test_a_request_without_an_answer_says_nothing_on_its_permit(
    emulator: Emulator, fault: Fault, found: http.Fault
) -> None:
    emulator.fail(fault)
    permit = Permit()
    async with client(emulator.url, seconds=0.3 if fault.act == "hang" else 30.0) as braze:
        reply = await braze.track(BODY, permit)
    assert isinstance(reply, NoResponse)
    assert (reply.fault, permit.words) == (found, [])


async def test_a_key_that_was_replaced_is_shown_after_it_was_read_anew(emulator: Emulator) -> None:
    keys = [KEY]
    one = BrazeClient(BrazeEndpoint(emulator.url, 30.0, 4), lambda: keys[0], CLOCK, str)
    await one.start()
    keys[0] = "the-next-key"
    emulator.braze.keys = ("the-next-key",)
    before = await one.track(BODY, Permit())
    await destination(one).renew_credentials()
    after = await one.track(BODY, Permit())
    await one.stop()
    assert isinstance(before, Response)
    assert isinstance(after, Response)
    assert (before.status, after.status) == (401, 201)


async def test_a_batch_is_one_request_and_each_event_has_its_verdict(emulator: Emulator) -> None:
    emulator.braze.refusals = {"john": "'player_url' must be a string"}
    events = [event("jane", player_url="https://p/1"), event("john", player_url=1), event("jim", player_url="https://p/3")]  # fmt: skip
    async with client(emulator.url) as braze:
        verdicts = await destination(braze).send(events, Permit())
    assert [(type(each), each.reason) for each in verdicts] == [
        (Accepted, Reason.QUEUED),
        (Reject, Reason.REFUSED_BY_BRAZE),
        (Accepted, Reason.QUEUED),
    ]
    assert "'player_url' must be a string" in verdicts[1].detail
    (request,) = emulator.braze.requests
    assert request.objects == tuple(orjson.loads(each.body) for each in events)
    assert emulator.braze.attributes == {
        "jane": {"player_url": "https://p/1"},
        "jim": {"player_url": "https://p/3"},
    }


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (Fault(status=503), Retry, Reason.UNAVAILABLE),
        (Fault(status=500, body="oops"), Retry, Reason.SERVER_ERROR),
        (Fault(status=201, body="<html>"), InDoubt, Reason.UNEXPECTED_ANSWER),
        (Fault(status=202, body='{"message": "queued"}'), Accepted, Reason.QUEUED),
        (Fault(status=400, body="no"), Reject, Reason.BAD_REQUEST),
        (Fault(status=404, body='{"message": "no"}'), Suspend, Reason.UNKNOWN_WORKSPACE),
        (Fault(status=307, headers={"Location": "/users/track"}), Suspend, Reason.REDIRECTED),
        (Fault(status=429, headers={"Retry-After": "7"}), Retry, Reason.OVER_QUOTA),
    ],
)
async def test_each_answer_has_its_verdict(
    emulator: Emulator, fault: Fault, kind: type[object], reason: Reason
) -> None:
    emulator.fail(fault)
    async with client(emulator.url) as braze:
        (verdict,) = await destination(braze).send([event("jane", a=1)], Permit())
    assert (type(verdict), verdict.reason) == (kind, reason)
    assert not isinstance(verdict, Retry) or verdict.hold_seconds == (7.0 if fault.status == 429 else None)


async def test_a_key_that_braze_repeats_is_in_no_verdict(emulator: Emulator) -> None:
    wrong = "a-key-that-braze-does-not-know"
    async with client(emulator.url, key=wrong) as braze:
        (verdict,) = await destination(braze, wrong).send([event("jane", a=1)], Permit())
        # Where an error that goes to a dead letter repeats it, likewise.
        error = {"type": wrong, "input_array": "attributes", "index": 0}
        emulator.fail(
            Fault(status=201, body=orjson.dumps({"message": "success", "errors": [error]}).decode())
        )
        (refused,) = await destination(braze, wrong).send([event("jane", a=1)], Permit())
    assert isinstance(verdict, Suspend)
    assert verdict.response == '{"message":"Invalid API key: ***"}'
    assert isinstance(refused, Reject)
    assert (wrong in refused.detail, wrong in refused.response) == (False, False)


async def test_a_key_that_lies_across_the_end_of_what_is_shown_is_not_shown_in_part(
    emulator: Emulator,
) -> None:
    async with client(emulator.url) as braze:
        for before in (*range(540, 600, 5), *range(1_950, 2_060, 5)):
            emulator.braze.refusals = {"jane": "x" * before + KEY + "x" * 3_000}
            events = [event("jane", a=1), event("john", a=1)]
            refused, _ = await destination(braze).send(events, Permit())
            assert isinstance(refused, Reject)
            assert not any(KEY[:4] in shown for shown in (refused.detail, refused.response))
            assert (len(refused.detail), len(refused.response)) == (600, 2_048)


async def test_nothing_is_looked_up(emulator: Emulator) -> None:
    async with client(emulator.url) as braze:
        with pytest.raises(ValueError, match="not looked up"):
            await destination(braze).look_up(event("jane", a=1), Permit())


async def test_a_client_that_was_not_started_says_so(emulator: Emulator) -> None:
    one = BrazeClient(BrazeEndpoint(emulator.url, 30.0, 4), lambda: KEY, CLOCK, str)
    with pytest.raises(RuntimeError, match="not started"):
        await one.track(BODY, Permit())
    await one.stop()


def test_what_a_request_holds_fits_into_braze_s_limit() -> None:
    items, limit = 75, 4_000_000
    body = b'{"attributes":[' + b",".join([b""] * items) + b"]}"
    assert len(body) + room_in(limit, items) == limit
