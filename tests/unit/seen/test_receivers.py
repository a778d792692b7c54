"""What SEEN's answers to a batch of receivers mean, item by item, and that every answer there can be has a meaning."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.delivery.request import VERDICTS
from connector.http.exchange import Fault, NoResponse, Response
from connector.labels import ATTEMPT_REASONS
from connector.seen.receivers import judge_receivers
from connector.seen.verdict import Exchange, NoToken
from connector.types import Accepted, InDoubt, Reason, Reject, Retry, Suspend, Verdict
from tests.unit.seen.values import JSON_VALUES

EXISTS = {"customer_id": ["A receiver with this ID already exists."]}
NO_NAME = {"first_name": ["This field is required."]}


def judged(status: int, body: object, items: int = 3, *, takes_existing: bool = True) -> list[Verdict]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return judge_receivers(Response(status, raw, "excerpt"), items, takes_existing=takes_existing)


def kinds(verdicts: list[Verdict]) -> list[tuple[type[Verdict], Reason]]:
    return [(type(each), each.reason) for each in verdicts]


@pytest.mark.parametrize("body", [b"", b"[]", b"created", orjson.dumps([{"first_name": "John"}] * 3)])
def test_201_has_created_all_of_them_whatever_it_says(body: bytes) -> None:
    assert judged(201, body) == [Accepted(reason=Reason.CREATED, status=201)] * 3


def test_the_documents_example_refuses_the_second_alone() -> None:
    verdicts = judged(400, [{}, EXISTS, {}])
    beside = (Retry, Reason.OTHERS_REFUSED)
    assert kinds(verdicts) == [beside, (Accepted, Reason.ALREADY_EXISTS), beside]
    refused = judged(400, [{}, EXISTS, {}], takes_existing=False)
    assert kinds(refused) == [beside, (Reject, Reason.ALREADY_EXISTS), beside]
    assert "A receiver with this ID already exists." in refused[1].response


def test_a_faulty_item_is_refused_with_seens_own_messages() -> None:
    verdicts = judged(400, [NO_NAME, {}, {}])
    assert kinds(verdicts)[0] == (Reject, Reason.BAD_REQUEST)
    assert (verdicts[0].status, "This field is required." in verdicts[0].detail) == (400, True)
    assert verdicts[0].response == orjson.dumps(NO_NAME).decode()


@pytest.mark.parametrize(
    "errors",
    [
        EXISTS | NO_NAME,
        {"customer_id": ["A receiver with this ID already exists.", "Too long."]},
        {"customer_id": ["Too long."]},
        {"customer_id": "A receiver with this ID already exists."},
        {"customer_id": []},
        {"customer_id": 7},
        {"phone": ["A receiver with this phone already exists."]},
    ],
)
def test_one_that_has_another_fault_too_does_not_count_as_existing(errors: dict[str, Any]) -> None:
    assert kinds(judged(400, [errors], 1)) == [(Reject, Reason.BAD_REQUEST)]


@pytest.mark.parametrize(
    "body",
    [
        [{}, {}, {}],
        [{}, NO_NAME],
        [{}, NO_NAME, {}, {}],
        [{}, None, NO_NAME],
        {"detail": "no"},
        b"",
        b"<html>",
        b"[" * 100_000,
        None,
    ],
)
def test_a_refusal_in_a_foreign_shape_says_nothing_of_one_item_and_is_no_guess(body: object) -> None:
    assert kinds(judged(400, body)) == [(Retry, Reason.BATCH_REFUSED)] * 3
    if body != [{}, NO_NAME]:
        assert kinds(judged(400, body, 1)) == [(Reject, Reason.BAD_REQUEST)]


def test_regression_messages_that_nest_too_deep_to_be_written_are_shown_as_they_came() -> None:
    deep = b'[{"first_name":' + b"[" * 300 + b"]" * 300 + b"}, {}]"
    refused, beside = judged(400, deep, 2)
    assert (type(refused), refused.response) == (Reject, "excerpt")
    assert beside.reason is Reason.OTHERS_REFUSED


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (401, Suspend, Reason.UNAUTHENTICATED),
        (403, Suspend, Reason.FORBIDDEN),
        (404, Suspend, Reason.UNKNOWN_WORKSPACE),
        (302, Suspend, Reason.REDIRECTED),
        (429, Retry, Reason.OVER_QUOTA),
        (408, Retry, Reason.NOT_READY),
        (425, Retry, Reason.NOT_READY),
        (500, Retry, Reason.SERVER_ERROR),
        (503, Retry, Reason.UNAVAILABLE),
        (409, InDoubt, Reason.CONFLICT),
        (200, InDoubt, Reason.UNEXPECTED_ANSWER),
        (204, InDoubt, Reason.UNEXPECTED_ANSWER),
        (413, Retry, Reason.BATCH_REFUSED),
    ],
)
def test_an_answer_that_is_not_about_items_is_about_all_of_them(
    status: int, kind: type[Verdict], reason: Reason
) -> None:
    assert kinds(judged(status, b"")) == [(kind, reason)] * 3


def test_errors_for_each_item_are_documented_for_a_400_alone() -> None:
    assert kinds(judged(422, [NO_NAME, {}, {}])) == [(Retry, Reason.BATCH_REFUSED)] * 3


def test_one_that_is_alone_is_refused_where_a_batch_would_be_halved() -> None:
    assert kinds(judged(413, b"", 1)) == [(Reject, Reason.REFUSED_BY_SEEN)]
    (refused,) = judged(422, {"message": "the film is over"}, 1)
    assert (type(refused), refused.reason) == (Reject, Reason.BAD_REQUEST)
    assert refused.detail == "SEEN answered 422 (the film is over)"


STATUSES = st.integers(100, 599)
BODIES = st.binary(max_size=60) | st.one_of(
    JSON_VALUES, st.lists(st.sampled_from([{}, EXISTS, NO_NAME, None, 7]), max_size=4)
).map(lambda value: orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))
NOBODY = st.sampled_from([NoResponse(fault, "lost") for fault in Fault])
EXCHANGES = (
    st.builds(Response, STATUSES, BODIES, st.just(""), st.none() | st.floats(0, 1e6))
    | NOBODY
    | st.builds(NoToken, NOBODY | st.builds(Response, STATUSES, BODIES))
)


@given(EXCHANGES, st.integers(1, 4), st.booleans())
@example(Response(400, orjson.dumps([{}, EXISTS])), 2, True)
def test_every_answer_has_a_verdict_for_each_item_that_metrics_know(
    exchange: Exchange, items: int, takes_existing: bool
) -> None:
    verdicts = judge_receivers(exchange, items, takes_existing=takes_existing)
    assert len(verdicts) == items
    for verdict in verdicts:
        assert isinstance(verdict, get_args(Verdict))
        assert verdict.reason in ATTEMPT_REASONS[VERDICTS[type(verdict)]]
    gone = [each for each in verdicts if each.reason is Reason.OTHERS_REFUSED]
    assert len(gone) < items, "nothing would ever be different the next time"
