"""OAuth 2.0 access tokens of callers: signed (JWT, RFC 7519), for one workspace, for a while. Pure.

Rules:
 1. The algorithms are ours to choose: what a token says of itself only selects among them. A key has a type, and no
    algorithm takes a key of another type, so a public key never serves as the secret of an HMAC.
 2. `exp`, `iss` and `aud` must be there. The audience is one workspace's, so no token opens another's callbacks.
 3. A token that says the wrong thing of itself is refused before its signature is looked at; what it says right counts for
    nothing until the signature is verified.
 4. Whatever the bytes, the answer is a `Proof`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry, extract_compact

from connector.inbound.auth import AUTHORIZATION, Proof

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = OctKey | RSAKey | ECKey

OWN_ISSUER = "seen-connector"
"""`iss` of the tokens that our own endpoint issues."""

OWN_ALGORITHMS = ("HS256",)
"""Whoever verifies our tokens is one of us, and has the key: a secret is enough, and cheap."""

OWN_LEEWAY_SECONDS = 5
"""The wall clocks of replicas may differ so much."""

FOREIGN_LEEWAY_SECONDS = 60
"""The clock of somebody else's server may differ so much."""

_LONGEST_TOKEN = 8192
_CLAIMS = ("iss", "aud", "sub", "nbf", "iat", "exp")  # in this order: what has expired is right in all else


class _Registry(JWSRegistry):
    """Some servers put a chain of certificates into the header; parameters that we do not know are theirs (RFC 7515, 4)."""

    max_header_length = _LONGEST_TOKEN


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say: exactly this issuer and subject (None: any), and this audience among its own."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    subject: str | None
    leeway_seconds: int


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself: the id of its key, and whether its claims would do."""

    key_id: str | None
    claims: Proof


@dataclass(frozen=True, slots=True)
class OwnTokenAuth:
    """Tokens of our own endpoint, issued to `client_id` for `workspace`. `now` is Unix seconds. All of `keys` count."""

    keys: tuple[str, ...] = field(repr=False)
    workspace: str
    client_id: str
    now: float

    async def check(self, headers: Mapping[str, str]) -> Proof:
        """As `Authenticator`."""
        token = bearer(headers)
        if token is None:
            return Proof.WRONG
        wanted = Expected(OWN_ISSUER, self.workspace, OWN_ALGORITHMS, self.client_id, OWN_LEEWAY_SECONDS)
        proofs = (verified(token, OctKey.import_key(key), wanted, self.now) for key in self.keys)
        return next((proof for proof in proofs if proof is not Proof.WRONG), Proof.WRONG)


def issue(key: str, *, workspace: str, client_id: str, now: float, lifetime_seconds: float) -> str:
    """A token that opens `workspace` for `client_id` from `now`, Unix seconds, until `lifetime_seconds` later."""
    claims = {
        "iss": OWN_ISSUER,
        "aud": workspace,
        "sub": client_id,
        "iat": int(now),
        "exp": int(now + lifetime_seconds),
    }
    header = {"alg": OWN_ALGORITHMS[0], "typ": "at+jwt"}
    return jwt.encode(header, claims, OctKey.import_key(key), list(OWN_ALGORITHMS))


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token in the headers (RFC 6750, 2.1), None where there is none, or one that can be none of a JWT."""
    scheme, _, token = headers.get(AUTHORIZATION, "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= _LONGEST_TOKEN:
        return None
    return token


def read(token: str, expected: Expected, now: float) -> Unverified | None:
    """What `token` says of itself, None where it is no JWT of an algorithm that is expected. It proves nothing."""
    try:
        content = extract_compact(token.encode(), registry=_registry(expected))
        header, claims = content.headers(), json.loads(content.payload or b"")
        key_id = header.get("kid")
        if header.get("alg") not in expected.algorithms or not isinstance(claims, dict):
            return None
    except Exception:  # noqa: BLE001 - the bytes are a stranger's: deep nesting, half of a surrogate pair, and more
        return None
    return Unverified(key_id if isinstance(key_id, str) else None, _claims(claims, expected, now))


def verified(token: str, key: Key, expected: Expected, now: float) -> Proof:
    """What `token` proves, by `key`. `EXPIRED` means that it was right once; never `UNVERIFIABLE`."""
    try:
        claims = jwt.decode(token, key, registry=_registry(expected)).claims
    except Exception:  # noqa: BLE001 - as above
        return Proof.WRONG
    return _claims(claims, expected, now)


def _registry(expected: Expected) -> JWSRegistry:
    return _Registry(algorithms=expected.algorithms, strict_check_header=False)


def _claims(claims: dict[str, object], expected: Expected, now: float) -> Proof:
    wanted: dict[str, jwt.ClaimsOption] = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.audience},
        "exp": {"essential": True},
    }
    if expected.subject is not None:
        wanted["sub"] = {"essential": True, "value": expected.subject}
    registry = jwt.JWTClaimsRegistry(now=int(now), leeway=expected.leeway_seconds, **wanted)
    try:
        registry.validate({name: claims[name] for name in _CLAIMS if name in claims})
    except ExpiredTokenError:
        return Proof.EXPIRED
    except JoseError:
        return Proof.WRONG
    return Proof.RIGHT
