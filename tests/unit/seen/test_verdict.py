"""What SEEN's answers mean: each line of the table of verdicts, and that every answer there can be has one."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.delivery.request import VERDICTS
from connector.http.exchange import Fault, NoResponse, Response
from connector.labels import ATTEMPT_REASONS
from connector.seen.verdict import Exchange, NoToken, judge, sight
from connector.types import Absent, Accepted, InDoubt, Reason, Reject, Retry, Sighting, Suspend, Verdict
from tests.unit.seen.values import JSON_VALUES

HTML_429 = (
    b'<!doctype html><meta charset="utf-8"><meta name=viewport content="width=device-width, initial-scale=1">'
    b"<title>429</title>429 Too Many Requests"
)


def error(code: str, message: str) -> bytes:
    return orjson.dumps({"code": code, "message": message})


REQUEST_BODY = error("ErrRequestBody", "a JSON object is expected")
UNAUTHENTICATED = error("ErrUnauthenticated", "api key invalid")
INVALID_REQUEST = error("ErrInvalidRequest", "ID must be a string")
NOT_FOUND = error("ErrNotFound", "workspace not found")
CREATED = b'{"id": "12345", "values": {"first_name": "John"}}'
FOREIGN = b'{"id": "54321", "values": {"first_name": "John"}}'
INTEGER_ID = b'{"id": 12345, "values": {}}'

# Bodies that say nothing: whatever the status is, they must not change what it means.
MUTE = [
    b"",
    b"not json",
    HTML_429,
    b"null",
    b"[]",
    b'[{"id": "12345", "code": "ErrInvalidRequest"}]',
    b'"12345"',
    b"{",
    b"\xff\xfe",
    b'{"id": null}',
    b'{"code": null, "message": ["ErrInvalidRequest"]}',
    b'{"error": {"code": "ErrInvalidRequest"}}',
    b'{"code": "errinvalidrequest"}',
    b"[" * 100_000,
    b'{"id": "12345", "message": "' + b"x" * 1_000_000,
    FOREIGN,
    INTEGER_ID,
]


# Each documented answer, and each line of the table. Status, body; the verdict's kind and reason.
ANSWERS: list[tuple[int, bytes, type[Verdict], Reason]] = [
    (201, CREATED, Accepted, Reason.CREATED),
    (200, CREATED, Accepted, Reason.CREATED),
    (201, b'{"id": "12345"}', Accepted, Reason.CREATED),
    (201, FOREIGN, InDoubt, Reason.UNEXPECTED_ANSWER),
    (201, INTEGER_ID, InDoubt, Reason.UNEXPECTED_ANSWER),
    (201, b"created", InDoubt, Reason.UNEXPECTED_ANSWER),
    (200, b"[" + CREATED + b"]", InDoubt, Reason.UNEXPECTED_ANSWER),
    (202, CREATED, InDoubt, Reason.UNEXPECTED_ANSWER),
    (204, b"", InDoubt, Reason.UNEXPECTED_ANSWER),
    (409, error("ErrConflict", "exists"), InDoubt, Reason.CONFLICT),
    (409, b"", InDoubt, Reason.CONFLICT),
    (400, REQUEST_BODY, Reject, Reason.BAD_REQUEST),
    (400, b"", Reject, Reason.BAD_REQUEST),
    (422, b"", Reject, Reason.BAD_REQUEST),
    (413, b"too large", Reject, Reason.REFUSED_BY_SEEN),
    (415, b"", Reject, Reason.REFUSED_BY_SEEN),
    (405, b"", Reject, Reason.REFUSED_BY_SEEN),
    (451, CREATED, Reject, Reason.REFUSED_BY_SEEN),
    (500, INVALID_REQUEST, Reject, Reason.INVALID_REQUEST),
    (401, UNAUTHENTICATED, Suspend, Reason.UNAUTHENTICATED),
    (401, HTML_429, Suspend, Reason.UNAUTHENTICATED),
    (403, b"", Suspend, Reason.FORBIDDEN),
    (404, NOT_FOUND, Suspend, Reason.UNKNOWN_WORKSPACE),
    (404, b"", Suspend, Reason.UNKNOWN_WORKSPACE),
    (301, b"", Suspend, Reason.REDIRECTED),
    (304, b"", Suspend, Reason.REDIRECTED),
    (307, CREATED, Suspend, Reason.REDIRECTED),
    (429, HTML_429, Retry, Reason.OVER_QUOTA),
    (429, INVALID_REQUEST, Retry, Reason.OVER_QUOTA),
    (408, b"", Retry, Reason.NOT_READY),
    (425, b"", Retry, Reason.NOT_READY),
    (500, b"", Retry, Reason.SERVER_ERROR),
    (500, CREATED, Retry, Reason.SERVER_ERROR),
    (500, error("ErrInternal", "oops"), Retry, Reason.SERVER_ERROR),
    (500, b"[" + INVALID_REQUEST + b"]", Retry, Reason.SERVER_ERROR),
    (501, INVALID_REQUEST, Retry, Reason.SERVER_ERROR),
    (502, b"<html>", Retry, Reason.UNAVAILABLE),
    (503, INVALID_REQUEST, Retry, Reason.UNAVAILABLE),
    (504, b"", Retry, Reason.UNAVAILABLE),
    (100, b"", InDoubt, Reason.UNEXPECTED_ANSWER),
    (101, CREATED, InDoubt, Reason.UNEXPECTED_ANSWER),
    (999, CREATED, InDoubt, Reason.UNEXPECTED_ANSWER),
]


@pytest.mark.parametrize(("status", "body", "kind", "reason"), ANSWERS)
def test_each_answer_has_the_verdict_of_the_table(
    status: int, body: bytes, kind: type[Verdict], reason: Reason
) -> None:
    verdict = judge(Response(status, body, "excerpt"), "12345")
    assert (type(verdict), verdict.reason, verdict.status) == (kind, reason, status)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.NOT_SENT, Retry(reason=Reason.CANNOT_CONNECT, detail="why", outage=True, unsent=True)),
        (Fault.TIMED_OUT, InDoubt(reason=Reason.TIMED_OUT, detail="why")),
        (Fault.LOST, InDoubt(reason=Reason.CONNECTION_LOST, detail="why")),
    ],
)
def test_each_way_to_get_no_answer_has_the_verdict_of_the_table(fault: Fault, expected: Verdict) -> None:
    assert judge(NoResponse(fault, "why"), "12345") == expected
    assert sight(NoResponse(fault, "why"), {"id": "12345"}) == expected


INVALID_CLIENT = b'{"error": "invalid_client", "error_description": "no such client"}'
WITHOUT_TOKEN: list[tuple[Response | NoResponse, Verdict]] = [
    (
        Response(401, INVALID_CLIENT, "excerpt", 30),
        Suspend(
            reason=Reason.UNAUTHENTICATED,
            detail="no access token: the token endpoint answered 401 invalid_client",
            status=401,
            unsent=True,
        ),
    ),
    (
        Response(302, b""),
        Suspend(
            reason=Reason.REDIRECTED,
            detail="no access token: the token endpoint answered 302",
            status=302,
            unsent=True,
        ),
    ),
    (
        Response(429, HTML_429, "excerpt", 30),
        Retry(
            reason=Reason.UNAVAILABLE,
            detail="no access token: the token endpoint answered 429",
            status=429,
            hold_seconds=30,
            outage=True,
            unsent=True,
        ),
    ),
    (
        NoResponse(Fault.NOT_SENT, "why"),
        Retry(reason=Reason.CANNOT_CONNECT, detail="no access token: why", outage=True, unsent=True),
    ),
    (
        NoResponse(Fault.TIMED_OUT, "why"),
        Retry(reason=Reason.UNAVAILABLE, detail="no access token: why", outage=True, unsent=True),
    ),
    (
        NoResponse(Fault.LOST, "why"),
        Retry(reason=Reason.UNAVAILABLE, detail="no access token: why", outage=True, unsent=True),
    ),
]


@pytest.mark.parametrize(("answer", "expected"), WITHOUT_TOKEN)
def test_each_way_to_get_no_token_has_its_verdict(answer: Response | NoResponse, expected: Verdict) -> None:
    assert judge(NoToken(answer), "12345") == expected
    assert sight(NoToken(answer), {"id": "12345"}) == expected


@pytest.mark.parametrize("body", [INVALID_CLIENT, CREATED, INVALID_REQUEST, b"", b"<html>"])
def test_without_a_token_every_status_is_a_refusal_or_an_outage_whatever_the_body_is(body: bytes) -> None:
    refusals = {}
    for status in range(100, 600):
        verdict = judge(NoToken(Response(status, body)), "12345")
        if isinstance(verdict, Suspend):
            refusals[status] = verdict.reason
        else:
            assert isinstance(verdict, Retry)
            assert (verdict.reason, verdict.outage) == (Reason.UNAVAILABLE, True)
    redirected = dict.fromkeys(range(300, 400), Reason.REDIRECTED)
    refused = dict.fromkeys(set(range(400, 500)) - {408, 425, 429}, Reason.UNAUTHENTICATED)
    assert refusals == redirected | refused


# The table by status alone: single statuses, then those that begin with a digit, then all others.
BY_STATUS: dict[int, tuple[type[Verdict], Reason]] = {
    400: (Reject, Reason.BAD_REQUEST),
    401: (Suspend, Reason.UNAUTHENTICATED),
    403: (Suspend, Reason.FORBIDDEN),
    404: (Suspend, Reason.UNKNOWN_WORKSPACE),
    408: (Retry, Reason.NOT_READY),
    409: (InDoubt, Reason.CONFLICT),
    422: (Reject, Reason.BAD_REQUEST),
    425: (Retry, Reason.NOT_READY),
    429: (Retry, Reason.OVER_QUOTA),
    502: (Retry, Reason.UNAVAILABLE),
    503: (Retry, Reason.UNAVAILABLE),
    504: (Retry, Reason.UNAVAILABLE),
}
BY_FIRST_DIGIT: dict[int, tuple[type[Verdict], Reason]] = {
    3: (Suspend, Reason.REDIRECTED),
    4: (Reject, Reason.REFUSED_BY_SEEN),
    5: (Retry, Reason.SERVER_ERROR),
}
OTHERWISE: tuple[type[Verdict], Reason] = (InDoubt, Reason.UNEXPECTED_ANSWER)


@pytest.mark.parametrize("body", MUTE, ids=range(len(MUTE)))
def test_where_the_body_says_nothing_every_status_means_what_the_table_says(body: bytes) -> None:
    for status in range(100, 600):
        verdict = judge(Response(status, body), "12345")
        expected = BY_STATUS.get(status, BY_FIRST_DIGIT.get(status // 100, OTHERWISE))
        assert (type(verdict), verdict.reason) == expected, status


CODES = st.sampled_from(["ErrInvalidRequest", "ErrRequestBody", "ErrUnauthenticated", "", "x" * 1000])
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["12345", "54321"]) | JSON_VALUES,
        "code": CODES | JSON_VALUES,
        "message": st.text() | JSON_VALUES,
        "values": st.dictionaries(st.text(), JSON_VALUES, max_size=3) | JSON_VALUES,
    },
)
BODIES = st.one_of(st.sampled_from(MUTE), st.binary(), (OBJECTS | JSON_VALUES).map(orjson.dumps))
ENDINGS: st.SearchStrategy[Response | NoResponse] = st.one_of(
    st.builds(
        Response,
        st.integers(0, 1000),
        BODIES,
        st.text(),
        st.none() | st.floats(0, allow_nan=False),
    ),
    st.builds(NoResponse, st.sampled_from(Fault), st.text()),
)
EXCHANGES: st.SearchStrategy[Exchange] = ENDINGS | st.builds(NoToken, ENDINGS)


@given(exchange=EXCHANGES, sent_id=st.sampled_from(["12345", "x"]) | st.text(min_size=1))
@example(exchange=Response(201, b'{"id":"\\u0031"}'), sent_id="1")
def test_every_exchange_has_a_verdict(exchange: Exchange, sent_id: str) -> None:
    verdict = judge(exchange, sent_id)
    assert isinstance(verdict, get_args(Verdict))
    assert verdict.reason in ATTEMPT_REASONS[VERDICTS[type(verdict)]], "it can be counted"
    assert not isinstance(verdict, Accepted) or (
        isinstance(exchange, Response)
        and exchange.status in (200, 201)
        and orjson.loads(exchange.body)["id"] == sent_id
    )


@given(
    exchange=EXCHANGES,
    sent=st.fixed_dictionaries({"id": st.just("12345")}, optional={"a": JSON_VALUES, "b": JSON_VALUES}),
)
def test_every_exchange_has_a_sighting(exchange: Exchange, sent: dict[str, Any]) -> None:
    sighting = sight(exchange, sent)
    assert isinstance(sighting, get_args(Sighting))
    assert sighting.reason in ATTEMPT_REASONS[VERDICTS[type(sighting)]], "it can be counted"
    if isinstance(sighting, Accepted):
        assert isinstance(exchange, Response)
        found = orjson.loads(exchange.body)
        assert (exchange.status, found["id"]) == (200, "12345")
        assert sent.keys() - {"id"} <= (found.get("values") or {}).keys()


# Holds, outages, words


@pytest.mark.parametrize("status", [429, 408, 425, 500, 502, 503, 504])
def test_a_retry_after_holds_the_workspace(status: int) -> None:
    verdict = judge(Response(status, b"", retry_after_seconds=7), "1")
    assert isinstance(verdict, Retry)
    assert verdict.hold_seconds == 7
    without = judge(Response(status, b""), "1")
    assert isinstance(without, Retry)
    assert without.hold_seconds is None


def test_only_502_503_and_504_say_by_themselves_that_seen_is_down() -> None:
    verdicts = {status: judge(Response(status, b""), "1") for status in range(100, 600)}
    outages = [status for status, each in verdicts.items() if isinstance(each, Retry) and each.outage]
    assert outages == [502, 503, 504]


@given(status=st.integers(100, 599), code=CODES)
def test_what_seen_says_in_words_is_told_only_where_the_event_is_rejected(status: int, code: str) -> None:
    body = orjson.dumps({"code": code, "message": "Kari Nordmann is no name"})
    verdict = judge(Response(status, body, "the excerpt"), "1")
    assert ("Kari" in verdict.detail) is isinstance(verdict, Reject)
    assert verdict.response == "the excerpt"
    assert str(status) in verdict.detail
    assert (code in verdict.detail) is (len(code) < 1000)


def test_an_accepted_event_keeps_nothing_of_the_answer() -> None:
    assert judge(Response(201, CREATED, "the excerpt"), "12345") == Accepted(
        reason=Reason.CREATED, status=201
    )


# Look-ups

SENT: dict[str, Any] = {
    "id": "12345",
    "name": "Kari",
    "age": 7,
    "vip": True,
    "tags": {"a": [1, None], "b": 2},
}


def item(**values: object) -> bytes:
    return orjson.dumps({"id": "12345", "journeyOutputs": [], "values": values})


SAME = {name: value for name, value in SENT.items() if name != "id"}
SIGHTINGS: list[tuple[str, int, bytes, type[Sighting], Reason]] = [
    ("the same values", 200, item(**SAME), Accepted, Reason.FOUND),
    ("and more", 200, item(**SAME, more=1), Accepted, Reason.FOUND),
    ("the id among them", 200, item(**SENT), Accepted, Reason.FOUND),
    ("numbers by value", 200, item(**SAME | {"age": 7.0}), Accepted, Reason.FOUND),
    ("members in any order", 200, item(**SAME | {"tags": {"b": 2, "a": [1, None]}}), Accepted, Reason.FOUND),
    ("another value", 200, item(**SAME | {"name": "Ola"}), Absent, Reason.NOT_FOUND),
    ("a truth is no number", 200, item(**SAME | {"vip": 1}), Absent, Reason.NOT_FOUND),
    ("a text is no number", 200, item(**SAME | {"age": "7"}), Absent, Reason.NOT_FOUND),
    ("lists have an order", 200, item(**SAME | {"tags": {"a": [None, 1], "b": 2}}), Absent, Reason.NOT_FOUND),
    ("a longer list", 200, item(**SAME | {"tags": {"a": [1, None, 2], "b": 2}}), Absent, Reason.NOT_FOUND),
    (
        "one more inside",
        200,
        item(**SAME | {"tags": {"a": [1, None], "b": 2, "c": 3}}),
        Absent,
        Reason.NOT_FOUND,
    ),
    ("a value is missing", 200, item(name="Kari"), Absent, Reason.NOT_FOUND),
    ("a null is not a missing value", 200, item(**SAME | {"age": None}), Absent, Reason.NOT_FOUND),
    ("no values at all", 200, b'{"id": "12345"}', Absent, Reason.NOT_FOUND),
    ("values that are none", 200, b'{"id": "12345", "values": ["Kari"]}', Absent, Reason.NOT_FOUND),
    (
        "names for values",
        200,
        b'{"id":"12345","values":["name","age","vip","tags"]}',
        Absent,
        Reason.NOT_FOUND,
    ),
    ("another item", 200, b'{"id": "1", "values": {}}', InDoubt, Reason.UNEXPECTED_ANSWER),
    ("no JSON", 200, b"<html>", InDoubt, Reason.UNEXPECTED_ANSWER),
    ("a list", 200, b"[" + item(**SAME) + b"]", InDoubt, Reason.UNEXPECTED_ANSWER),
    ("created", 201, item(**SAME), InDoubt, Reason.UNEXPECTED_ANSWER),
    ("not there", 404, NOT_FOUND, Absent, Reason.NOT_FOUND),
    ("not there, in HTML", 404, b"<html>", Absent, Reason.NOT_FOUND),
    ("bad key", 401, UNAUTHENTICATED, Suspend, Reason.UNAUTHENTICATED),
    ("forbidden", 403, b"", Suspend, Reason.FORBIDDEN),
    ("redirected", 302, b"", Suspend, Reason.REDIRECTED),
    ("over the quota", 429, HTML_429, Retry, Reason.OVER_QUOTA),
    ("down", 503, b"", Retry, Reason.UNAVAILABLE),
    ("broken", 500, INVALID_REQUEST, Retry, Reason.SERVER_ERROR),
    ("refused", 400, REQUEST_BODY, InDoubt, Reason.UNEXPECTED_ANSWER),
    ("conflict", 409, b"", InDoubt, Reason.UNEXPECTED_ANSWER),
]


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [each[1:] for each in SIGHTINGS],
    ids=[each[0] for each in SIGHTINGS],
)
def test_each_answer_to_a_look_up_says_whether_the_event_is_there(
    status: int, body: bytes, kind: type[Sighting], reason: Reason
) -> None:
    sighting = sight(Response(status, body), SENT)
    assert (type(sighting), sighting.reason, sighting.status) == (kind, reason, status)


def test_a_null_that_was_sent_is_as_good_as_a_property_that_is_not_there() -> None:
    sent = {"id": "12345", "name": None}
    assert isinstance(sight(Response(200, item(name=None)), sent), Accepted)
    assert isinstance(sight(Response(200, item()), sent), Accepted)
    assert isinstance(sight(Response(200, item(name="Ada")), sent), Absent)


@given(values=st.dictionaries(st.text().filter(lambda name: name != "id"), JSON_VALUES, max_size=4))
def test_what_seen_gives_back_as_it_was_sent_is_found(values: dict[str, Any]) -> None:
    sent = {"id": "12345", **values}
    assert isinstance(sight(Response(200, item(**values)), sent), Accepted)


def test_the_deepest_value_that_can_be_sent_is_compared() -> None:
    value: object = 1
    for level in range(250):
        value = {"a": value} if level % 2 else [value]
    assert isinstance(sight(Response(200, item(deep=value)), {"id": "12345", "deep": value}), Accepted)
