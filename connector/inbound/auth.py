"""Who may call: decided by the request's headers alone, before its body is read. Pure.

Every comparison takes as long as any other and goes over all configured secrets, so that the time of a refusal tells
nothing of them. Several secrets count at once, so that one can be replaced without a gap. Access tokens are in `tokens`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AUTHORIZATION = "Authorization"
_TOKEN_SCHEMES = frozenset({"bearer", "token"})


class Proof(Enum):
    """What a caller's headers prove."""

    RIGHT = "right"
    UNASKED = "unasked"
    """Nothing is asked for. It says nothing of who calls, so it makes no failure good."""
    WRONG = "wrong"
    """No secret, or a wrong one: one that may be guessing."""
    EXPIRED = "expired"
    """An access token that was right, so nobody guessed."""
    UNVERIFIABLE = "unverifiable"
    """It may be right: what it must be checked with cannot be had."""

    @property
    def opens(self) -> bool:
        """Whether the caller is let in."""
        return self in (Proof.RIGHT, Proof.UNASKED)


class Authenticator(Protocol):
    """Tells a caller that may call from one that may not."""

    async def check(self, headers: Mapping[str, str]) -> Proof:
        """What these headers prove. `headers` finds names in any case. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """A static token: `Bearer x` or `Token x` in Authorization, the bare token in a header of another name.

    Raises ValueError without a token, and for an empty one: it would let everybody in.
    """

    tokens: tuple[str, ...] = field(repr=False)
    header: str = AUTHORIZATION

    def __post_init__(self) -> None:
        if not self.tokens or not all(self.tokens):
            raise ValueError("a token must not be empty")

    async def check(self, headers: Mapping[str, str]) -> Proof:
        """As `Authenticator`."""
        given = headers.get(self.header, "").strip()
        if self.header.lower() == AUTHORIZATION.lower():
            scheme, _, given = given.partition(" ")
            if scheme.lower() not in _TOKEN_SCHEMES:
                return Proof.WRONG
        return _proof(is_right=is_one_of(_bytes(given.strip()), self.tokens))


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """HTTP Basic (RFC 7617), UTF-8: pairs of user name and password. Raises ValueError without a pair or a password."""

    credentials: tuple[tuple[str, str], ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.credentials or not all(password for _, password in self.credentials):
            raise ValueError("a password must not be empty")

    async def check(self, headers: Mapping[str, str]) -> Proof:
        """As `Authenticator`."""
        given = basic_pair(headers.get(AUTHORIZATION, ""))
        pairs = (f"{user}:{password}" for user, password in self.credentials)
        return _proof(is_right=given is not None and is_one_of(given, pairs))


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Everybody may call: for a listener that only SEEN can reach."""

    async def check(self, headers: Mapping[str, str]) -> Proof:  # noqa: ARG002 - the protocol's signature
        """As `Authenticator`: `UNASKED`."""
        return Proof.UNASKED


def basic_pair(authorization: str) -> bytes | None:
    """What Basic's `user:password` is in a header, None where it is not Basic, or no base64."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(_bytes(encoded.strip()), validate=True)
    except binascii.Error:
        return None


def is_one_of(given: bytes, secrets: Iterable[str]) -> bool:
    """Whether `given` is one of `secrets`, in a time that does not tell which, or how much of it is right."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(given, _bytes(secret))  # no early exit: all are compared
    return found


def _proof(*, is_right: bool) -> Proof:
    return Proof.RIGHT if is_right else Proof.WRONG


def _bytes(text: str) -> bytes:
    """The text's own bytes: aiohttp and the environment keep those that are no UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")
