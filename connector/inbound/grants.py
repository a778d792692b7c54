"""What the token endpoint is asked: OAuth 2.0 client credentials, in a form or as Basic (RFC 6749, 2.3.1 and 4.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote_to_bytes

from connector.inbound.auth import basic_pair, is_one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

FORM = "application/x-www-form-urlencoded"

_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Client:
    """Who may fetch tokens for `workspace`. Each of `secrets` is good."""

    workspace: str
    client_id: str
    secrets: tuple[str, ...] = field(repr=False)


class Refusal(StrEnum):
    """Why no token is issued (RFC 6749, 5.2)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"


def client_in_header(authorization: str, clients: Iterable[Client]) -> Client | None:
    """The client that a Basic header proves, None where it proves none.

    Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1); many clients do not, so both are good.
    """
    pair = basic_pair(authorization)
    if pair is None:
        return None
    return _proven(clients, (pair, unquote_to_bytes(pair.replace(b"+", b" "))))


def granted(body: bytes, authenticated: Client | None, clients: Iterable[Client]) -> Client | Refusal:
    """The client to issue a token to, or why none is issued. Never raises, whatever the bytes.

    `authenticated` is the client that a header has proven: then the form must not show a secret too (RFC 6749, 2.3).
    Scopes mean nothing here.
    """
    form = _form(body)
    if form is None or "grant_type" not in form:
        return Refusal.INVALID_REQUEST
    if form["grant_type"] != "client_credentials":
        return Refusal.UNSUPPORTED_GRANT_TYPE
    if authenticated is not None:
        agrees = form.get("client_id", authenticated.client_id) == authenticated.client_id
        return authenticated if agrees and "client_secret" not in form else Refusal.INVALID_REQUEST
    shown = f"{form.get('client_id', '')}:{form.get('client_secret', '')}".encode()
    return _proven(clients, (shown,)) or Refusal.INVALID_CLIENT


def _proven(clients: Iterable[Client], shown: Iterable[bytes]) -> Client | None:
    """The client whose id and secret, joined by a colon, which an id does not hold, are among `shown`."""
    found: Client | None = None
    shown = tuple(shown)
    for client in clients:  # no early exit: the time does not tell whether the id is known
        pairs = [f"{client.client_id}:{secret}" for secret in client.secrets]
        matches = [is_one_of(each, pairs) for each in shown]
        found = client if any(matches) else found
    return found


def _form(body: bytes) -> dict[str, str] | None:
    """The fields that have a value (RFC 6749, 4.4.2), None where it is no form or says one thing twice."""
    try:
        fields = parse_qs(body.decode(), strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    if any(len(values) > 1 for values in fields.values()):
        return None
    return {name: value for name, (value,) in fields.items()}
