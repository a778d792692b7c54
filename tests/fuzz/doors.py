"""The workspaces that are called, one for each kind of authentication, what opens each of them, and what must not."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from connector.inbound.tokens import OWN_ISSUER
from tests.fuzz.forged import Right, by_key, by_secret, forgeries, oddities
from tests.issuer import AUDIENCE, ISSUER, RSA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Proof = Literal["right", "wrong", "either"]
"""What a call shows: `either` is the right secret in a form that may be taken or not."""

Lines = tuple[tuple[bytes, bytes], ...]
"""Headers as they are sent."""

TOKENS = ("fuzz-token-of-today-81b2", "fuzz-token-of-tomorrow-c9d0")
OF_BRAZE = ("fuzz-braze-flow-3e01", "fuzz-braze-flow-77d2", "fuzz-braze-film-a85c", "fuzz-braze-film-1f9b")
NAMED = "fuzz-named-token-44e1"
PAIRS = (
    ("seen", "fuzz-password-7d0a"),
    ("s\N{LATIN SMALL LETTER E WITH DIAERESIS}en", "fuzz p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss:word/61"),
)
CLIENT, CLIENT_SECRET = "seen-ours", "fuzz-client-secret-0b5c"
SIGNING_KEY = "fuzz-signing-key-of-32-characters-93"
NAMED_HEADER = "X-Fuzz-Key"
_SCHEMES = (b"Bearer", b"bearer", b"BEARER", b"Token", b"token")
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Door:
    """One workspace: `auth` is its setting `callback.auth`; the others are what callers show."""

    name: str
    auth: dict[str, Any] = field(repr=False)
    right: tuple[Lines, ...] = field(repr=False)
    either: tuple[Lines, ...] = field(default=(), repr=False)
    wrong: tuple[Lines, ...] = field(default=(), repr=False)
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    """Each may be changed a little, and is wrong then."""

    @property
    def takes_viewer_events(self) -> bool:
        """Whether there is a topic for them: some workspaces have none."""
        return self.name in {"static", "ours", "open"}


def doors(jwks_url: str) -> dict[str, Door]:
    """All of them. The right tokens are good for an hour."""
    jwt = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": jwks_url}
    oauth2 = {"client_id": CLIENT, "client_secret": CLIENT_SECRET}
    now = int(time.time())
    ours = Right(
        {"alg": "HS256", "typ": "at+jwt"},
        {"iss": OWN_ISSUER, "aud": "ours", "sub": CLIENT, "iat": now, "exp": now + _HOUR},
        by_secret(SIGNING_KEY.encode()),
    )
    theirs = Right(
        {"alg": "RS256", "kid": RSA.kid},
        {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + _HOUR},
        by_key(RSA),
    )
    all_of_them = (
        by_token("static", TOKENS),
        _named(),
        _basic(),
        _tokens("ours", {"oauth2": oauth2}, ours),
        _tokens("theirs", {"jwt": jwt}, theirs),
        Door(
            "open",
            {"none": True},
            right=((), _authorization(b"Bearer", b"x"), ((b"Authorization", b"\xff"),)),
        ),
    )
    return {door.name: door for door in all_of_them}


def shown(rng: Random, door: Door, others: list[Door]) -> tuple[Proof, Lines]:
    """What one call shows at `door`: the right thing in half of all cases."""
    chance = rng.random()
    if chance < 0.5 or door.name == "open":
        return "right", rng.choice(door.right)
    if chance < 0.55 and door.either:
        return "either", rng.choice(door.either)
    if chance < 0.65:
        return "wrong", rng.choice(others).right[0]
    if chance < 0.8 and door.secrets:
        return "wrong", _nearly(rng, door)
    return "wrong", rng.choice(door.wrong)


def planted() -> list[bytes]:
    """What must never be in a log."""
    pairs = [f"{user}:{password}".encode() for user, password in PAIRS]
    texts = [*TOKENS, *OF_BRAZE, NAMED, *(password for _, password in PAIRS), CLIENT_SECRET, SIGNING_KEY]
    return [each.encode() for each in texts] + [base64.b64encode(pair) for pair in pairs]


def by_token(name: str, tokens: tuple[str, ...]) -> Door:
    """Whoever shows one of `tokens` may enter."""
    first = tokens[0].encode()
    return Door(
        name,
        {"token": list(tokens)},
        right=tuple(_authorization(scheme, token.encode()) for scheme in _SCHEMES for token in tokens),
        either=(
            _authorization(b"Bearer  \t ", first + b"\t "),
            _authorization(b"Bearer", b"wrong") + _authorization(b"Bearer", first),
            _authorization(b"Bearer", first) + _authorization(b"Bearer", b"wrong"),
            _authorization(b"Bearer", b"wrong, Bearer " + first),
            ((b"authorization", b"Bearer " + first),),
            ((b"Authorization", b"Bearer\t" + first),),
        ),
        wrong=(
            *_nothings(),
            ((b"X-Api-Key", first),),
            _authorization(b"Basic", first),
            ((b"Authorization", first),),
        ),
        secrets=tuple(token.encode() for token in tokens),
    )


def _named() -> Door:
    header, secret = NAMED_HEADER.encode(), NAMED.encode()
    return Door(
        "named",
        {"token": NAMED, "header": NAMED_HEADER},
        right=(((header, secret),), ((header.lower(), secret),), ((header, b"\t" + secret + b" "),)),
        either=(((header, b"wrong"), (header, secret)), ((header, secret), (header, b"wrong"))),
        wrong=(
            *_nothings(),
            *(((header, value),) for value in (b"", b"Bearer " + secret, b"*", b"\xff\xfe", secret * 2)),
            ((b"X_Fuzz_Key", secret),),
            ((b"X-Fuzz-Keys", secret),),
            _authorization(b"Bearer", secret),
        ),
        secrets=(secret,),
    )


def _basic() -> Door:
    pairs = [f"{user}:{password}".encode() for user, password in PAIRS]
    encoded = [base64.b64encode(pair) for pair in pairs]
    return Door(
        "basic",
        {"basic": [{"username": user, "password": password} for user, password in PAIRS]},
        right=tuple(
            _authorization(scheme, each) for scheme in (b"Basic", b"basic", b"BASIC") for each in encoded
        ),
        either=(
            *(_authorization(b"Basic", each.rstrip(b"=")) for each in encoded),
            *(_authorization(b"Basic", each + b"==") for each in encoded),
            *(_authorization(b"Basic", each.replace(b"/", b"_")) for each in encoded),
            _authorization(b"Basic", b" " + encoded[0]),
        ),
        wrong=(
            *_nothings(),
            *(_authorization(b"Bearer", each) for each in (*pairs, *encoded)),
            *(
                _authorization(b"Basic", each)
                for each in (b"", b"=", b"====", b"\xff", b"!", b"Og==", b"c2Vlbg==")
            ),
            _authorization(b"Basic", base64.b64encode(b"seen:" + PAIRS[1][1].encode())),
            _authorization(b"Basic", base64.b64encode(b"\0" * 5_000)),
        ),
        secrets=tuple(pairs),
    )


def _tokens(name: str, auth: dict[str, Any], right: Right) -> Door:
    good = [right.token(jti=secrets.token_hex(4)) for _ in range(20)]
    return Door(
        name,
        auth,
        right=tuple(_authorization(b"Bearer", each) for each in good),
        either=(
            *(_authorization(b"Bearer", each) for each in oddities(right)),
            _authorization(b"Token", good[0]),
            _authorization(b"Bearer", b"wrong") + _authorization(b"Bearer", good[0]),
        ),
        wrong=(*_nothings(), *(_authorization(b"Bearer", each) for each in forgeries(right))),
    )


def _nothings() -> Iterator[Lines]:
    """What shows nothing, anywhere."""
    yield from (
        (),
        ((b"Authorization", b""),),
        ((b"Authorization", b"Bearer"),),
        ((b"Authorization", b"Bearer "),),
    )
    for value in (
        b"Bearer null",
        b"Bearer *",
        b"Bearer \xff\xfe",
        b"Basic Og==",
        b"Digest x",
        b"\xc3\xa5 x",
        b"Bearer " + b"x" * 7_000,
    ):
        yield ((b"Authorization", value),)
    yield ((b"Cookie", b"token=" + TOKENS[0].encode()),)


def _nearly(rng: Random, door: Door) -> Lines:
    near = _changed(rng, rng.choice(door.secrets), door.secrets)
    if door.name == "basic":
        return _authorization(b"Basic", base64.b64encode(near))
    if door.name == "named":
        return ((NAMED_HEADER.encode(), near),)
    return _authorization(rng.choice(_SCHEMES), near)


def _changed(rng: Random, secret: bytes, right: tuple[bytes, ...]) -> bytes:
    """Almost `secret`, and none of `right`: white space around it does not count as a change."""
    place = rng.randrange(len(secret))
    near = rng.choice(
        (
            secret[:place],
            secret[place + 1 :],
            secret[:place] + secret[place + 1 :],
            secret[:place] + bytes([secret[place] ^ 1]) + secret[place + 1 :],
            secret + secret[:1],
            secret.upper(),
            secret.swapcase(),
            secret[::-1],
            secret + b"\xc3\xa5",
            secret[:place] + b"%" + secret[place:],
        )
    )
    return near if near.strip() not in right else b"nearly"


def _authorization(scheme: bytes, value: bytes) -> Lines:
    return ((b"Authorization", scheme + b" " + value),)
