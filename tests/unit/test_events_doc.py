"""docs/events.md shows what the code writes: each example is made here again, by the code, and looked for there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from connector.deadletter import (
    PREFIX,
    RefusedCallback,
    callback_dead_letter,
    callback_without_body,
    dead_letter,
    without_value,
)
from connector.published import (
    VideoOverdue,
    VideoReady,
    ViewerEvent,
    outcome_message,
    video_overdue_message,
    video_ready_message,
    viewer_message,
)
from connector.types import Message, Outcome, OutcomeKind, Reason, Record, ViewerAct

DOC = Path(__file__).parents[2].joinpath("docs", "events.md").read_text()
NOW = 1_795_260_660.25
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

RECORD = Record(
    topic="customer-events",
    partition=3,
    offset=41,
    timestamp_ms=1_795_260_659_007,
    key=b"cust-12345",
    value=b'{"customer": {"id": "12345"}}',
    headers=(("traceparent", TRACE),),
)
ACCEPTED = Outcome(
    kind=OutcomeKind.ACCEPTED,
    reason=Reason.CREATED,
    status=201,
    attempts=2,
    first_attempt_at=NOW - 1,
    last_attempt_at=NOW,
)
REJECTED = Outcome(
    kind=OutcomeKind.REJECTED,
    reason=Reason.INVALID_REQUEST,
    detail="SEEN answered 500 ErrInvalidRequest (ID must be a string)",
    status=500,
    response='{"code": "ErrInvalidRequest", "message": "ID must be a string"}',
    attempts=1,
    first_attempt_at=NOW,
    last_attempt_at=NOW,
)
EXPIRED = Outcome(
    kind=OutcomeKind.EXPIRED,
    reason=Reason.GAVE_UP,
    detail="gave up after 3600 s and 61 attempts; the last one: SEEN answered 500",
    status=500,
    attempts=61,
    first_attempt_at=NOW - 3600,
    last_attempt_at=NOW,
)
VIDEO = VideoReady(
    id="12345",
    found_by="callback",
    received_at=NOW,
    raw=b'{"id": "12345", "player_url": "player.seen.io/v/eHmnkM2wqAWc"}',
    player_url="https://player.seen.io/v/eHmnkM2wqAWc",
)
WATCHED = ViewerEvent(
    act=ViewerAct.VIDEO_WATCHED,
    id="12345",
    received_at=NOW,
    raw=b'{"event": "video-watched", "id": "12345", "at": "2026-11-21T11:30:58Z"}',
)
CALLBACK = RefusedCallback(
    body=b"<xml/>",
    reason=Reason.CALLBACK_NOT_JSON,
    detail="the body is not JSON",
    content_type="application/json",
    received_at=NOW,
)
EXAMPLES = {
    "accepted": outcome_message("acme", RECORD, "12345", ACCEPTED, now=NOW),
    "rejected": outcome_message("acme", RECORD, "12345", REJECTED, now=NOW),
    "expired": outcome_message("acme", RECORD, "12345", EXPIRED, now=NOW),
    "video ready": video_ready_message("acme", VIDEO),
    "viewer": viewer_message("acme", WATCHED),
    "video overdue": video_overdue_message("acme", VideoOverdue("12345", NOW - 86_400, NOW)),
}
OF = {"workspace": "acme", "version": "0.1.0"}


def shown(message: Message) -> str:
    """A message as the document shows it: key, headers, a blank line, the data."""
    assert message.key is not None
    assert message.value is not None
    headers = [f"{name}: {(value or b'').decode()}" for name, value in message.headers]
    data = json.dumps(json.loads(message.value), indent=2)
    return "\n".join(["```", f"key: {message.key.decode()}", *headers, "", data, "```"])


def story_names(*letters: Message) -> set[str]:
    return {name for letter in letters for name, _ in letter.headers if name.startswith(PREFIX)}


def rows(section: str) -> set[str]:
    """The header names in the first column of a section's table."""
    text = DOC.split(f"## {section}\n")[1].split("\n## ")[0]
    return {PREFIX + name for name in re.findall(r"^\| `([a-z0-9-]+)`", text, re.MULTILINE)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documents_example_is_what_the_code_writes(name: str) -> None:
    assert shown(EXAMPLES[name]) in DOC, f"docs/events.md should show\n{shown(EXAMPLES[name])}"


def test_the_document_names_the_type_of_each_thing_that_viewers_do() -> None:
    section = DOC.split("## A viewer acted\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(seen\.viewer\.[a-z.0-9-]+)` \|", section, re.MULTILINE) == [
        f"seen.viewer.{act}.v1" for act in ViewerAct
    ]


def test_the_documents_table_names_every_header_of_a_dead_letter() -> None:
    huge = Record("t", 0, 0, 0, b"k" * 100_000, b"v", (("h", b"x" * 100_000),))
    letters = (dead_letter(RECORD, REJECTED, **OF), without_value(huge, REJECTED, **OF))
    assert rows("Dead letters of records") == story_names(*letters)


def test_the_documents_table_names_every_header_of_a_callbacks_dead_letter() -> None:
    letters = (callback_dead_letter(CALLBACK, **OF), callback_without_body(CALLBACK, **OF))
    assert rows("Dead letters of callbacks") == story_names(*letters)


def test_the_document_names_every_reason_of_a_callbacks_dead_letter() -> None:
    section = DOC.split("## Dead letters of callbacks\n")[1].split("\n## ")[0]
    for reason in Reason:
        assert (f"`{reason}`" in section) is reason.startswith("callback_")
