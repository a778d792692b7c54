"""One call each: well-formed HTTP of every kind, to every path, and what is expected of it."""

from __future__ import annotations

import base64
import hashlib
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tests.fuzz import bodies
from tests.fuzz.doors import CLIENT, CLIENT_SECRET, shown
from tests.fuzz.marks import mark
from tests.fuzz.odd import ODD_LINES, ODD_PATHS, ODD_TYPES, OTHER_METHODS, TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.fuzz.doors import Door, Lines, Proof

CALLBACK = "/callbacks/{workspace}"
VIEWER = "/callbacks/{workspace}/viewer"
TOKEN = "/oauth2/token"
DOCUMENT = "/openapi.json"
BRAZE = (
    "/v1/workspaces/{workspace_id}/data",
    "/v1/projects/{project_id}/data",
    "/v1/campaigns/{campaign_slug}/receivers/",
)
_LARGE = 100_000
_OF_VIEWERS = 0.15


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `plain`: nothing about it is odd, so a right secret must have it taken. `path` is the document's, None
    for another. With `waits` the body is sent only after `100 Continue`.
    """

    number: int
    path: str | None
    method: str
    workspace: str
    proof: Proof
    plain: bool
    head: bytes
    body: bytes
    waits: bool = False
    digest: str = ""
    """SHA-256 of a body that may be too large for a topic: its record has that in its place."""
    content: bytes = b""
    items: tuple[bytes, ...] = ()
    sound: tuple[bool, ...] | None = None
    """Of what Braze posts: the body, without its chunks, and the rest as `brazebodies.Posted`."""

    @property
    def is_braze(self) -> bool:
        """Whether it goes where Braze posts."""
        return self.path in BRAZE

    @property
    def is_callback(self) -> bool:
        """Whether a record must come of it, where it is taken."""
        return self.path in {CALLBACK, VIEWER} or self.is_braze


class Request(NamedTuple):
    """What is sent, before it is written down as HTTP."""

    method: bytes
    target: bytes
    lines: Lines
    content: bytes


class Caller:
    """Makes calls up. What it makes is a function of `rng`, but for tokens, which are signed anew in each run."""

    def __init__(self, rng: Random, doors: dict[str, Door], pool: list[bytes]) -> None:
        self._rng = rng
        self._doors = list(doors.values())
        self._pool = pool

    def call(self, number: int) -> Call:
        """One of all kinds."""
        chance = self._rng.random()
        if chance < 0.86:
            return self.callback(number)
        if chance < 0.94:
            return self._token(number)
        return self._elsewhere(number)

    def opening(self, numbers: Iterator[int]) -> Iterator[Call]:
        """A call to each door that must be taken."""
        return (self.callback(next(numbers), door, plain=True) for door in self._doors)

    def callback(self, number: int, door: Door | None = None, *, plain: bool = False) -> Call:
        """To one of the doors; `plain` ones show the right thing and bring a video."""
        rng = self._rng
        door = door or rng.choice(self._doors)
        proof, lines = shown(rng, door, [each for each in self._doors if each is not door])
        content = bodies.body(rng, number, self._pool)
        odd = rng.random() < 0.3 and not plain
        method = rng.choice((b"POST", b"PUT", b"PATCH"))
        if plain:
            proof, lines, content = "right", door.right[0], bodies.video(rng, number)
        if odd and rng.random() < 0.1:
            method = rng.choice(OTHER_METHODS)
        path = b"/callbacks/" + door.name.encode()
        if rng.random() < 0.03 and not plain:
            path, proof = path + rng.choice((b"x", b"-", b"%00", b".")), "wrong"
        lines += ((b"Content-Type", rng.choice(ODD_TYPES if odd and rng.random() < 0.3 else TYPES)),)
        if odd:
            lines += rng.choice(ODD_LINES)
        content = content + mark(number) if content[:1] in (b"\xef", b"\xff") else mark(number) + content
        is_plain = proof == "right" and not odd
        kind = CALLBACK
        if rng.random() < _OF_VIEWERS and not plain:
            kind, path, is_plain = VIEWER, path + b"/viewer", is_plain and door.takes_viewer_events
        request = Request(method, path, lines, content)
        return framed(rng, number, kind, door.name, proof, request, plain=is_plain)

    def _token(self, number: int) -> Call:
        rng = self._rng
        basic = b"Basic " + base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode())
        form = {"grant_type": "client_credentials"}
        lines: Lines = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
        kind = rng.randrange(6)
        proof: Proof = "right" if kind < 2 else "wrong"
        if kind == 0:
            form |= {"client_id": CLIENT, "client_secret": CLIENT_SECRET}
        elif kind == 1:
            lines += ((b"Authorization", basic),)
        elif kind == 2:
            near = rng.choice(
                (CLIENT_SECRET[:-1], CLIENT_SECRET.upper(), "", "x" * 3_000, CLIENT_SECRET + "\0", "\ud7ff")
            )
            form |= {"client_id": CLIENT, "client_secret": near}
        elif kind == 3:
            lines += (
                (
                    b"Authorization",
                    rng.choice((basic[:-4], b"Basic", b"Basic =", b"Bearer x", b"\xff", basic[:9] + b"!!!!")),
                ),
            )
        text = urllib.parse.urlencode(form).encode()
        if kind == 4:
            proof, text = "either", self._odd_form(text)
        elif kind == 5:
            text = rng.choice(self._pool)
        path, method, plain = b"/oauth2/token", b"POST", kind < 2
        if rng.random() < 0.05:
            method, plain = rng.choice(OTHER_METHODS), False
        return framed(rng, number, TOKEN, "", proof, Request(method, path, lines, text), plain=plain)

    def _odd_form(self, form: bytes) -> bytes:
        right = b"client_id=%s&client_secret=%s" % (CLIENT.encode(), CLIENT_SECRET.encode())
        return self._rng.choice(
            (
                form + b"&" + right + b"&" + right,
                form + b"&" + right + b"&scope=" + b"%20" * 500,
                form + b"&" + right + b"&x=%ff",
                form.replace(b"client_credentials", b"password") + b"&" + right,
                right,
                form + b"&" + right + b"&a=1" * 30,
                form + b";" + right.replace(b"&", b";"),
                b"\xef\xbb\xbf" + form + b"&" + right,
                form + b"&" + right + b"\0",
                form + b"&client_id[]=" + right,
                form + b"&" + right + b"&" + b"x" * 5_000,
                b"%67rant_type=client_credentials&" + right,
            )
        )

    def _elsewhere(self, number: int) -> Call:
        rng = self._rng
        if rng.random() < 0.3:
            method = rng.choice((b"GET", b"GET", b"HEAD", b"POST", b"OPTIONS"))
            request = Request(method, b"/openapi.json", (), b"")
            return framed(rng, number, DOCUMENT, "", "wrong", request, plain=method in (b"GET", b"HEAD"))
        target, door = rng.choice(ODD_PATHS), rng.choice(self._doors)
        content, method = mark(number) + bodies.video(rng, number), rng.choice((b"POST", b"GET"))
        # An odd path may lead to a workspace: any of them, so only a secret that opens none counts as wrong.
        shows_wrong = bool(door.wrong) and b"open" not in target and rng.random() < 0.5
        lines = rng.choice(door.wrong if shows_wrong else door.right)
        proof: Proof = "wrong" if shows_wrong else "either"
        return framed(rng, number, None, "", proof, Request(method, target, lines, content), plain=False)


def framed(
    rng: Random,
    number: int,
    path: str | None,
    workspace: str,
    proof: Proof,
    request: Request,
    *,
    plain: bool,
) -> Call:
    """`request`, with its length or in chunks."""
    method, target, lines, content = request
    in_chunks = rng.random() < 0.1 and method not in (b"HEAD", b"GET")
    waits = rng.random() < 0.02 and bool(content)
    lines = ((b"Host", b"localhost"), (b"X-Forwarded-For", _address(rng)), *lines)
    if waits:
        lines += ((b"Expect", b"100-continue"),)
    lines += (
        ((b"Transfer-Encoding", b"chunked"),) if in_chunks else ((b"Content-Length", b"%d" % len(content)),)
    )
    head = b"%s %s HTTP/1.1\r\n" % (method, target)
    head += b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n"
    body = chunked(rng, content) if in_chunks else content
    is_sound = plain and len(content) <= bodies.MOST_BYTES
    digest = hashlib.sha256(content).hexdigest() if len(content) >= _LARGE else ""
    return Call(number, path, method.decode(), workspace, proof, is_sound, head, body, waits, digest)


def chunked(rng: Random, content: bytes) -> bytes:
    """In chunks of any size, in part with extensions and trailers."""
    parts: list[bytes] = []
    place = 0
    while place < len(content):
        size = min(
            len(content) - place, rng.choice((1, 7, 64, 4_000, 100_000)) if len(parts) < 50 else len(content)
        )
        name = rng.choice((b"%x", b"%X", b"000%x", b"%x;a=b", b'%x;a="b"')) % size
        parts.append(name + b"\r\n" + content[place : place + size] + b"\r\n")
        place += size
    trailer = rng.choice((b"", b"", b"X-Trailer: 1\r\n", b"Authorization: Bearer x\r\n"))
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def _address(rng: Random) -> bytes:
    """Of whoever calls: seldom the same, so that nobody waits for having guessed."""
    if rng.random() < 0.2:
        return b"2001:db8:%x:%x::1" % (rng.randrange(65_536), rng.randrange(65_536))
    return b"%d.%d.%d.%d" % tuple(rng.randrange(1, 224) for _ in range(4))
