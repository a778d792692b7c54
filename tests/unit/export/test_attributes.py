"""What records of the videos topic become at Braze, and that there is an answer for every record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import jmespath
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.export.attributes import Attributes
from connector.labels import OUTCOME_REASONS
from connector.published import (
    VideoOverdue,
    VideoReady,
    ViewerEvent,
    video_overdue_message,
    video_ready_message,
    viewer_message,
)
from connector.types import Event, Message, OutcomeKind, Reason, Record, Skipped, Unsendable, ViewerAct
from tests.unit.seen.values import JSON_VALUES

VIDEO = VideoReady(
    id="braze-1",
    found_by="callback",
    received_at=1_800_000_000.0,
    raw=b'{"id": "braze-1", "crm": {"id": 7}, "names": ["a", "b"]}',
    player_url="https://player.seen.io/v/1",
    email_thumbnail_url="https://motions.seen.io/1/email_thumbnail.jpg",
)
LINKS = {"seen_player_url": "player_url", "seen_thumbnail": "email_thumbnail_url"}


def attributes(
    paths: dict[str, str] = LINKS,
    *,
    user_id: str = "id",
    identifier: Literal["braze_id", "external_id"] = "braze_id",
    existing: bool = True,
    max_bytes: int = 4_000_000,
) -> Attributes:
    compiled = tuple((name, jmespath.compile(path)) for name, path in paths.items())
    return Attributes("acme", identifier, jmespath.compile(user_id), compiled, existing, max_bytes)


def record(message: Message | None = None) -> Record:
    message = video_ready_message("acme", VIDEO) if message is None else message
    return Record("seen.acme.videos", 0, 5, 0, message.key, message.value, message.headers)


def of(video: VideoReady, reader: Attributes | None = None) -> Event | Unsendable | Skipped:
    return (reader or attributes()).read(record(video_ready_message("acme", video)))


def body(found: Event | Unsendable | Skipped) -> dict[str, Any]:
    assert isinstance(found, Event)
    return dict(orjson.loads(found.body))


def test_a_video_becomes_an_attribute_object_of_its_user() -> None:
    found = attributes().read(record())
    assert body(found) == {
        "braze_id": "braze-1",
        "_update_existing_only": True,
        "seen_player_url": "https://player.seen.io/v/1",
        "seen_thumbnail": "https://motions.seen.io/1/email_thumbnail.jpg",
    }
    assert isinstance(found, Event)
    assert (found.id, found.order_key, found.record, found.images) == ("braze-1", b"braze-1", record(), None)


def test_the_user_is_whom_the_settings_say() -> None:
    reader = attributes(user_id="raw.crm.id", identifier="external_id", existing=False)
    found = reader.read(record())
    assert body(found).items() >= {"external_id": "7", "_update_existing_only": False}.items()
    assert "braze_id" not in body(found)
    assert isinstance(found, Event)
    assert found.order_key == b"7"


def test_an_attribute_without_a_value_is_left_out_and_never_null() -> None:
    found = of(replace(VIDEO, email_thumbnail_url=None))
    assert body(found).keys() == {"braze_id", "_update_existing_only", "seen_player_url"}
    nothing = attributes({"a": "player_url", "b": "raw.no.such", "c": "`null`"})
    assert body(nothing.read(record())).keys() == {"braze_id", "_update_existing_only", "a"}


def test_values_keep_their_type() -> None:
    reader = attributes({"a": "raw.names", "b": "raw.crm", "c": "`true`", "d": "`0`", "e": "''"})
    found = body(reader.read(record()))
    assert [found[name] for name in "abcde"] == [["a", "b"], {"id": 7}, True, 0, ""]


def test_a_video_with_none_of_the_attributes_is_rejected_with_their_names() -> None:
    found = of(replace(VIDEO, player_url=None, email_thumbnail_url=None))
    why = "the video has none of braze_out.attributes: seen_player_url, seen_thumbnail"
    assert found == Unsendable(Reason.NO_ATTRIBUTES, why, "braze-1")


@pytest.mark.parametrize(
    "message",
    [
        video_overdue_message("acme", VideoOverdue("braze-1", 1_800_000_000.0, 1_800_000_900.0)),
        viewer_message("acme", ViewerEvent(act=ViewerAct.VIDEO_PLAYED, id="braze-1", received_at=1.8e9, raw=b"{}")),
        video_ready_message("other", VIDEO),
        Message(b"braze-1", b'{"id": "braze-1", "player_url": "https://p"}'),
        Message(b"braze-1", None),
        Message(None, None),
        Message(b"k", b"{}", (("ce_source", None), ("ce_type", b"seen.video.ready.v1"))),
        Message(b"k", b"{}", (("ce_source", b"/workspaces/acme"), ("ce_type", b"seen.video.ready.v2"))),
    ],
)  # fmt: skip
def test_what_is_no_video_of_this_workspace_is_skipped(message: Message) -> None:
    assert attributes().read(record(message)) == Skipped(Reason.OTHER_EVENT)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (None, Reason.NOT_JSON),
        (b"{", Reason.NOT_JSON),
        (b"[" * 5_000, Reason.NOT_JSON),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"{}", Reason.ID_MISSING),
        (b'{"id": null, "player_url": "p"}', Reason.ID_MISSING),
        (b'{"id": "", "player_url": "p"}', Reason.ID_MISSING),
        (b'{"id": ["a"], "player_url": "p"}', Reason.ID_NOT_A_STRING),
        (b'{"id": "%b", "player_url": "p"}' % (b"a" * 1_025), Reason.ID_TOO_LONG),
    ],
)
def test_data_that_names_no_user_is_rejected(value: bytes | None, reason: Reason) -> None:
    found = attributes().read(replace(record(), value=value))
    assert isinstance(found, Unsendable)
    assert found.reason is reason


def test_what_kafkas_client_could_not_decode_is_not_looked_into() -> None:
    found = attributes().read(replace(record(), unreadable="CRC does not match"))
    assert found == Unsendable(Reason.UNREADABLE, "CRC does not match")


@pytest.mark.parametrize(
    "reader",
    [attributes({"a": "abs(id)"}), attributes({"a": "sum(raw.names)"}), attributes(user_id="abs(id)")],
)
def test_an_expression_that_fails_rejects_the_video(reader: Attributes) -> None:
    found = reader.read(record())
    assert isinstance(found, Unsendable)
    assert (found.reason, found.detail[:9]) == (Reason.MAPPING_FAILED, "braze_out")


def test_an_object_that_braze_would_not_take_for_its_size_is_rejected() -> None:
    found = attributes(max_bytes=100).read(record())
    assert isinstance(found, Unsendable)
    assert (found.reason, found.id) == (Reason.REQUEST_TOO_LARGE, "braze-1")
    assert "Braze's limit is 100" in found.detail


@given(JSON_VALUES.map(orjson.dumps) | st.binary(max_size=60), st.sampled_from(["id", "raw", "abs(id)", "@"]))
def test_every_record_becomes_something_that_is_counted(value: bytes, user_id: str) -> None:
    found = attributes({"a": "player_url", "b": "@"}, user_id=user_id).read(replace(record(), value=value))
    match found:
        case Event():
            written = orjson.loads(found.body)
            assert written["braze_id"] == found.id != ""
            assert None not in written.values()
            assert len(written) > 2
        case Unsendable(reason):
            assert reason in OUTCOME_REASONS[OutcomeKind.REJECTED]
        case Skipped(reason):
            assert reason in OUTCOME_REASONS[OutcomeKind.SKIPPED]
