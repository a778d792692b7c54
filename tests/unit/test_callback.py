from __future__ import annotations

import jmespath
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.inbound.callback import LINKS, CallbackFields, Field, parse_callback
from connector.inbound.reading import Unintelligible
from connector.published import VideoReady, video_ready_message
from connector.types import Reason

NOW = 1_763_724_660.25
PLAIN = {name: name for name in ("id", "campaign_slug", *LINKS)}
FIELDS = CallbackFields.compiled(PLAIN)
LEGACY = CallbackFields.compiled(PLAIN | {"id": "customer_id"})

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(PLAIN)) | st.text(), inner),
)


def ready(body: bytes, fields: CallbackFields = FIELDS) -> VideoReady:
    found = parse_callback(body, fields, received_at=NOW)
    assert isinstance(found, VideoReady), found
    return found


def refused(body: bytes, fields: CallbackFields = FIELDS) -> Unintelligible:
    found = parse_callback(body, fields, received_at=NOW)
    assert isinstance(found, Unintelligible), found
    return found


MOTION = (
    "https://motions.seen.io/298abdcf-1f0f-46e7-9c26-a35b4c1e83cc/d3c1dffdf063986ad521a63e3e68fd7d1100c90a"
)
"""The documents' example, as those of the bodies below."""

LEGACY_BODY = (
    b'{"customer_id": "101", "campaign_slug": "onboarding", "landing_page_url": "your.subdomain.com/v/12345", '
    b'"video_url": "%(m)s/output.m3u8", "thumbnail_url": "%(m)s/thumbnail.jpg", '
    b'"email_thumbnail_url": "%(m)s/email_thumbnail.jpg"}' % {b"m": MOTION.encode()}
)
PLATFORM_BODY = (
    b'{"id": "12345", "player_url": "https://player.seen.io/v/eHmnkM2wqAWc", '
    b'"thumbnail_url": "https://motions.seen.io/.../thumbnail.jpg", '
    b'"email_thumbnail_url": "https://motions.seen.io/.../email_thumbnail.jpg"}'
)


def test_the_documents_platform_callback_becomes_a_video() -> None:
    assert ready(PLATFORM_BODY) == VideoReady(
        id="12345",
        player_url="https://player.seen.io/v/eHmnkM2wqAWc",
        thumbnail_url="https://motions.seen.io/.../thumbnail.jpg",
        email_thumbnail_url="https://motions.seen.io/.../email_thumbnail.jpg",
        found_by="callback",
        received_at=NOW,
        raw=PLATFORM_BODY,
    )


def test_the_documents_legacy_callback_is_a_matter_of_the_mapping_and_its_bare_link_becomes_https() -> None:
    assert ready(LEGACY_BODY, LEGACY) == VideoReady(
        id="101",
        campaign_slug="onboarding",
        landing_page_url="https://your.subdomain.com/v/12345",
        video_url=f"{MOTION}/output.m3u8",
        thumbnail_url=f"{MOTION}/thumbnail.jpg",
        email_thumbnail_url=f"{MOTION}/email_thumbnail.jpg",
        found_by="callback",
        received_at=NOW,
        raw=LEGACY_BODY,
    )


def test_one_mapping_can_take_both_shapes() -> None:
    both = CallbackFields.compiled(PLAIN | {"id": "id || customer_id"})
    assert (ready(PLATFORM_BODY, both).id, ready(LEGACY_BODY, both).id) == ("12345", "101")


def test_fields_that_are_null_or_blank_are_left_out_and_what_is_more_is_kept() -> None:
    body = b'{"id": "1", "player_url": "p.io", "email_thumbnail_url": null, "thumbnail_url": " ", "more": 1}'
    assert ready(body) == VideoReady(
        id="1", player_url="https://p.io", found_by="callback", received_at=NOW, raw=body
    )


@pytest.mark.parametrize(
    "kept",
    [
        b'"n": 0.10000000000000000000001, "m": 123456789012345678901234567890, "z": -0.0, "e": 1E+2',
        b'"id": "2", "id": "1"',
        b'"b": 1, "a": {"b": 1, "a": [ ]}',
        '"å": "\\u00e5 \\/ 😀"'.encode(),
        b'\r\n\t"x" :\t[1 ,\n2]\n',
    ],
    ids=["numbers", "keys twice", "order of keys", "escapes", "white space"],
)
def test_the_body_is_in_the_event_byte_for_byte(kept: bytes) -> None:
    body = b'\n{"id": "1", ' + kept + b"} "
    value = video_ready_message("acme", ready(body)).value
    assert value is not None
    assert value.endswith(b'"raw":' + body + b"}")


def test_fields_are_expressions_over_the_whole_body() -> None:
    fields = CallbackFields.compiled(
        PLAIN | {"id": "person.ids[0]", "player_url": "outputs[?kind=='player'].link | [0]"}
    )
    video = ready(b'{"person": {"ids": ["a"]}, "outputs": [{"kind": "player", "link": "p.io/1"}]}', fields)
    assert (video.id, video.player_url) == ("a", "https://p.io/1")


def test_an_integer_id_becomes_its_decimal_string() -> None:
    assert ready(b'{"id": -42}').id == "-42"


def test_a_callback_without_any_link_is_still_a_video() -> None:
    assert ready(b'{"id": "1"}').player_url is None


def test_a_campaign_that_is_no_string_is_left_out() -> None:
    assert ready(b'{"id": "1", "campaign_slug": 7}').campaign_slug is None


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (b"", Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b"id=12345", Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b'{"id": NaN}', Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b'{"id": "\xff"}', Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b'{"id": "\\ud800"}', Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b"[" * 5_000 + b"]" * 5_000, Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b'[{"id": "1"}]', Reason.CALLBACK_NOT_AN_OBJECT, "an array"),
        (b'"1"', Reason.CALLBACK_NOT_AN_OBJECT, "a string"),
        (b'{"id": "1", "x": 1e400}', Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b'\xef\xbb\xbf{"id": "1"}', Reason.CALLBACK_NOT_JSON, "the body is not JSON"),
        (b"null", Reason.CALLBACK_NOT_AN_OBJECT, "null"),
        (b"true", Reason.CALLBACK_NOT_AN_OBJECT, "a boolean"),
        (b"{}", Reason.CALLBACK_WITHOUT_ID, "callback.fields.id (id)"),
        (b'{"id": ""}', Reason.CALLBACK_WITHOUT_ID, "callback.fields.id (id)"),
        (b'{"id": null}', Reason.CALLBACK_WITHOUT_ID, "callback.fields.id (id)"),
        (b'{"id": true}', Reason.CALLBACK_WITHOUT_ID, "callback.fields.id (id)"),
        (b'{"id": 1.0}', Reason.CALLBACK_WITHOUT_ID, "callback.fields.id (id)"),
        (b'{"id": {"id": "1"}}', Reason.CALLBACK_WITHOUT_ID, "callback.fields.id (id)"),
        (
            b'{"id": "1", "video_url": 5}',
            Reason.CALLBACK_MAPPING_FAILED,
            "callback.fields.video_url (video_url) finds a number",
        ),
        (
            b'{"id": "1", "player_url": "javascript:alert(1)"}',
            Reason.CALLBACK_MAPPING_FAILED,
            "callback.fields.player_url (player_url) finds a string, and no http or https link",
        ),
    ],
)
def test_what_cannot_be_understood_says_why(body: bytes, reason: Reason, detail: str) -> None:
    found = refused(body)
    assert found.reason == reason
    assert detail in found.detail


def test_a_link_that_is_no_string_still_tells_whose_video_it_was() -> None:
    assert refused(b'{"id": "1", "player_url": []}').id == "1"


@pytest.mark.parametrize("expression", ["length(id)", "ceil(to_number(id))", "no_such_function(id)"])
def test_an_expression_that_fails_is_a_mapping_failure(expression: str) -> None:
    fields = CallbackFields.compiled(PLAIN | {"player_url": expression})
    body = b'{"id": "1e400"}' if expression.startswith("ceil") else b'{"id": 5}'
    assert refused(body, fields).reason == Reason.CALLBACK_MAPPING_FAILED


def test_fields_that_are_no_fields_of_a_video_are_refused() -> None:
    with pytest.raises(ValueError, match="playr_url"):
        CallbackFields.compiled(PLAIN | {"playr_url": "player_url"})
    with pytest.raises(jmespath.exceptions.JMESPathError):
        CallbackFields.compiled(PLAIN | {"id": "id["})


@given(st.binary() | json_values.map(orjson.dumps))
@example(b'{"id": "1", "deep": ' + b"[" * 1_000 + b"]" * 1_000 + b"}")
def test_every_body_is_a_video_that_can_be_published_or_a_failure_of_a_callback(body: bytes) -> None:
    found = parse_callback(body, FIELDS, received_at=NOW)
    if isinstance(found, VideoReady):
        message = video_ready_message("acme", found)
        assert message.value is not None
        assert body in message.value
        assert message.key == found.id.encode()
    else:
        assert found.reason.startswith("callback_")
        assert found.detail


bodies = st.dictionaries(
    st.sampled_from(["id", "a b", "é", '"']), st.none() | st.text() | st.lists(st.integers())
)


@pytest.mark.parametrize(
    "expression", ["id", '"a b"', '"é"', '"\\""', "id[0]", "id || `1`", "@", "length(@)"]
)
@given(body=bodies)
def test_a_field_finds_what_jmespath_finds_whether_it_is_a_bare_name_or_not(
    expression: str, body: dict[str, object]
) -> None:
    assert Field.compiled(expression).find(body) == jmespath.search(expression, body)
