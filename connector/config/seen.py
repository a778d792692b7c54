"""The section `seen` of a workspace file: which API of SEEN, with which right, at which rate."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from connector.config.settings import NotBare, OptionalSecret, SecretText, Settings
from connector.config.values import Count, NonNegativeSeconds, PathSegment, Seconds, Text, Url

_DATA = {"base_url": "https://next.seen.io", "quota": {"requests": 100, "per_seconds": 10}}
"""SEEN's documented address and limit (SEEN API 2.0, create data)."""

_RECEIVERS = {"base_url": "https://api.seen.io", "quota": {"requests": 1000, "per_seconds": 3600}}
"""SEEN's documented address and limit (SEEN API 1.0, create receivers)."""


class Backoff(Settings):
    """Waits that double from `initial_seconds` to `max_seconds`, each with full jitter."""

    initial_seconds: Seconds = 1.0
    max_seconds: Seconds = 60.0


class Quota(Settings):
    """At most `requests` in any `per_seconds`; a request without an answer is assumed to arrive within `grace_seconds`."""

    requests: Count
    per_seconds: Seconds
    grace_seconds: NonNegativeSeconds = 10.0


class OAuth2Client(Settings):
    """OAuth 2.0 client credentials at SEEN."""

    client_id: Text
    client_secret: SecretText
    scope: str = ""


class SeenAuth(Settings):
    """What SEEN is shown: exactly one of these. `token` is the legacy API's."""

    bearer_token: OptionalSecret = None
    oauth2: Annotated[OAuth2Client | None, NotBare] = None
    token: OptionalSecret = None


class Batch(Settings):
    """How receivers are gathered into one request."""

    max_items: Annotated[Count, Field(le=100)] = 100
    max_wait_seconds: NonNegativeSeconds = 1.0


class SeenConfig(Settings):
    """One workspace (api: data, SEEN API 2.0) or one campaign (api: receivers, SEEN API 1.0) at SEEN.

    `base_url` and `quota` default to what SEEN documents for the chosen API. The last three are for receivers alone: how
    they are gathered, whether SEEN itself sends the film, and what becomes of one that exists already.
    """

    api: Literal["data", "receivers"] = "data"
    base_url: Url
    workspace_id: PathSegment | None = None
    campaign_slug: PathSegment | None = None
    auth: SeenAuth
    quota: Quota
    timeout_seconds: Seconds = 30.0
    max_request_bytes: Count = 262_144
    probe: Backoff = Backoff()
    batch: Batch = Batch()
    delivery_by_seen: bool = False
    already_exists: Literal["accept", "reject"] = "accept"

    @model_validator(mode="before")
    @classmethod
    def _with_defaults_of_api(cls, data: Any) -> Any:
        if not isinstance(data, dict | None):
            return data
        given = {name: value for name, value in (data or {}).items() if value is not None}
        return (_RECEIVERS if given.get("api") == "receivers" else _DATA) | given
