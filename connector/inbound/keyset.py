"""A server's public keys, as it publishes them (JWK Set, RFC 7517). Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from joserfc.jwk import ECKey, RSAKey

if TYPE_CHECKING:
    from connector.inbound.tokens import Key

MAX_KEYS = 100
"""More than so many keys are no key set that anybody publishes."""

_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192  # the cost of a verification grows with it
_KINDS: dict[str, type[RSAKey | ECKey]] = {"RSA": RSAKey, "EC": ECKey}


def parse_key_set(body: bytes) -> dict[str | None, Key]:
    """The keys in `body` that verify signatures, by their ids (None: it has none).

    A key that cannot be used is passed over: it is of a kind that is unknown here, private, secret, too short, or for
    encryption. Raises ValueError where `body` is no key set, or none of its keys can be used.
    """
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it is no JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no key set")
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it holds more than {MAX_KEYS} keys")
    keys: dict[str | None, Key] = {}
    for entry in entries:
        key = _usable(entry)
        if key is not None:
            keys.setdefault(key.kid, key)
    if not keys:
        raise ValueError("it holds no key that can be used")
    return keys


def chosen(keys: dict[str | None, Key], key_id: str | None) -> Key | None:
    """The key that a token names. One that names none is meant for the only one there is."""
    if key_id is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id)


def _usable(entry: object) -> Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    named = entry.get("kty")
    kind = _KINDS.get(named) if isinstance(named, str) else None
    if kind is None or (kind is RSAKey and not _MIN_RSA_BITS <= _bits(entry.get("n")) <= _MAX_RSA_BITS):
        return None
    try:
        key = kind.import_key(entry)
        _ = key.public_key  # it is built when it is asked for
    except Exception:  # noqa: BLE001 - a stranger's numbers: a point that is not on the curve, no base64, and more
        return None
    return key


def _bits(number: object) -> int:
    """Of a number in base64url, near enough to tell a short key."""
    return len(number.rstrip("=")) * 6 if isinstance(number, str) else 0
