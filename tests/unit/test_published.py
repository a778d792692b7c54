from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import replace
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from hypothesis import given
from hypothesis import strategies as st

from connector.deadletter import MIN_MESSAGE_BYTES
from connector.published import (
    MAX_ID_BYTES,
    OUTCOME_TYPES,
    VideoReady,
    outcome_message,
    video_event_id,
    video_ready_message,
)
from connector.types import Message, Outcome, OutcomeKind, Reason, Record

NOW = 1_763_724_660.25
RECORD = Record("customer-events", 3, 41, 1_763_724_650_007, b"cust-1", b'{"id": "12345"}')
ACCEPTED = Outcome(
    kind=OutcomeKind.ACCEPTED,
    reason=Reason.CREATED,
    status=201,
    attempts=2,
    first_attempt_at=NOW - 1,
    last_attempt_at=NOW,
)
VIDEO = VideoReady(
    id="12345", found_by="callback", received_at=NOW, raw=b"{}", player_url="https://player.seen.io/v/x"
)

any_text = st.text(st.characters())  # lone surrogates too
records = st.builds(
    Record,
    topic=st.just("t"),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**63 - 1),
    key=st.none() | st.binary() | st.integers(0, 9).map(lambda more: b"k" * (MAX_ID_BYTES + more)),
    value=st.none() | st.binary(),
    headers=st.lists(
        st.tuples(st.sampled_from(["traceparent", "other"]), st.none() | st.binary(max_size=300))
    ).map(tuple),
)
outcomes = st.builds(
    Outcome,
    kind=st.sampled_from(list(OUTCOME_TYPES)),
    reason=st.sampled_from(list(Reason)),
    detail=any_text,
    status=st.none() | st.integers(100, 599),
    attempts=st.integers(0, 10**6),
    first_attempt_at=st.none() | st.floats(0, 4e9),
    last_attempt_at=st.none() | st.floats(0, 4e9),
)
videos = st.builds(
    VideoReady,
    id=st.text(min_size=1),
    found_by=st.sampled_from(["callback", "reconciliation"]),
    received_at=st.floats(0, 4e9),
    raw=st.just(b"{}"),
    player_url=st.none() | st.text(),
    landing_page_url=st.none() | st.text(),
    campaign_slug=st.none() | st.text(),
)


def attributes_of(message: Message) -> dict[str, Any]:
    assert message.value is not None
    event = from_binary_event(KafkaMessage(headers_of(message), None, message.value))
    return event.get_attributes()


def headers_of(message: Message) -> dict[str, bytes]:
    return {name: value for name, value in message.headers if value is not None}


def data_of(message: Message) -> dict[str, Any]:
    assert message.value is not None
    data = orjson.loads(message.value)
    assert isinstance(data, dict)
    return data


def test_an_accepted_outcome_is_a_cloudevent_named_by_its_origin() -> None:
    message = outcome_message("acme", RECORD, "12345", ACCEPTED, now=0)
    attributes = attributes_of(message)
    assert attributes.pop("time").timestamp() == NOW
    assert attributes == {
        "specversion": "1.0",
        "type": "seen.data.accepted.v1",
        "source": "/workspaces/acme",
        "id": "customer-events/3/41",
        "subject": "12345",
        "datacontenttype": "application/json",
    }
    assert message.key == b"12345"
    assert data_of(message) == {
        "id": "12345",
        "origin": {
            "topic": "customer-events",
            "partition": 3,
            "offset": 41,
            "timestamp": "2025-11-21T11:30:50.007Z",
            "key": "cust-1",
        },
        "attempts": 2,
        "status": 201,
        "reason": "created",
        "first_attempt_at": "2025-11-21T11:30:59.250Z",
        "last_attempt_at": "2025-11-21T11:31:00.250Z",
    }


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        (OutcomeKind.ACCEPTED, "seen.data.accepted.v1"),
        (OutcomeKind.REJECTED, "seen.data.rejected.v1"),
        (OutcomeKind.EXPIRED, "seen.data.expired.v1"),
    ],
)
def test_each_kind_of_outcome_has_a_type_of_its_own(kind: OutcomeKind, event_type: str) -> None:
    message = outcome_message("acme", RECORD, "1", replace(ACCEPTED, kind=kind), now=0)
    assert attributes_of(message)["type"] == event_type


def test_a_skipped_record_is_not_published() -> None:
    skipped = Outcome(kind=OutcomeKind.SKIPPED, reason=Reason.FILTERED)
    with pytest.raises(ValueError, match="skipped"):
        outcome_message("acme", RECORD, "1", skipped, now=0)


def test_without_an_attempt_the_time_is_now_and_what_is_not_known_is_left_out() -> None:
    rejected = Outcome(kind=OutcomeKind.REJECTED, reason=Reason.NOT_JSON, detail="no JSON")
    record = replace(RECORD, key=None, timestamp_ms=-1)
    message = outcome_message("acme", record, None, rejected, now=NOW)
    assert attributes_of(message)["time"].timestamp() == NOW
    assert "subject" not in attributes_of(message)
    assert message.key is None
    assert data_of(message) == {
        "origin": {"topic": "customer-events", "partition": 3, "offset": 41},
        "attempts": 0,
        "reason": "not_json",
        "detail": "no JSON",
    }


def test_without_an_id_the_key_is_the_records() -> None:
    assert outcome_message("acme", RECORD, None, ACCEPTED, now=0).key == b"cust-1"


def test_a_key_that_is_no_text_is_given_as_base64_under_another_name() -> None:
    message = outcome_message("acme", replace(RECORD, key=b"\xff\x00"), None, ACCEPTED, now=0)
    assert message.key == b"\xff\x00"
    origin = data_of(message)["origin"]
    assert "key" not in origin
    assert base64.b64decode(origin["key_base64"]) == b"\xff\x00"


def test_a_huge_key_is_named_by_its_digest() -> None:
    key = b"k" * (MAX_ID_BYTES + 1)
    message = outcome_message("acme", replace(RECORD, key=key), None, ACCEPTED, now=0)
    digest = hashlib.sha256(key).hexdigest()
    assert message.key == digest.encode()
    assert data_of(message)["origin"]["key_sha256"] == digest


@pytest.mark.parametrize("event_id", ["", "i" * (MAX_ID_BYTES + 1)])
def test_an_empty_or_huge_id_counts_as_unknown(event_id: str) -> None:
    message = outcome_message("acme", RECORD, event_id, ACCEPTED, now=0)
    assert "id" not in data_of(message)
    assert message.key == b"cust-1"


def test_traceparent_is_carried_through_and_no_other_header_of_the_record() -> None:
    record = replace(RECORD, headers=(("secret", b"s"), ("traceparent", b"00-4bf9-00f0-01")))
    headers = outcome_message("acme", record, "1", ACCEPTED, now=0).headers
    assert ("traceparent", b"00-4bf9-00f0-01") in headers
    assert "secret" not in dict(headers)


@pytest.mark.parametrize("value", [None, b"", b"00-\xff", b"0" * 257])
def test_a_traceparent_that_readers_would_choke_on_is_left_out(value: bytes | None) -> None:
    record = replace(RECORD, headers=(("traceparent", value),))
    assert "traceparent" not in dict(outcome_message("acme", record, "1", ACCEPTED, now=0).headers)


@given(records, st.none() | any_text, outcomes)
def test_every_outcome_of_every_record_can_be_published_and_is_bounded(
    record: Record, event_id: str | None, outcome: Outcome
) -> None:
    message = outcome_message("acme", record, event_id, outcome, now=NOW)
    assert attributes_of(message)["id"] == record.origin
    assert data_of(message)["reason"] == outcome.reason
    assert message.size < MIN_MESSAGE_BYTES


def test_the_largest_outcome_fits_the_smallest_topic() -> None:
    record = replace(RECORD, key=b"\x01" * MAX_ID_BYTES)  # JSON writes each as six characters
    outcome = replace(ACCEPTED, detail="\x01" * 10_000_000)
    assert outcome_message("acme", record, "\x01" * MAX_ID_BYTES, outcome, now=0).size < MIN_MESSAGE_BYTES


def test_a_video_ready_event_holds_the_fields_that_came_and_the_callback_whole() -> None:
    raw = b'{"id": "12345",  "big": 123456789012345678901234567890, "deep": ' + b"[" * 900 + b"]" * 900 + b"}"
    message = video_ready_message("acme", replace(VIDEO, raw=raw))
    attributes = attributes_of(message)
    assert attributes.pop("time").timestamp() == NOW
    assert attributes == {
        "specversion": "1.0",
        "type": "seen.video.ready.v1",
        "source": "/workspaces/acme",
        "id": video_event_id("acme", VIDEO),
        "subject": "12345",
        "datacontenttype": "application/json",
    }
    assert message.key == b"12345"
    assert message.value is not None
    assert raw in message.value
    data = data_of(message)
    del data["raw"]
    assert data == {
        "id": "12345",
        "player_url": "https://player.seen.io/v/x",
        "found_by": "callback",
        "received_at": "2025-11-21T11:31:00.250Z",
    }


def test_the_id_of_a_video_event_never_changes_between_releases() -> None:
    assert video_event_id("acme", VIDEO) == "1d225336-2d68-5525-b3bd-9df17828db9c"


def test_the_id_of_a_video_event_does_not_depend_on_how_or_when_we_heard_of_it() -> None:
    found = replace(
        VIDEO, found_by="reconciliation", received_at=NOW + 60, raw=b"[]", thumbnail_url="https://t/x.jpg"
    )
    assert video_event_id("acme", found) == video_event_id("acme", VIDEO)


def test_the_landing_page_names_a_video_that_has_no_player() -> None:
    here = replace(VIDEO, player_url=None, landing_page_url="https://a/1")
    there = replace(VIDEO, player_url=None, landing_page_url="https://a/2")
    assert video_event_id("acme", here) != video_event_id("acme", there)


def identity(workspace: str, video: VideoReady) -> tuple[str | None, ...]:
    return workspace, video.campaign_slug, video.id, video.player_url or video.landing_page_url


@given(st.text(), videos, st.text(), videos)
def test_two_videos_have_the_same_event_id_exactly_if_they_are_the_same(
    workspace: str, video: VideoReady, other_workspace: str, other: VideoReady
) -> None:
    same = identity(workspace, video) == identity(other_workspace, other)
    assert (video_event_id(workspace, video) == video_event_id(other_workspace, other)) is same


@given(any_text, st.builds(replace, videos, id=any_text, campaign_slug=st.none() | any_text))
def test_a_video_s_event_id_is_the_uuid5_of_a_json_array(workspace: str, video: VideoReady) -> None:
    """Ids are for ever: what was published by an earlier version must be recognised."""
    namespace = uuid.UUID("e60fa8ef-3a0c-4e42-b272-7e45b2dd94b0")
    link = video.player_url or video.landing_page_url
    name = json.dumps([workspace, video.campaign_slug, video.id, link])
    assert video_event_id(workspace, video) == str(uuid.uuid5(namespace, name))


@given(any_text.filter(bool), any_text)
def test_text_that_utf8_cannot_carry_does_not_stop_a_video(video_id: str, link: str) -> None:
    message = video_ready_message("acme", replace(VIDEO, id=video_id, player_url=link))
    assert data_of(message)["found_by"] == "callback"
