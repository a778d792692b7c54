"""Whatever Braze posts is answered as documented, and all of it is kept: as what the engine will send, or as dead letters."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Literal

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.inbound.brazebody import receivers_in
from connector.types import Event, Reason, Unsendable
from tests.doors import braze_intake
from tests.unit.test_listener import Recorder

if TYPE_CHECKING:
    from connector.inbound.answer import Answer

TOPIC, LETTERS = "seen.acme.braze", "seen.acme.dead-letters"
TEXT = st.text(max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
NAMES = st.sampled_from(["id", "customer_id", "first_name", "email", "phone", "extra_args", "city", "a b"])
LIKELY = st.sampled_from(["7", "Ada", "ada@example.com", "+4712345678", 7, None, True, 1.5, {"x": [1]}])
OBJECTS = (
    st.dictionaries(NAMES, LIKELY | VALUES, max_size=5)
    | st.sampled_from(["7", "8"]).map(lambda key: {"id": key, "customer_id": key, "first_name": "Ada"})
    | st.just({"first_name": "Ada"})
)
BODIES = st.binary(max_size=64) | st.builds(
    lambda value, indent: json.dumps(value, indent=indent).encode(),
    VALUES | OBJECTS | st.lists(OBJECTS, max_size=5) | st.lists(OBJECTS | VALUES, max_size=5),
    st.sampled_from([None, 1, "\t\r"]),
)


def taken(body: bytes, api: Literal["data", "receivers"]) -> tuple[Answer, Recorder]:
    recorder = Recorder()
    answer = asyncio.run(braze_intake(recorder, api).take(body, content_type="", received_at=0.0))
    return answer, recorder


def values_in(recorder: Recorder, topic: str) -> list[bytes]:
    return [message.value or b"" for where, message in recorder.published if where == topic]


@given(BODIES)
@example(b'{"id": "7"}')
@example(b'{"id": 7, "first_name": "Ada"}')
def test_an_object_is_sent_byte_for_byte_or_is_a_dead_letter(body: bytes) -> None:
    answer, recorder = taken(body, "data")
    said = orjson.loads(answer.body)
    if answer.status == 201:
        assert (values_in(recorder, TOPIC), values_in(recorder, LETTERS)) == ([body], [])
        event = braze_intake(recorder, "data").read(body)
        assert isinstance(event, Event)
        assert recorder.published[0][1].key == event.id.encode()
        assert said == {
            "id": event.id,
            "values": {k: v for k, v in orjson.loads(event.body).items() if k != "id"},
        }
    else:
        assert (answer.status, said["code"]) in {(400, "ErrRequestBody"), (500, "ErrInvalidRequest")}
        assert (values_in(recorder, TOPIC), values_in(recorder, LETTERS)) == ([], [body])


@given(BODIES)
@example(b'[{"first_name": "Ada"}, {"first_name": "Ada"}]')
@example(b'[{"first_name": "Ada", "customer_id": "7"}, 1, {}, {"first_name": "Ada", "customer_id": "7"}]')
def test_each_receiver_is_sent_byte_for_byte_or_is_a_dead_letter(body: bytes) -> None:
    answer, recorder = taken(body, "receivers")
    said = orjson.loads(answer.body)
    assert answer.status in {201, 400}
    if isinstance(said, dict):
        assert (answer.status, said["code"]) == (400, "ErrRequestBody")
        assert (values_in(recorder, TOPIC), values_in(recorder, LETTERS)) == ([], [body])
        return
    assert len(said) == len(orjson.loads(body)) >= 1
    sent, dead = values_in(recorder, TOPIC), values_in(recorder, LETTERS)
    assert (answer.status == 201) is (dead == [])
    messages = [message for topic, message in recorder.published if topic == TOPIC]
    assert len(set(messages)) == len(messages)
    errors = [None] * len(said) if answer.status == 201 else [each or None for each in said]
    read = braze_intake(recorder, "receivers").read
    assert sorted(sent + dead) == sorted(_items(body))
    assert all(isinstance(read(each), Event) for each in sent)
    assert [isinstance(read(each), Unsendable) for each in _items(body)] == [
        error is not None for error in errors
    ]


@given(st.lists(VALUES, min_size=1, max_size=6), st.sampled_from([None, 0, 2, " \r\n\t"]))
def test_the_items_of_an_array_are_found_byte_for_byte(
    values: list[object], indent: int | str | None
) -> None:
    items = [
        json.dumps(each, indent=indent, ensure_ascii=False).encode("utf-8", "replace") for each in values
    ]
    body = b" [\n" + b" ,\t".join(items) + b"\r] "
    found = receivers_in(body, lambda raw: Unsendable(Reason.BAD_FIELD, raw.decode()))
    assert isinstance(found, list)
    assert [item.raw for item in found] == items


@pytest.mark.parametrize("api", ["data", "receivers"])
@pytest.mark.parametrize("depth", [500, 900, 1_010, 1_030, 100_000])
def test_however_deep_the_nesting_it_is_a_dead_letter(api: Literal["data", "receivers"], depth: int) -> None:
    deep = b'{"id": "7", "extra_args": ' + b"[" * depth + b"]" * depth + b"}"
    answer, recorder = taken(deep if api == "data" else b"[" + deep + b"]", api)
    assert answer.status == 400
    assert (len(recorder.published), values_in(recorder, TOPIC)) == (1, [])


def test_a_number_of_many_digits_is_refused_and_not_rounded() -> None:
    long = b'{"first_name": "Ada", "extra_args": {"n": ' + b"9" * 300 + b"}}"
    answer, recorder = taken(b"[" + long + b', {"first_name": "Bo"}]', "receivers")
    assert (answer.status, values_in(recorder, LETTERS)) == (400, [long])
    assert values_in(recorder, TOPIC) == [b'{"first_name": "Bo"}']


def _items(body: bytes) -> list[bytes]:
    found = receivers_in(body, lambda raw: Unsendable(Reason.BAD_FIELD, raw.decode()))
    assert isinstance(found, list)
    assert [orjson.loads(item.raw) for item in found] == orjson.loads(body)
    return [item.raw for item in found]
