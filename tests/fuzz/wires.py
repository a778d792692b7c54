"""Bytes on a connection that are no well-formed HTTP, or hardly any: each call in them has a number of its own.

What is smuggled shows a wrong secret, so that whatever comes of it is a breach.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.fuzz.brazecalls import PATHS, WORKSPACE, target
from tests.fuzz.broken import ENCODINGS, LINES, STARTS, UPGRADES, chunk_bodies, lengths
from tests.fuzz.calls import CALLBACK
from tests.fuzz.doors import OF_BRAZE, TOKENS
from tests.fuzz.marks import mark

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.fuzz.doors import Proof

WIRED = {"static": (CALLBACK, TOKENS[0]), WORKSPACE: (PATHS[WORKSPACE][0], OF_BRAZE[0])}
"""The workspaces that raw bytes lead to: by which of the document's paths, and what opens them."""

_WRONG = b"Authorization: Bearer wrong"
_JSON = b"Content-Type: application/json"
_SILENT = 0.03


@dataclass(frozen=True, slots=True)
class Wire:
    """What is sent over one connection to `workspace`: `pieces` one after the other, then, with `ends`, the end. `calls` are the numbers
    in it, with what they show. `answers` is how many calls must be answered 2xx, None where that is open. With `waits` the
    caller sends no more and stays, until the listener ends the connection.
    """

    kind: str
    pieces: tuple[bytes, ...]
    calls: tuple[tuple[int, Proof], ...]
    ends: bool
    answers: int | None = None
    waits: bool = False
    workspace: str = "static"

    @property
    def path(self) -> str:
        """The document's."""
        return WIRED[self.workspace][0]


class Wires:
    """Makes wires up, each with the numbers that it is given: at most `MOST_CALLS`."""

    MOST_CALLS = 4

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._to = "static"
        self._kinds: tuple[Callable[[int], Wire], ...] = (
            self._lengths,
            self._both,
            self._encodings,
            self._chunks,
            self._lines,
            self._targets,
            self._floods,
            self._pipeline,
            self._upgrades,
            self._cut,
            self._noise,
            self._flipped,
        )

    def wire(self, first: int) -> Wire:
        """One of all kinds, with the numbers from `first` on."""
        self._to = self._rng.choice(list(WIRED))
        return replace(self._rng.choice(self._kinds)(first), workspace=self._to)

    def _one(self, kind: str, number: int, text: bytes, proof: Proof = "right") -> Wire:
        return Wire(kind, self._pieces(text), ((number, proof),), ends=self._rng.random() < 0.5)

    def _pieces(self, text: bytes) -> tuple[bytes, ...]:
        rng = self._rng
        if rng.random() < 0.6 or len(text) < 2:
            return (text,)
        cuts = sorted(rng.randrange(1, len(text)) for _ in range(rng.randrange(1, 4)))
        return tuple(text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True))

    def _lengths(self, number: int) -> Wire:
        content = _video(number)
        value = self._rng.choice(lengths(len(content)))
        return self._one("content length", number, self._head(b"Content-Length: " + value) + content)

    def _both(self, number: int) -> Wire:
        """Two lengths, or a length and chunks: what one server takes for the next request is a body to another."""
        hidden = self._head(b"Content-Length: %d" % len(_video(number + 1)), proof=_WRONG) + _video(
            number + 1
        )
        content = mark(number) + b"0\r\n\r\n" + hidden
        short, long = b"Content-Length: 5", b"Content-Length: %d" % len(content)
        chunks = self._rng.choice(
            (b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked")
        )
        lines = self._rng.choice(
            ((short, chunks), (chunks, short), (long, chunks), (short, long), (long, short), (chunks, chunks))
        )
        text = self._head(*lines) + self._rng.choice(
            (b"0\r\n\r\n" + hidden, content, b"5\r\n     \r\n0\r\n\r\n" + hidden)
        )
        return Wire("two lengths", self._pieces(text), ((number, "right"), (number + 1, "wrong")), ends=True)

    def _encodings(self, number: int) -> Wire:
        hidden = self._head(b"Content-Length: %d" % len(_video(number + 1)), proof=_WRONG) + _video(
            number + 1
        )
        value = self._rng.choice(ENCODINGS)
        text = self._head(b"Transfer-Encoding: " + value) + b"0\r\n\r\n" + hidden
        return Wire(
            "transfer encoding", self._pieces(text), ((number, "right"), (number + 1, "wrong")), ends=True
        )

    def _chunks(self, number: int) -> Wire:
        content = _video(number)
        body = self._rng.choice(chunk_bodies(content))
        return self._one("chunks", number, self._head(b"Transfer-Encoding: chunked") + body)

    def _lines(self, number: int) -> Wire:
        content = _video(number)
        size = b"Content-Length: %d" % len(content)
        line = self._rng.choice(LINES)
        return self._one("header lines", number, self._head(line, size) + content)

    def _targets(self, number: int) -> Wire:
        content = _video(number)
        start = self._rng.choice(STARTS)
        start = start % self._target if b"%s" in start else start
        head = b"\r\n".join(
            (start, b"Host: x", self._right, _JSON, b"Content-Length: %d" % len(content), b"", b"")
        )
        return self._one("targets", number, head + content)

    def _floods(self, number: int) -> Wire:
        content = _video(number)
        size = b"Content-Length: %d" % len(content)
        flood = self._rng.choice(
            (
                tuple(b"X-%d: x" % each for each in range(self._rng.choice((100, 128, 200, 5_000)))),
                (b"X: " + b"x" * self._rng.choice((8_000, 8_190, 8_191, 70_000, 300_000)),),
                (_WRONG,) * 100 + (self._right,) * 20,
                (b"Cookie: " + b"a=b;" * 2_000,) * 20,
                (b"Content-Length: 7",) * 100,
            )
        )
        return self._one("floods", number, self._head(*flood, size) + content)

    def _pipeline(self, number: int) -> Wire:
        proofs: list[Proof] = [self._rng.choice(("right", "right", "wrong")) for _ in range(4)]
        calls = [
            self._head(
                b"Content-Length: %d" % len(_video(number + each)),
                proof=self._right if proof == "right" else _WRONG,
            )
            + _video(number + each)
            for each, proof in enumerate(proofs)
        ]
        taken = proofs.index("wrong") if "wrong" in proofs else 4  # a refused caller's connection ends
        numbered = tuple((number + each, proof) for each, proof in enumerate(proofs))
        return Wire("pipelines", self._pieces(b"".join(calls)), numbered, ends=False, answers=taken)

    def _upgrades(self, number: int) -> Wire:
        hidden = self._head(b"Content-Length: %d" % len(_video(number + 1)), proof=_WRONG) + _video(
            number + 1
        )
        content = _video(number)
        lines = self._rng.choice(UPGRADES)
        text = self._head(*lines, b"Content-Length: %d" % len(content)) + content + hidden
        return Wire("upgrades", self._pieces(text), ((number, "right"), (number + 1, "wrong")), ends=True)

    def _cut(self, number: int) -> Wire:
        """The caller goes away in the middle of it, or stays and is silent."""
        content = _video(number)
        whole = self._head(b"Content-Length: %d" % len(content)) + content
        if self._rng.random() < _SILENT:
            sent = self._rng.choice((whole[:-5], whole[:40], whole[:1], b""))
            return Wire("silence", (sent,), ((number, "right"),), ends=False, waits=True)
        return self._one("cut off", number, whole[: self._rng.randrange(1, len(whole))])

    def _noise(self, number: int) -> Wire:
        rng = self._rng
        text = rng.choice(
            (
                rng.randbytes(rng.randrange(1, 2_000)),
                b"\r\n" * 500,
                b"\0" * 5_000,
                b"A" * 20_000,
                b"POST " * 2_000,
            )
        )
        return self._one("noise", number, text, "wrong")

    def _flipped(self, number: int) -> Wire:
        """Well-formed, and one byte of it is another."""
        content = _video(number)
        whole = bytearray(self._head(b"Content-Length: %d" % len(content)) + content)
        whole[self._rng.randrange(len(whole) - len(content))] = self._rng.randrange(256)
        return self._one("flipped bytes", number, bytes(whole))

    @property
    def _target(self) -> bytes:
        return target(WIRED[self._to][0], self._to).encode()

    @property
    def _right(self) -> bytes:
        return b"Authorization: Bearer " + WIRED[self._to][1].encode()

    def _head(self, *lines: bytes, proof: bytes | None = None) -> bytes:
        first = b"POST " + self._target + b" HTTP/1.1"
        return b"\r\n".join((first, b"Host: x", proof or self._right, _JSON, *lines, b"", b""))


def _video(number: int) -> bytes:
    return mark(number) + b'{"id":"%d"}' % number
