"""What callers send: videos, JSON of every shape, and what is no JSON, or hardly any."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.nasty import NASTY

if TYPE_CHECKING:
    from random import Random

CUSTOMER = b"customer-of-the-fuzz-run-2f6e"
"""Stands in bodies, and must never be in a log."""

MOST_BYTES = 1_048_576
"""A body may have so many, by the connector's default."""

_LINKS = ("player_url", "video_url", "landing_page_url", "thumbnail_url", "email_thumbnail_url")
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_values = st.recursive(
    _scalars, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=20
)
_callbacks = st.dictionaries(st.sampled_from(["id", "campaign_slug", *_LINKS]), _scalars | _values)


def drawn(count: int, number: int) -> list[bytes]:
    """`count` bodies of hypothesis, the same ones for the same `number`."""
    found: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.one_of(
            _callbacks.map(_written),
            st.builds(
                lambda known, each: _written(known | each),
                st.fixed_dictionaries({"id": st.text()}),
                _callbacks,
            ),
            _values.map(_written),
            _values.map(_in_utf8),
            st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.binary(),
        )
    )
    def collect(body: bytes) -> None:
        found.append(body)

    collect()
    return found or [b"{}"]


def body(rng: Random, number: int, pool: list[bytes]) -> bytes:
    """One of all kinds; `number` is a video's id where there is one."""
    chance = rng.random()
    if chance < 0.4:
        return video(rng, number)
    if chance < 0.7:
        return rng.choice(pool)
    if chance < 0.85:
        return _damaged(rng, video(rng, number) if rng.random() < 0.7 else rng.choice(pool))
    if chance < 0.997:
        return rng.choice(NASTY)
    return _large(rng, number)


def video(rng: Random, number: int) -> bytes:
    """A callback that becomes an event."""
    said: dict[str, object] = {"id": str(number) if rng.random() < 0.8 else number}
    for name in rng.sample(_LINKS, rng.randrange(len(_LINKS) + 1)):
        said[name] = rng.choice(("https://player.seen.io/v/x", "your.subdomain.com/v/1", "//x/y", "", None))
    said["campaign_slug"] = rng.choice(("onboarding", None, 7, ""))
    said["first_name"] = CUSTOMER.decode()
    return json.dumps(said).encode()


def _written(value: object) -> bytes:
    """With Python's own NaN, Infinity and lone surrogates, which are no JSON."""
    return json.dumps(value).encode()


def _in_utf8(value: object) -> bytes:
    """Likewise, and nothing is escaped."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _damaged(rng: Random, whole: bytes) -> bytes:
    broken = bytearray(whole)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(broken) + 1)
        length = rng.randrange(1, 8)
        match rng.randrange(5):
            case 0:
                broken[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del broken[place : place + length]
            case 2:
                broken[place:place] = rng.randbytes(length)
            case 3:
                broken[place:place] = broken[place : place + length]
            case _:
                del broken[place:]
    return bytes(broken)


def _large(rng: Random, number: int) -> bytes:
    start = b'{"id":"%d","x":"' % number
    size = rng.choice(
        (100_000, 600_000, 900_000, 1_000_000, MOST_BYTES - 100, MOST_BYTES + 1, 2 * MOST_BYTES)
    )
    filler = rng.choice((b"x", b"\\u0000", b"\xc3\xa5", b"\xff"))
    return start + filler * ((size - len(start) - 2) // len(filler)) + b'"}'
