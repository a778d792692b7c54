"""How an emulator is set up. All frozen; what may change at run time is changed through `Emulator` or its control routes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict, with_config

_EXACTLY = ConfigDict(extra="forbid")  # for those that come in as JSON


@with_config(_EXACTLY)
@dataclass(frozen=True, slots=True)
class Quota:
    """At most `requests` arrivals in every window of `per_seconds`. The default is the documented one."""

    requests: int = 100
    per_seconds: float = 10.0


@with_config(_EXACTLY)
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClient:
    """OAuth 2.0 client credentials for callbacks: where SEEN fetches an access token, and as whom."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""


@with_config(_EXACTLY)
@dataclass(frozen=True, slots=True)
class Callback:
    """The request that a journey makes when the video is ready, or when a viewer acts.

    `url` may hold `{workspace_id}`. `headers` carry the authorization, see `bearer` and `basic`; they are never shown.
    With `oauth2` it is an access token, which is fetched when it is needed.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    oauth2: TokenClient | None = None


def bearer(token: str) -> dict[str, str]:
    """The headers of a callback that is authorized by a token."""
    return {"Authorization": f"Bearer {token}"}


def basic(username: str, password: str) -> dict[str, str]:
    """The headers of a callback with Basic authentication, in UTF-8."""
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@with_config(_EXACTLY)
@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """Who may fetch access tokens; each opens the workspace for `token_seconds`."""

    client_id: str
    client_secret: str = field(repr=False)
    token_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """One workspace of SEEN: any of `tokens` opens it, and what is issued to any of `clients` does for a while.

    With `api` receivers it is a campaign of the legacy API, `id` its slug; then `clients` mean nothing.

    Without a `callback` its journeys end in silence; `viewer` is called when a viewer acts, after that.
    """

    id: str
    api: Literal["data", "receivers"] = "data"
    tokens: tuple[str, ...] = field(default=(), repr=False)
    clients: tuple[OAuthClient, ...] = ()
    quota: Quota = Quota()
    callback: Callback | None = None
    viewer: Callback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrazeSettings:
    """A workspace of Braze: any of `keys` opens its `/users/track`. `users` are the ids of those who exist, None: whoever is
    named. The default quota is the documented one.
    """

    keys: tuple[str, ...] = field(default=(), repr=False)
    users: tuple[str, ...] | None = None
    quota: Quota = Quota(requests=3000, per_seconds=3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """A whole emulator.

    Port 0 is any free one. A video takes `render_seconds` on average, from half to one and a half of it, drawn from
    `seed`, as is what faults leave to chance. A callback that is not answered 2xx is made again after `callback_retry_seconds`, three calls in all.
    The last `remembered` arrivals and callbacks are kept to be read.
    """

    workspaces: tuple[WorkspaceSettings, ...]
    braze: BrazeSettings = BrazeSettings()
    host: str = "127.0.0.1"
    port: int = 0
    render_seconds: float = 3.0
    callback_retry_seconds: float = 60.0
    callback_timeout_seconds: float = 10.0
    seed: int = 0
    remembered: int = 10_000
