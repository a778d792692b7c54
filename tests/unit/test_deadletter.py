from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from connector.deadletter import (
    MAX_CARRIED_BYTES,
    MAX_TEXT_BYTES,
    PREFIX,
    RefusedCallback,
    callback_dead_letter,
    callback_without_body,
    dead_letter,
    without_value,
)
from connector.types import Headers, Message, Outcome, OutcomeKind, Reason, Record

RECORD = Record(
    "customer-events",
    3,
    41,
    1_763_724_650_007,
    b"cust-1",
    b'{"id": 1}',
    (("trace", b"\xff"), ("trace", b"2")),
)
REJECTED = Outcome(
    kind=OutcomeKind.REJECTED,
    reason=Reason.INVALID_REQUEST,
    detail="ID must be a string",
    status=500,
    response='{"code": "ErrInvalidRequest"}',
    attempts=1,
    first_attempt_at=1_763_724_660.0,
    last_attempt_at=1_763_724_661.5,
)
CALLBACK = RefusedCallback(
    body=b"<xml/>",
    reason=Reason.CALLBACK_NOT_JSON,
    detail="the body is not JSON",
    content_type="application/json",
    received_at=1_763_724_660.25,
)

any_headers = st.lists(
    st.tuples(st.text() | st.sampled_from([PREFIX + "reason", "seen-replay-count"]), st.none() | st.binary())
).map(tuple)


def buried(record: Record = RECORD, outcome: Outcome = REJECTED) -> Message:
    return dead_letter(record, outcome, workspace="acme", version="0.1.0")


def without(record: Record) -> Message:
    return without_value(record, REJECTED, workspace="acme", version="0.1.0")


def story_of(message: Message) -> dict[str, str]:
    story = [
        (name.removeprefix(PREFIX), value.decode())
        for name, value in message.headers
        if name.startswith(PREFIX) and value is not None
    ]
    assert len(dict(story)) == len(story), "a header is doubled"
    return dict(story)


def carried(message: Message | Record) -> Headers:
    return tuple(header for header in message.headers if not header[0].startswith(PREFIX))


def test_a_dead_letter_is_the_record_as_it_was_with_its_story() -> None:
    letter = buried()
    assert (letter.key, letter.value) == (RECORD.key, RECORD.value)
    assert letter.headers[:2] == RECORD.headers
    assert story_of(letter) == {
        "reason": "invalid_request",
        "detail": "ID must be a string",
        "status": "500",
        "response": '{"code": "ErrInvalidRequest"}',
        "attempts": "1",
        "first-attempt": "2025-11-21T11:31:00.000Z",
        "last-attempt": "2025-11-21T11:31:01.500Z",
        "origin-topic": "customer-events",
        "origin-partition": "3",
        "origin-offset": "41",
        "origin-timestamp": "1763724650007",
        "workspace": "acme",
        "connector-version": "0.1.0",
        "replay-count": "0",
    }


def test_what_is_not_known_has_no_header() -> None:
    story = story_of(buried(outcome=Outcome(kind=OutcomeKind.REJECTED, reason=Reason.NOT_JSON)))
    assert not story.keys() & {"detail", "status", "response", "first-attempt", "last-attempt"}
    assert story["attempts"] == "0"


def test_a_tombstone_keeps_its_null_value() -> None:
    letter = buried(replace(RECORD, value=None))
    assert letter.value is None
    assert "value" not in story_of(letter)


def test_a_record_with_neither_key_nor_value_gets_an_empty_value_and_says_so() -> None:
    letter = buried(replace(RECORD, key=None, value=None))
    assert (letter.key, letter.value) == (None, b"")
    assert story_of(letter)["value"] == "null"


def test_long_texts_are_cut_at_a_characters_boundary() -> None:
    story = story_of(buried(outcome=replace(REJECTED, detail="a" + "é" * 5_000, response="x" * 5_000)))
    assert story["detail"] == "a" + "é" * ((MAX_TEXT_BYTES - 1) // 2)
    assert story["response"] == "x" * MAX_TEXT_BYTES


def test_a_second_death_replaces_the_story_of_the_first() -> None:
    first = buried()
    replayed = Record(
        "seen.acme.replay", 0, 7, 1, first.key, first.value, (*first.headers, ("seen-replay-count", b"2"))
    )
    second = buried(replayed, replace(REJECTED, reason=Reason.BAD_IMAGE))
    assert story_of(second)["reason"] == "bad_image"
    assert story_of(second)["origin-topic"] == "seen.acme.replay"
    assert story_of(second)["replay-count"] == "2"
    assert carried(second) == (*RECORD.headers, ("seen-replay-count", b"2"))


def test_a_replay_count_that_is_no_number_counts_as_none() -> None:
    for nonsense in (None, b"", b"-1", b"two", b"\xb2", b"9" * 5_000):
        letter = buried(replace(RECORD, headers=(("seen-replay-count", nonsense),)))
        assert story_of(letter)["replay-count"] == "0"


def test_a_letter_without_its_value_names_size_and_digest_and_keeps_key_and_headers() -> None:
    letter = without(RECORD)
    assert (letter.key, letter.value) == (RECORD.key, b"")
    assert carried(letter) == RECORD.headers
    story = story_of(letter)
    assert story["value"] == "omitted"
    assert story["value-size"] == "9"
    assert story["value-sha256"] == hashlib.sha256(b'{"id": 1}').hexdigest()
    assert story["origin-offset"] == "41"


def test_a_letter_without_its_value_fits_whatever_else_was_large() -> None:
    key = b"k" * (MAX_CARRIED_BYTES + 1)
    letter = without(replace(RECORD, key=key, value=None, headers=tuple([("h", b"")] * 10_000)))
    story = story_of(letter)
    assert letter.size < 65_536
    assert (letter.key, letter.value, carried(letter)) == (None, b"", ())
    assert story["value"] == "null"
    assert (story["key"], story["key-size"]) == ("omitted", str(MAX_CARRIED_BYTES + 1))
    assert story["key-sha256"] == hashlib.sha256(key).hexdigest()
    assert story["headers"] == "omitted"


@given(st.none() | st.binary(), st.none() | st.binary(), any_headers, st.text(st.characters()))
def test_a_dead_letter_keeps_the_bytes_and_headers_of_any_record(
    key: bytes | None, value: bytes | None, headers: Headers, detail: str
) -> None:
    record = replace(RECORD, key=key, value=value, headers=headers)
    letter = buried(record, replace(REJECTED, detail=detail))
    assert letter.key == key
    assert letter.value == (b"" if key is None and value is None else value)
    assert carried(letter) == carried(record)
    assert story_of(letter)["reason"] == "invalid_request"
    assert without(record).size < 65_536


def test_a_callbacks_dead_letter_is_its_body_with_its_story() -> None:
    letter = callback_dead_letter(CALLBACK, workspace="acme", version="0.1.0")
    assert (letter.key, letter.value) == (None, b"<xml/>")
    assert story_of(letter) == {
        "reason": "callback_not_json",
        "detail": "the body is not JSON",
        "content-type": "application/json",
        "received-at": "2025-11-21T11:31:00.250Z",
        "workspace": "acme",
        "connector-version": "0.1.0",
    }


def test_an_empty_callback_has_an_empty_value_for_kafka_clients_write_no_null_without_a_key() -> None:
    letter = callback_dead_letter(replace(CALLBACK, body=b""), workspace="acme", version="0.1.0")
    assert letter.value == b""


def test_a_callback_without_its_body_names_size_and_digest() -> None:
    letter = callback_without_body(CALLBACK, workspace="acme", version="0.1.0")
    assert letter.value == b""
    assert story_of(letter)["value"] == "omitted"
    assert story_of(letter)["value-size"] == "6"
    assert story_of(letter)["value-sha256"] == hashlib.sha256(b"<xml/>").hexdigest()


def test_a_record_that_could_not_be_decoded_has_a_dead_letter_that_says_so() -> None:
    record = Record("events", 0, 7, 0, None, None, unreadable="a header's name is no UTF-8")
    outcome = Outcome(kind=OutcomeKind.REJECTED, reason=Reason.UNREADABLE, detail=record.unreadable)
    letter = dead_letter(record, outcome, workspace="acme", version="0")
    headers = dict(letter.headers)
    assert letter.value == b""
    assert headers["seen-dead-letter-value"] == b"unreadable"
    assert headers["seen-dead-letter-origin-offset"] == b"7"
