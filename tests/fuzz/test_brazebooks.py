"""The books find it where Kafka does not hold what Braze was told, and where Braze was told what is not so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.deadletter import PREFIX
from connector.inbound.brazebody import CALL_HEADER
from connector.types import Record
from tests.fuzz import brazebodies
from tests.fuzz.books import Books
from tests.fuzz.brazecalls import CAMPAIGN, WORKSPACE
from tests.fuzz.calls import BRAZE, Call
from tests.fuzz.marks import MOST, mark, marked

if TYPE_CHECKING:
    from random import Random

    from tests.fuzz.doors import Proof

AGREE = "Braze: answers and Kafka that do not agree"
VERDICT = "Braze: sound refused, or faulty taken"
UNAUTHENTICATED = b'{"code":"ErrUnauthenticated","message":"api key invalid"}'
PLACES = itertools.count()


def post(number: int, *sound: bool, proof: Proof = "right", path: str = BRAZE[2]) -> Call:
    """A receiver, or an object, for each of `sound`."""
    items = tuple(mark(number) + b'{"customer_id":"%d"}' % place for place in range(len(sound)))
    content = b"[" + b",".join(items) + b"]" if path == BRAZE[2] else items[0]
    workspace = CAMPAIGN if path == BRAZE[2] else WORKSPACE
    return Call(
        number,
        path,
        method="POST",
        workspace=workspace,
        proof=proof,
        plain=False,
        head=b"POST",
        body=content,
        content=content,
        items=items,
        sound=sound,
    )


def record(value: bytes, key: bytes | None = None, place: bytes | None = None) -> Record:
    """With a `place` of its own, unless one is given."""
    named = f"{next(PLACES)}/0".encode() if place is None else place
    return Record("topic", 0, 0, 0, key, value, ((CALL_HEADER, named),))


def booked(call: Call, status: int, body: bytes, *found: tuple[str, Record]) -> Books:
    books = Books()
    books.send(call)
    books.answered(call, status, body)
    for role, each in found:
        books.record(call.workspace, role, each)
    books.close()
    return books


def test_the_books_take_what_braze_was_told_and_what_is_in_kafka_where_they_agree() -> None:
    array = post(1, True, False)
    good, bad = ("braze", record(array.items[0], b"0")), ("dead_letters", record(array.items[1]))
    assert not booked(array, 400, b'[{}, {"phone": ["no"]}]', good, bad).breaches
    one = post(1, False, path=BRAZE[0])
    letter = ("dead_letters", record(one.content))
    assert not booked(one, 500, b'{"code":"ErrInvalidRequest","message":""}', letter).breaches
    assert not booked(
        post(1, True), 503, b'{"code":"busy"}', ("braze", record(array.items[0], b"0"))
    ).breaches
    assert not booked(post(1, True, proof="wrong"), 401, UNAUTHENTICATED).breaches


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (201, b"[{},{}]", [("braze", 0)]),
        (201, b"[{},{}]", [("braze", 0), ("braze", 0)]),
        (201, b"[{},{}]", [("braze", 0), ("dead_letters", 1)]),
        (201, b"[{},{}]", [("braze", 0), ("braze", 1), ("braze", 1)]),
        (400, b'[{},{"x":[]}]', [("braze", 0)]),
        (400, b'[{},{"x":[]}]', [("braze", 0), ("braze", 1)]),
        (400, b'{"code":"ErrRequestBody"}', []),
        (401, b'{"code":"ErrUnauthenticated"}', [("dead_letters", 0)]),
        (413, b'{"code":"too_large"}', [("braze", 0)]),
    ],
)
def test_the_books_find_that_kafka_does_not_hold_what_braze_was_told(
    status: int, body: bytes, found: list[tuple[str, int]]
) -> None:
    call = replace(post(1, True, True), sound=None)
    records = [(role, record(call.items[place], b"%d" % place)) for role, place in found]
    assert AGREE in booked(call, status, body, *records).breaches


def test_the_books_find_a_record_of_brazes_that_is_no_object_has_another_key_or_anothers_place() -> None:
    call = replace(post(1, True), sound=None)
    for value, key, at in (
        (call.items[0], b"1", b"a/0"),
        (call.items[0], b"0", b""),
        (mark(1) + b"7", None, b"a/0"),
        (mark(1) + b"{", None, b"a/0"),
    ):
        headers = ((CALL_HEADER, at),) if at else ()
        broken = Record("topic", 0, 0, 0, key, value, headers)
        assert AGREE in booked(call, 503, b"{}", ("braze", broken)).breaches
    again = record(call.items[0], b"0", b"a/0")
    assert AGREE in booked(call, 503, b"{}", ("braze", again), ("braze", again)).breaches
    refused = Record("topic", 0, 0, 0, None, call.items[0], ((PREFIX + "origin-topic", b"x"),))
    assert AGREE in booked(call, 503, b"{}", ("dead_letters", refused)).breaches


@pytest.mark.parametrize(
    ("call", "status", "body"),
    [
        (post(1, True, False), 201, b"[{},{}]"),
        (post(1, True, False), 400, b'[{"x":[]},{}]'),
        (post(1, True, False), 400, b"[{}]"),
        (post(1, True, False), 400, b'{"code":"ErrRequestBody"}'),
        (post(1, True, path=BRAZE[0]), 500, b'{"code":"ErrInvalidRequest"}'),
        (post(1, False, path=BRAZE[1]), 201, b"{}"),
        (post(1, False, proof="wrong"), 400, b'{"code":"ErrRequestBody"}'),
    ],
)
def test_the_books_find_that_braze_was_told_otherwise_than_its_objects_are(
    call: Call, status: int, body: bytes
) -> None:
    assert VERDICT in booked(call, status, body).breaches


def test_a_dead_letter_of_what_has_no_place_for_a_number_is_known_by_its_type() -> None:
    books = Books()
    books.send(post(7, False, proof="wrong"))
    books.record(
        CAMPAIGN,
        "dead_letters",
        Record("topic", 0, 0, 0, None, b"7", ((PREFIX + "content-type", b"text/x; call=7"),)),
    )
    assert books.breaches == {"records without a right secret": 1}


@given(st.integers(min_value=0, max_value=MOST - 1), st.randoms(use_true_random=False))
def test_each_object_that_braze_posts_has_the_number_and_is_found_by_reading(
    number: int, rng: Random
) -> None:
    made = brazebodies.posted(rng, number, [b"[{}, 7]"], is_array=True)
    read = brazebodies.of_any(number, made.content, is_array=True)
    assert len(read.items) == len(made.items) or made.sound is None
    assert all(marked(each) == number for each in (*made.items, made.content) if each[:1] == b"{")
