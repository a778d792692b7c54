"""What the topics say: every event that the connector publishes is read back, everything else is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.published import (
    VideoOverdue,
    VideoReady,
    outcome_message,
    video_event_id,
    video_overdue_message,
    video_ready_message,
)
from connector.types import Message, Outcome, OutcomeKind, Reason, Record
from connector.videos.facts import WasAccepted, WasOverdue, WasReady, fact_of

NOW = 1_795_260_660.25
SOURCE = Record("customer-events", 3, 41, 0, b"k", b"{}")
VIDEO = VideoReady(id="12345", found_by="callback", received_at=NOW, raw=b"{}", player_url="https://p/v")


def outcome(kind: OutcomeKind, event_id: str | None = "12345") -> Message:
    ended = Outcome(kind=kind, reason=Reason.CREATED, attempts=1, first_attempt_at=NOW, last_attempt_at=NOW)
    return outcome_message("acme", SOURCE, event_id, ended, now=NOW)


def record_of(message: Message) -> Record:
    return Record("t", 0, 0, 0, message.key, message.value, message.headers)


ACCEPTED = record_of(outcome(OutcomeKind.ACCEPTED))


def test_an_accepted_outcome_says_that_its_id_was_accepted() -> None:
    assert fact_of(ACCEPTED, "acme") == WasAccepted("12345", NOW)


@pytest.mark.parametrize("found_by", ["callback", "reconciliation"])
def test_a_video_says_that_it_is_ready_and_how_it_was_found(
    found_by: Literal["callback", "reconciliation"],
) -> None:
    video = replace(VIDEO, found_by=found_by)
    fact = fact_of(record_of(video_ready_message("acme", video)), "acme")
    assert fact == WasReady("12345", NOW, video_event_id("acme", video), found_by == "reconciliation")


def test_a_video_whose_callback_nests_as_deep_as_the_parser_goes_is_ready_all_the_same() -> None:
    video = replace(VIDEO, raw=b'{"a":' * 1023 + b"1" + b"}" * 1023)
    fact = fact_of(record_of(video_ready_message("acme", video)), "acme")
    assert fact == WasReady("12345", NOW, video_event_id("acme", video), reconciled=False)


def test_an_overdue_report_says_when_seen_was_asked() -> None:
    message = video_overdue_message("acme", VideoOverdue("12345", NOW - 86_400, NOW))
    assert fact_of(record_of(message), "acme") == WasOverdue("12345", NOW, NOW - 86_400)


@pytest.mark.parametrize("kind", [OutcomeKind.REJECTED, OutcomeKind.EXPIRED])
def test_other_outcomes_say_nothing(kind: OutcomeKind) -> None:
    assert fact_of(record_of(outcome(kind)), "acme") is None


def test_an_outcome_without_an_id_and_one_of_another_workspace_say_nothing() -> None:
    assert fact_of(record_of(outcome(OutcomeKind.ACCEPTED, None)), "acme") is None
    assert fact_of(ACCEPTED, "acm") is None


@given(
    st.sampled_from(["ce_type", "ce_source", "ce_id", "ce_time", "ce_subject", "other"]),
    st.none() | st.binary(max_size=20) | st.sampled_from([b"9999-12-31T23:59:59-23:59", b"\xff"]),
    st.none() | st.binary(max_size=20),
)
def test_whatever_stands_in_the_topic_nothing_is_raised(
    name: str, header: bytes | None, value: bytes | None
) -> None:
    for message in (
        outcome(OutcomeKind.ACCEPTED),
        video_ready_message("acme", VIDEO),
        video_overdue_message("acme", VideoOverdue("12345", NOW, NOW)),
    ):
        headers = dict(message.headers) | {name: header}
        fact_of(Record("t", 0, 0, 0, None, message.value, tuple(headers.items())), "acme")
        fact_of(Record("t", 0, 0, 0, None, value, message.headers), "acme")
