"""The token endpoint: OAuth 2.0 client credentials (SEEN API 2.0, authorization; RFC 6749, 4.4). No network, no clock.

A reading that the documents leave open: scopes are repeated, and restrict nothing.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from connector.sandbox.emulator import answers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.emulator.answers import Answer
    from connector.sandbox.emulator.workspaces import Workspace

_FORM = "application/x-www-form-urlencoded"


def grant(workspaces: Iterable[Workspace], content_type: str, body: bytes, now: float) -> Answer:
    """The answer to a request for an access token; one that is issued opens every workspace that knows the client."""
    form = _form(body) if content_type == _FORM else None
    if form is None or not {"grant_type", "client_id", "client_secret"} <= form.keys():
        return answers.BAD_TOKEN_REQUEST
    if form["grant_type"] != "client_credentials":
        return answers.BAD_GRANT_TYPE
    token = secrets.token_urlsafe(24)
    issued = [each.issue(token, form["client_id"], form["client_secret"], now) for each in workspaces]
    lifetimes = [seconds for seconds in issued if seconds is not None]
    if not lifetimes:
        return answers.INVALID_CLIENT
    scope = {"scope": form["scope"]} if "scope" in form else {}
    lifetime = {"token_type": "Bearer", "expires_in": min(lifetimes)}
    return answers.as_json(200, {"access_token": token, **lifetime, **scope})


def _form(body: bytes) -> dict[str, str] | None:
    """The fields of a form, None if it is none or says one thing twice."""
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return None
    return {name: value for name, (value, *_) in fields.items()} if _once(fields) else None


def _once(fields: dict[str, list[str]]) -> bool:
    return all(len(values) == 1 for values in fields.values())
