"""Access tokens that must open nothing, for a door whose right ones are signed with a key that is known here.

What is signed with the right key, says the right thing and is odd all the same may be taken or refused: it is no forgery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc.jwk import RSAKey

from tests.issuer import EC, RSA, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

Sign = Callable[[bytes], bytes]
"""The signature of a text."""

OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
_PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
_DER = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
_DEEP = 3_000


@dataclass(frozen=True, slots=True)
class Right:
    """How the right tokens of a door are made: `header` and `claims` for now, signed by `sign`."""

    header: dict[str, Any]
    claims: dict[str, Any]
    sign: Sign

    def token(self, **changes: Any) -> bytes:
        """With other claims; None leaves one out."""
        return compact(self.header, _changed(self.claims, changes), self.sign)


def by_secret(secret: bytes) -> Sign:
    """HS256."""
    return lambda text: hmac.digest(secret, text, "sha256")


def by_key(key: RSAKey) -> Sign:
    """RS256."""
    private = key.private_key
    assert isinstance(private, rsa.RSAPrivateKey)
    return lambda text: private.sign(text, padding.PKCS1v15(), hashes.SHA256())


def compact(header: object, payload: object, sign: Sign) -> bytes:
    """A JWS of what is given, which need not be JSON."""
    text = b".".join(_part(each) for each in (header, payload))
    return text + b"." + _encoded(sign(text))


def forgeries(right: Right) -> list[bytes]:
    """Each must be refused, wherever `right` opens."""
    return [
        *_wrong_claims(right),
        *_wrong_algorithms(right),
        *_wrong_keys(right),
        *_wrong_headers(right),
        *_wrong_forms(right),
    ]


def oddities(right: Right) -> list[bytes]:
    """Signed by the right key, for the right audience, and odd: each may be taken or not."""
    header, claims, sign = right.header, right.claims, right.sign
    text = right.token()
    return [
        *(right.token(exp=value) for value in (1e308, 2**63, 10**30, time.time() + 3600.5)),
        compact(header, json.dumps(claims).replace(str(claims["exp"]), "1e400").encode(), sign),
        right.token(aud=[claims["aud"], "others"]),
        right.token(iat=int(time.time()) + 3600),
        right.token(jti={"a": ["b"]}, scope="\ud800"),
        compact(header | {"typ": "\N{SNOWMAN}"}, claims, sign),
        compact(header | {"jku": "https://evil.example/keys", "x5u": "https://evil.example/x"}, claims, sign),
        compact(header | {"jwk": OTHER_RSA.as_dict(private=False)}, claims, sign),
        compact(header, json.dumps(claims)[:-1].encode() + b',"aud":"others"}', sign),
        compact(header, b"\xef\xbb\xbf" + json.dumps(claims).encode(), sign),
        compact(
            header, json.dumps(claims)[:-1].encode() + b',"x":' + b"[" * _DEEP + b"]" * _DEEP + b"}", sign
        ),
        *(
            compact(header | {"crit": critical}, claims, sign)
            for critical in ([], ["alg"], ["exp"], "b64", None, 7)
        ),
        text + b"=",
        b" " + text + b" ",
    ]


def _wrong_claims(right: Right) -> Iterator[bytes]:
    now, claims = int(time.time()), right.claims
    wrong: dict[str, tuple[Any, ...]] = {
        "exp": (
            now - 3600,
            0,
            -1,
            True,
            False,
            None,
            "soon",
            str(now + 3600),
            [now + 3600],
            {},
            float("-inf"),
            -1e308,
        ),
        "nbf": (now + 3600, "now", [], float("inf")),
        "aud": (
            "others",
            None,
            [],
            {},
            [1],
            "",
            claims["aud"] + "x",
            claims["aud"][:-1],
            [[claims["aud"]]],
            7,
            True,
        ),
        "iss": ("others", None, [claims["iss"]], "", claims["iss"] + "x", claims["iss"].upper() + "X", 7),
    }
    if "sub" in claims:
        wrong["sub"] = ("others", None, "", [claims["sub"]], 7)
    for name, values in wrong.items():
        for value in values:
            yield right.token(**{name: value})
    yield right.token(**dict.fromkeys(claims))


def _wrong_algorithms(right: Right) -> Iterator[bytes]:
    names: tuple[object, ...] = (
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        None,
        "HS512",
        "RS1",
        "dir",
        5,
        ["RS256"],
        {},
        "\ud800",
    )
    for name in names:
        for sign in (right.sign, lambda _: b"", lambda _: b"x"):
            yield compact(right.header | {"alg": name}, right.claims, sign)
    public = OTHER_RSA.public_key if right.header["alg"] == "HS256" else _public(right)
    secrets = [
        public.public_bytes(*_PEM),
        public.public_bytes(*_DER),
        public.public_bytes(*_PEM).strip(),
        b"",
    ]
    for secret in secrets:  # the public key is no secret of an HMAC
        yield compact(right.header | {"alg": "HS256"}, right.claims, by_secret(secret))
    yield signed(right.claims, EC, "ES256").encode()
    for algorithm in ("RS384", "PS256", "RS512"):
        yield signed(right.claims, OTHER_RSA, algorithm).encode()


def _wrong_keys(right: Right) -> Iterator[bytes]:
    stranger = by_key(OTHER_RSA)
    own = OTHER_RSA.as_dict(private=False)
    header = right.header | {"alg": "RS256"}
    yield compact(header, right.claims, stranger)
    for more in (
        {"kid": "rsa-2"},
        {"kid": None},
        {"jwk": own},
        {"jwk": own, "kid": own["kid"]},
        {"jku": "https://evil.example/keys"},
        {"x5u": "http://127.0.0.1:1/x"},
        {"x5c": ["AAAA"]},
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'secret"},
        {"kid": "k" * 5_000},
        {"kid": 7},
        {"kid": ["rsa-1"]},
        {"kid": {"rsa-1": 1}},
        {"kid": "\ud800"},
        {"kid": "rsa-1\x00"},
    ):
        yield compact(header | more, right.claims, stranger)
    for secret in (b"", b"\0", b"secret", b"k" * 32, hashlib.sha256(b"").digest()):
        yield compact(right.header | {"alg": "HS256"}, right.claims, by_secret(secret))


def _wrong_headers(right: Right) -> Iterator[bytes]:
    header, claims, sign = right.header, right.claims, right.sign
    yield compact(header | {"crit": ["unheard-of"], "unheard-of": 1}, claims, sign)
    yield compact(header | {"crit": ["b64"], "b64": False}, claims, sign)
    for text in (b"", b"{", b"null", b"[]", b'"RS256"', b"\xff\xfe", b"[" * _DEEP, b'{"alg":' * 1_000):
        yield compact(text, claims, sign)
    yield compact(json.dumps(header)[:-1].encode() + b',"alg":"none"}', claims, lambda _: b"")


def _wrong_forms(right: Right) -> Iterator[bytes]:
    text = right.token()
    head, body, signature = text.split(b".")
    other = _encoded(json.dumps(right.claims | {"admin": True}).encode())
    yield from (head + b"." + other + b"." + signature, head + b"." + body + b".", head + b"." + body)
    yield from (head, b".", b"..", b"...", b"." + body + b"." + signature, head + b".." + signature)
    yield from (text[:-8], text + b"AAAA", text[::-1], text + b"." + signature, text + b".AA.AA", text * 3)
    yield from (text[:-6] + b"AAAAAA", head + b"." + body + b"." + signature[::-1])
    yield json.dumps(
        {"payload": body.decode(), "protected": head.decode(), "signature": signature.decode()}
    ).encode()
    for payload in (b"", b"{", b"null", b"[]", b"7", b"\xff\xfe{}", b"[" * _DEEP, b'{"a":' * 1_000, b"NaN"):
        yield compact(right.header, payload, right.sign)
    yield text.replace(b".", b" . ")
    yield b"\xff" + text
    yield text + b"\xc3\xa5"


def _public(right: Right) -> rsa.RSAPublicKey:
    """The public half of the door's key, which everybody can fetch."""
    key = RSA.public_key
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def _changed(claims: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (claims | changes).items() if value is not None}


def _part(content: object) -> bytes:
    return _encoded(content if isinstance(content, bytes) else json.dumps(content).encode())


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
