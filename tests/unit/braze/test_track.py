"""What Braze's answers to attribute objects mean, one by one, and that every answer there can be has a meaning."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.braze.track import judge_track
from connector.delivery.request import VERDICTS
from connector.http.exchange import Fault, NoResponse, Response
from connector.labels import ATTEMPT_REASONS
from connector.types import Accepted, InDoubt, Reason, Reject, Retry, Suspend, Verdict
from tests.unit.seen.values import JSON_VALUES

QUEUED = (Accepted, Reason.QUEUED)
REFUSED = (Reject, Reason.REFUSED_BY_BRAZE)
IN_DOUBT = (InDoubt, Reason.UNEXPECTED_ANSWER)
BESIDE = (Retry, Reason.OTHERS_REFUSED)
HALVES = (Retry, Reason.BATCH_REFUSED)


def error(index: object, why: str = "'email_subscribe' must be valid", array: str = "attributes") -> object:
    return {"type": why, "input_array": array, "index": index}


def judged(status: int, body: object, items: int = 3, **more: Any) -> list[Verdict]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return judge_track(Response(status, raw, "excerpt", **more), items)


def kinds(verdicts: list[Verdict]) -> list[tuple[type[Verdict], Reason]]:
    return [(type(each), each.reason) for each in verdicts]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, {"message": "success", "attributes_processed": 3}),
        (201, {"message": "success"}),
        (201, {"message": "success", "errors": None}),
        (201, {"message": "success", "errors": []}),
        (201, {"attributes_processed": 3}),
        (202, {"message": "queued"}),
    ],
)
def test_what_braze_has_queued_is_accepted(status: int, body: object) -> None:
    assert judged(status, body) == [Accepted(reason=Reason.QUEUED, status=status)] * 3


def test_an_object_that_braze_names_is_refused_with_its_own_words_and_the_others_are_accepted() -> None:
    verdicts = judged(201, {"message": "success", "attributes_processed": 2, "errors": [error(1)]})
    assert kinds(verdicts) == [QUEUED, REFUSED, QUEUED]
    assert "'email_subscribe' must be valid" in verdicts[1].detail
    assert verdicts[1].response == orjson.dumps([error(1)]).decode()


def test_an_object_that_braze_names_twice_is_told_both_faults() -> None:
    first, *_ = judged(201, {"message": "success", "errors": [error(0, "too long"), error(0, "no string")]})
    assert ("too long" in first.detail, "no string" in first.detail) == (True, True)


@pytest.mark.parametrize(
    "stray",
    [
        error(3),
        error(-1),
        error(True),
        error("0"),
        error(0.0),
        error(None),
        error(0, array="events"),
        {"type": "of no array", "index": 0},
        "a minor error message",
        None,
    ],
)
def test_an_error_that_names_no_object_of_ours_leaves_the_others_in_doubt(stray: object) -> None:
    body = {"message": "success", "errors": [error(1), stray]}
    assert kinds(judged(201, body)) == [IN_DOUBT, REFUSED, IN_DOUBT]
    counted = body | {"attributes_processed": 2}
    assert kinds(judged(201, counted)) == [QUEUED, REFUSED, QUEUED]
    miscounted = body | {"attributes_processed": 1}
    assert kinds(judged(201, miscounted)) == [IN_DOUBT, REFUSED, IN_DOUBT]


def test_errors_that_are_no_list_name_nothing_either() -> None:
    assert kinds(judged(201, {"message": "success", "errors": "one is wrong"})) == [IN_DOUBT] * 3


def test_in_a_request_of_one_object_an_error_that_names_none_can_be_about_nothing_else() -> None:
    (verdict,) = judged(201, {"message": "success", "errors": ["the id is blacklisted"]}, 1)
    assert kinds([verdict]) == [REFUSED]
    assert "the id is blacklisted" in verdict.detail
    queued = {"message": "success", "attributes_processed": 1, "errors": ["a warning"]}
    assert kinds(judged(201, queued, 1)) == [QUEUED]


@pytest.mark.parametrize(
    "body", [b"", b"<html>created</html>", b"[]", b'"success"', b"{}", {"message": "failure"}, {"message": 1}, b"[" * 100_000]
)  # fmt: skip
def test_a_success_that_cannot_be_read_is_none(body: object) -> None:
    assert kinds(judged(201, body)) == [IN_DOUBT] * 3


def test_what_is_named_is_refused_although_the_rest_cannot_be_read() -> None:
    assert kinds(judged(201, {"errors": [error(2)]})) == [IN_DOUBT, IN_DOUBT, REFUSED]


def test_a_refusal_that_names_the_faulty_has_the_others_sent_again_without_them() -> None:
    verdicts = judged(400, {"message": "Valid data must be provided", "errors": [error(0), error(2)]})
    assert kinds(verdicts) == [REFUSED, BESIDE, REFUSED]
    assert kinds(judged(400, {"errors": [error(0)]}, 1)) == [REFUSED]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", {"message": "Max Input Length Exceeded"}, {"errors": []}, {"errors": [error(0), error(7)]}]
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_that_names_nobody_is_halved_until_it_is_of_one(status: int, body: object) -> None:
    assert kinds(judged(status, body)) == [HALVES] * 3
    assert kinds(judged(status, body, 2)) == [HALVES] * 2
    alone = Reason.REFUSED_BY_BRAZE if status == 413 else Reason.BAD_REQUEST
    assert kinds(judged(status, body, 1)) == [(Reject, alone)]


def test_who_is_refused_alone_is_told_brazes_message() -> None:
    (verdict,) = judged(400, {"message": "Max Input Length Exceeded"}, 1)
    assert (verdict.detail, verdict.response) == ("Braze answered 400 (Max Input Length Exceeded)", "excerpt")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.UNAUTHENTICATED),
        (403, Reason.FORBIDDEN),
        (404, Reason.UNKNOWN_WORKSPACE),
        (307, Reason.REDIRECTED),
    ],
)
def test_a_key_that_is_refused_is_not_the_events_fault(status: int, reason: Reason) -> None:
    assert (
        kinds(judged(status, {"message": "Invalid API key", "errors": [error(0)]})) == [(Suspend, reason)] * 3
    )


@pytest.mark.parametrize(
    ("after", "reset", "hold"),
    [(None, None, None), (7.0, None, 7.0), (None, 2.5, 2.5), (7.0, 2.5, 7.0), (None, 0.0, None)],
)
def test_over_the_limit_waits_as_braze_asks(
    after: float | None, reset: float | None, hold: float | None
) -> None:
    verdicts = judged(429, {"message": "Rate limited"}, retry_after_seconds=after, reset_seconds=reset)
    assert [(type(each), each.reason, getattr(each, "hold_seconds", ...)) for each in verdicts] == [
        (Retry, Reason.OVER_QUOTA, hold)
    ] * 3


@pytest.mark.parametrize(
    ("status", "reason", "outage"),
    [
        (500, Reason.SERVER_ERROR, False),
        (502, Reason.UNAVAILABLE, True),
        (503, Reason.UNAVAILABLE, True),
        (408, Reason.NOT_READY, False),
        (425, Reason.NOT_READY, False),
    ],
)
def test_a_failure_of_braze_is_tried_again(status: int, reason: Reason, outage: bool) -> None:
    verdicts = judged(status, {"errors": [error(0)]})
    assert [(type(each), each.reason, getattr(each, "outage", ...)) for each in verdicts] == [
        (Retry, reason, outage)
    ] * 3


def test_no_answer_is_in_doubt_and_no_connection_an_outage() -> None:
    timed_out = NoResponse(Fault.TIMED_OUT, "no answer within 30 s")
    assert kinds(judge_track(timed_out, 2)) == [(InDoubt, Reason.TIMED_OUT)] * 2
    assert kinds(judge_track(NoResponse(Fault.NOT_SENT, ""), 1)) == [(Retry, Reason.CANNOT_CONNECT)]


ERRORS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.text(max_size=10),
        "input_array": st.sampled_from(["attributes", "events"]),
        "index": st.integers(-2, 6) | st.booleans(),
    },
)
BODIES = st.one_of(
    st.binary(max_size=60),
    JSON_VALUES.map(orjson.dumps),
    st.fixed_dictionaries(
        {},
        optional={
            "message": st.sampled_from(["success", "queued", "no"]),
            "errors": st.lists(ERRORS | st.text(max_size=5) | st.none(), max_size=6),
            "attributes_processed": st.integers(-1, 6),
        },
    ).map(orjson.dumps),
)
REPLIES = st.one_of(
    st.builds(Response, st.sampled_from([*range(100, 600), 200, 201, 202, 400] * 2), BODIES),
    st.builds(NoResponse, st.sampled_from(Fault), st.just("")),
)


@given(REPLIES, st.integers(1, 5))
@example(Response(201, orjson.dumps({"message": "success", "errors": [{"x": [[[[]]]]}]})), 1)
def test_every_answer_gives_each_object_one_verdict_that_is_known(
    reply: Response | NoResponse, items: int
) -> None:
    verdicts = judge_track(reply, items)
    assert len(verdicts) == items
    for each in verdicts:
        assert isinstance(each, get_args(Verdict))
        assert each.reason in ATTEMPT_REASONS[VERDICTS[type(each)]]
        assert not isinstance(each, Accepted) or (
            isinstance(reply, Response) and reply.status in {200, 201, 202}
        )


@given(
    status=st.sampled_from([200, 201, 202, 400, 413]),
    body=st.fixed_dictionaries(
        {},
        optional={
            "message": st.sampled_from(["success", "queued", "no"]),
            "attributes_processed": st.integers(-1, 6),
        },
    ),
    named=st.sets(st.integers(0, 4), min_size=1),
    strays=st.lists(ERRORS.filter(lambda each: each.get("input_array") != "attributes"), max_size=3),
)
def test_no_object_that_braze_names_is_ever_accepted(
    status: int, body: dict[str, Any], named: set[int], strays: list[object]
) -> None:
    errors = [*strays, *map(error, sorted(named))]
    verdicts = judged(status, body | {"errors": errors}, 5)
    assert not any(isinstance(verdicts[each], Accepted) for each in named)


def test_errors_too_deep_to_be_written_again_are_no_crash() -> None:
    deep = (
        b'{"message":"success","errors":[{"input_array":"attributes","index":0,"type":'
        + b"[" * 300
        + b"]" * 300
        + b"}]}"
    )
    refused, queued = judged(201, deep, 2)
    assert kinds([refused, queued]) == [REFUSED, QUEUED]
    assert (refused.detail, refused.response) == ("Braze answered 201 (excerpt)", "excerpt")
