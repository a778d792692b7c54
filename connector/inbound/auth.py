"""Who may call: decided by the request's headers alone, before its body is read. Pure.

Every comparison takes as long as any other and goes over all configured secrets, so that the time of a refusal tells
nothing of them. Several secrets count at once, so that one can be replaced without a gap.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AUTHORIZATION = "Authorization"
_TOKEN_SCHEMES = frozenset({"bearer", "token"})


class Authenticator(Protocol):
    """Tells a caller that may call from one that may not."""

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """Whether these headers prove the caller's right. `headers` finds names in any case. Never raises."""
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

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """As `Authenticator`."""
        given = headers.get(self.header, "").strip()
        if self.header.lower() == AUTHORIZATION.lower():
            scheme, _, given = given.partition(" ")
            if scheme.lower() not in _TOKEN_SCHEMES:
                return False
        return _is_one_of(_bytes(given.strip()), self.tokens)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """HTTP Basic (RFC 7617), UTF-8: pairs of user name and password. Raises ValueError without a pair or a password."""

    credentials: tuple[tuple[str, str], ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.credentials or not all(password for _, password in self.credentials):
            raise ValueError("a password must not be empty")

    def accepts(self, headers: Mapping[str, str]) -> bool:
        """As `Authenticator`."""
        scheme, _, encoded = headers.get(AUTHORIZATION, "").strip().partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(_bytes(encoded.strip()), validate=True)
        except binascii.Error:
            return False
        return _is_one_of(given, (f"{user}:{password}" for user, password in self.credentials))


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Everybody may call: for a listener that only SEEN can reach."""

    def accepts(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - the protocol's signature
        """As `Authenticator`: always."""
        return True


def _is_one_of(given: bytes, secrets: Iterable[str]) -> bool:
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(given, _bytes(secret))  # no early exit: all are compared
    return found


def _bytes(text: str) -> bytes:
    """The text's own bytes: aiohttp and the environment keep those that are no UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")
