"""What a viewer event says, and what is published of it."""

from __future__ import annotations

import uuid

import jmespath
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.inbound.reading import Unintelligible
from connector.inbound.viewer import ViewerFields, parse_viewer_event, read_viewer_event
from connector.published import MAX_ID_BYTES, ViewerEvent, viewer_message
from connector.types import Reason, ViewerAct
from tests.unit.test_callback import json_values

NOW = 1_763_724_660.25
FIELDS = ViewerFields.compiled({"event": "event", "id": "id"})
SEENS_NAMES = ("video-played", "video-watched", "player-opened", "share-clicked", "cta-clicked")


def parsed(body: bytes, fields: ViewerFields = FIELDS) -> ViewerEvent:
    found = parse_viewer_event(body, fields, received_at=NOW)
    assert isinstance(found, ViewerEvent), found
    return found


def headers(body: bytes, workspace: str = "acme") -> dict[str, str]:
    message = viewer_message(workspace, parsed(body))
    return {name: (value or b"").decode() for name, value in message.headers}


def test_the_acts_are_those_that_seen_documents_and_unknown() -> None:
    assert tuple(ViewerAct) == (*SEENS_NAMES, "unknown")


@pytest.mark.parametrize("name", SEENS_NAMES)
def test_an_event_of_seens_is_typed_by_its_name_and_passed_on_as_it_came(name: str) -> None:
    body = b'\n{"id": "12345" ,"event": "%s", "n": 0.10, "n": 1E2, "\xc3\xa5": "\\u00e5"} ' % name.encode()
    message = viewer_message("acme", parsed(body))
    assert (message.key, message.value) == (b"12345", body)
    found = headers(body)
    assert found["ce_type"] == f"seen.viewer.{name}.v1"
    assert (found["ce_source"], found["ce_subject"]) == ("/workspaces/acme", "12345")
    assert found["ce_time"] == "2025-11-21T11:31:00.250000Z"
    assert found["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"event": "video-exploded"}',
        b'{"event": "Video-Played"}',
        b'{"event": "unknown"}',
        b'{"event": null}',
        b'{"event": 5}',
        b'{"event": ["video-played"]}',
        b'["video-played"]',
        b'"video-played"',
        b"null",
    ],
)
def test_what_names_none_of_seens_events_is_unknown_and_passed_on_all_the_same(body: bytes) -> None:
    assert parsed(body).act is ViewerAct.UNKNOWN
    assert headers(body)["ce_type"] == "seen.viewer.unknown.v1"
    assert viewer_message("acme", parsed(body)).value == body


@pytest.mark.parametrize(
    "body", [b"{}", b'{"id": ""}', b'{"id": null}', b'{"id": true}', b'{"id": {}}', b"[]"]
)
def test_without_an_id_there_is_neither_key_nor_subject(body: bytes) -> None:
    assert parsed(body).id is None
    assert viewer_message("acme", parsed(body)).key is None
    assert "ce_subject" not in headers(body)


def test_an_integer_id_becomes_its_decimal_string() -> None:
    assert viewer_message("acme", parsed(b'{"id": 42}')).key == b"42"


def test_an_id_that_no_header_should_carry_is_left_out() -> None:
    body = orjson.dumps({"id": "x" * (MAX_ID_BYTES + 1)})
    assert viewer_message("acme", parsed(body)).key is None


def test_where_event_and_id_are_is_the_configurations_to_say() -> None:
    fields = ViewerFields.compiled({"event": "join('-', ['video', act])", "id": "data.viewer[0]"})
    event = parsed(b'{"act": "played", "data": {"viewer": [7]}}', fields)
    assert (event.act, event.id) == (ViewerAct.VIDEO_PLAYED, "7")


def test_an_expression_that_fails_finds_nothing() -> None:
    fields = ViewerFields.compiled({"event": "join('-', act)", "id": "length(id)"})
    event = parsed(b'{"act": 5, "id": 5}', fields)
    assert (event.act, event.id) == (ViewerAct.UNKNOWN, None)


def test_text_that_is_no_expression_is_refused() -> None:
    with pytest.raises(jmespath.exceptions.JMESPathError):
        ViewerFields.compiled({"event": "event[", "id": "id"})


def test_equal_bodies_have_one_event_id_and_others_have_others() -> None:
    played = b'{"id": "1", "event": "video-played"}'
    ids = [headers(body)["ce_id"] for body in (played, played, played + b" ", b'{"id": "2"}')]
    assert len(set(ids)) == 3
    assert ids[0] == ids[1]
    assert uuid.UUID(ids[0]).version == 5
    assert headers(played, "bravo")["ce_id"] != ids[0]


def test_the_event_id_is_the_same_for_ever() -> None:
    assert headers(b'{"id": "1"}')["ce_id"] == "814cad92-a5a7-560a-b1ef-b30a0904e3cd"


@pytest.mark.parametrize("body", [b"", b"id=1", b"{", b'{"id": NaN}', b'"\xff"', b"[" * 5_000 + b"]" * 5_000])
def test_a_body_that_is_no_json_says_so(body: bytes) -> None:
    found = read_viewer_event(body, NOW, workspace="acme", fields=FIELDS)
    assert isinstance(found, Unintelligible)
    assert found.reason == Reason.CALLBACK_NOT_JSON
    assert found.detail.startswith("the body of a viewer event is not JSON: ")


@given(st.binary() | json_values.map(orjson.dumps))
def test_every_body_is_published_whole_or_is_no_json(body: bytes) -> None:
    found = read_viewer_event(body, NOW, workspace="acme", fields=FIELDS)
    if isinstance(found, Unintelligible):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)
    else:
        assert found.message.value == body
        assert found.counted_as in set(ViewerAct)
        assert found.message.key == (found.id.encode() if found.id else None)
