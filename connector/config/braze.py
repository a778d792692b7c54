"""The section `braze_out` of a workspace file: which attributes of Braze's users hold their videos, at which rate."""

from typing import Annotated, Literal

from pydantic import Field

from connector.config.seen import Backoff
from connector.config.settings import SecretText, Settings
from connector.config.values import (
    Count,
    Jmespath,
    NonNegativeSeconds,
    NotEmpty,
    PropertyName,
    Seconds,
    Start,
    Text,
    Url,
)


class BrazeOutAuth(Settings):
    """The REST key of Braze; it needs the permission `users.track`."""

    bearer_token: SecretText


class BrazeBatch(Settings):
    """How attribute objects are gathered into one request. Braze takes 75 of them, of some customers 50 (Braze, Track users)."""

    max_items: Annotated[Count, Field(le=75)] = 75
    max_wait_seconds: NonNegativeSeconds = 5.0


class BrazeQuota(Settings):
    """As `seen.quota`. The default is a hundredth of what Braze documents for a workspace, 3,000 requests in 3 seconds (Braze,
    Rate limits): whatever else writes there shares that.
    """

    requests: Count = 100
    per_seconds: Seconds = 10.0
    grace_seconds: NonNegativeSeconds = 10.0


class BrazeOut(Settings):
    """Writes videos back to Braze: `attributes` maps an attribute's name at Braze to an expression over the event's data.

    `group_id` defaults to the workspace's with `-braze` behind it.
    """

    base_url: Url
    auth: BrazeOutAuth
    attributes: Annotated[dict[PropertyName, Jmespath], NotEmpty]
    identifier: Literal["braze_id", "external_id"] = "braze_id"
    user_id: Jmespath = "id"
    update_existing_only: bool = True
    group_id: Text = Field(default="", validate_default=True)
    start: Start = "earliest"
    batch: BrazeBatch = BrazeBatch()
    quota: BrazeQuota = BrazeQuota()
    timeout_seconds: Seconds = 30.0
    give_up_after_seconds: Seconds = 3600.0
    backoff: Backoff = Backoff()
    probe: Backoff = Backoff()
