"""A small part of the fuzz run, against a connector as a user runs it; and that the books of a run find what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.deadletter import PREFIX
from connector.types import Record
from tests.fuzz.books import ROWS, Books
from tests.fuzz.calls import CALLBACK, DOCUMENT, TOKEN, VIEWER, Call
from tests.fuzz.marks import MOST, mark, marked
from tests.fuzz.place import place
from tests.fuzz.run import fuzz

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.doors import Proof


@pytest.mark.timeout(600)  # so much is done that a busy machine takes its time
async def test_whatever_callers_send_nothing_is_published_without_a_right_secret_and_nothing_breaks(
    tmp_path: Path, kafka: str, prefix: str
) -> None:
    books = Books()
    async with place(tmp_path, kafka, prefix) as built:
        await fuzz(built, 500, 1, books)
        await built.close(books)
    assert not books.breaches, "\n".join(books.lines())
    assert books.counts["answered 2xx, and in Kafka"] > 50
    assert books.counts["checks of schemathesis"] > 500


@given(st.integers(min_value=0, max_value=MOST - 1), st.binary(), st.binary())
def test_a_mark_is_found_wherever_it_stands(number: int, before: bytes, after: bytes) -> None:
    found = marked(before + mark(number) + after)
    assert found == number or marked(before) is not None


def call(
    number: int = 1, proof: Proof = "right", path: str = CALLBACK, *, plain: bool = True, digest: str = ""
) -> Call:
    return Call(number, path, "POST", "static", proof, plain, b"POST", b"", digest=digest)


def record(value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    return Record("topic", 0, 0, 0, None, value, headers)


def test_the_books_of_a_run_without_a_fault_are_clean() -> None:
    books = Books()
    calls = (call(1), call(2, "wrong"), call(3, path=TOKEN), call(4, "wrong", DOCUMENT))
    for sent in calls:
        books.send(sent)
        books.answered(sent, 401 if sent.number == 2 else 200)
    books.record("static", "videos", record(b'{"raw":' + mark(1) + b"{}}"))
    books.close()
    assert not books.breaches
    assert not any("FAILED" in line for line in books.lines())


def test_the_books_find_a_record_of_a_wrong_secret_of_another_workspace_and_of_no_call() -> None:
    books = Books()
    books.send(call(1, "wrong"))
    books.send(call(2, "right"))
    books.send(call(3, "right", TOKEN))
    books.record("static", "videos", record(mark(1)))
    books.record("basic", "videos", record(mark(2)))
    books.record("static", "videos", record(mark(3)))
    books.record("static", "videos", record(mark(4)))
    books.record("static", "videos", record(b"x"))
    books.record("basic", "videos", record(b" "))
    assert books.breaches == {"records without a right secret": 3, "records of no call": 3}


def test_the_books_find_a_viewer_event_among_the_videos() -> None:
    books = Books()
    books.send(call(1, path=VIEWER))
    books.record("static", "videos", record(mark(1)))
    assert books.breaches == {"records without a right secret": 1}
    books.record("static", "viewers", record(mark(1)))
    books.record("static", "dead_letters", record(mark(1)))
    assert books.breaches.total() == 1


def test_the_books_know_a_body_that_was_too_large_for_its_topic_by_its_hash() -> None:
    books = Books()
    books.send(call(1, "wrong", digest="abc"))
    books.record("static", "videos", record(b"", ((PREFIX + "value-sha256", b"abc"),)))
    assert books.breaches == {"records without a right secret": 1}


def test_the_books_find_what_was_promised_and_is_not_in_kafka() -> None:
    books = Books()
    books.send(call())
    books.answered(call(), 202)
    books.close()
    assert books.breaches == {"2xx that are not in Kafka": 1}


@pytest.mark.parametrize(
    ("proof", "path", "status", "row"),
    [
        ("right", CALLBACK, 500, "answered 500, or no answer of ours"),
        ("right", CALLBACK, 504, "answered 500, or no answer of ours"),
        ("right", CALLBACK, 401, "right secrets refused"),
        ("right", TOKEN, 401, "right secrets refused"),
        ("wrong", CALLBACK, 200, "wrong secrets taken"),
        ("wrong", TOKEN, 200, "wrong secrets taken"),
    ],
)
def test_the_books_find_an_answer_that_should_not_be(proof: Proof, path: str, status: int, row: str) -> None:
    books = Books()
    books.answered(call(1, proof, path), status)
    assert books.breaches[row] == 1
    assert any(line.startswith(row) and line.endswith("FAILED") for line in books.lines())


def test_the_books_have_no_row_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        Books().breach("unheard of", "x")
    assert len(ROWS) == len(set(ROWS))
