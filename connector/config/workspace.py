"""A file in workspaces/: everything about one SEEN workspace, or one campaign of the legacy API."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from connector.config.braze import BrazeOut
from connector.config.seen import Backoff, SeenConfig
from connector.config.settings import Listed, NotBare, RotatingSecrets, SecretText, Settings
from connector.config.values import (
    AtMostTwo,
    ClientId,
    Count,
    HeaderName,
    HttpsUrl,
    Jmespath,
    NotEmpty,
    OptionalText,
    PropertyName,
    Seconds,
    Start,
    Text,
    TopicName,
    Username,
    WorkspaceName,
)

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class Images(Settings):
    """Properties that hold links to images, and how far they are looked at before a request is spent."""

    properties: Annotated[tuple[PropertyName, ...], NotEmpty]
    check: Literal["name", "fetch"] = "name"
    on_failure: Literal["reject", "drop"] = "reject"


class SourceConfig(Settings):
    """One shape of customer event: the topics that carry it, and what of it SEEN gets.

    `properties` maps a property's name at SEEN to an expression over the event; `extra_args`, for receivers, likewise.
    Without either the event is sent as it is.
    """

    topics: Annotated[tuple[TopicName, ...], NotEmpty]
    start: Start = "earliest"
    where: Jmespath | None = None
    tombstones: Literal["reject", "skip"] = "reject"
    properties: Annotated[Annotated[dict[PropertyName, Jmespath], NotEmpty] | None, NotBare] = None
    extra_args: Annotated[Annotated[dict[PropertyName, Jmespath], NotEmpty] | None, NotBare] = None
    images: Annotated[Images | None, NotBare] = None


class DeliveryConfig(Settings):
    """How events are sent: bounds, and how long to try. Sizes are bytes."""

    max_in_flight: Count = 32
    max_buffered: Count = 1000
    max_buffered_bytes: Count = 33_554_432
    max_uncommitted: Count = 10_000
    give_up_after_seconds: Seconds = 3600.0
    ttl_seconds: Seconds | None = None
    look_up_in_doubt: bool = True
    max_record_bytes: Count = 524_288
    backoff: Backoff = Backoff()


class BasicCredential(Settings):
    """A user that may call, by Basic authentication."""

    username: Username
    password: SecretText


class OAuth2Server(Settings):
    """Client credentials that the listener's own token endpoint accepts."""

    client_id: ClientId
    client_secret: Annotated[RotatingSecrets, NotEmpty]


class JwtIssuer(Settings):
    """Somebody else's OAuth 2.0 server, whose access tokens (JWTs) are for this workspace if they name `audience`.

    Algorithms are those of public keys only. `subject` lets one client of that server in, and no other.
    """

    issuer: Text
    jwks_url: HttpsUrl
    audience: Text
    algorithms: Annotated[tuple[Algorithm, ...], Listed, NotEmpty] = ("RS256",)
    subject: OptionalText = None


class CallbackAuth(Settings):
    """How SEEN shows that a callback is its own: exactly one of `token`, `basic`, `oauth2`, `jwt` and `none`.

    `header` is where the token is: `Authorization: Bearer|Token <token>`, or the bare token in another header.
    """

    token: RotatingSecrets = ()
    header: HeaderName = "Authorization"
    basic: Annotated[tuple[BasicCredential, ...], Listed, AtMostTwo] = ()
    oauth2: Annotated[OAuth2Server | None, NotBare] = None
    jwt: Annotated[JwtIssuer | None, NotBare] = None
    none: bool = False


class CallbackFields(Settings):
    """Where a callback's body holds what a video-ready event says: expressions over the body."""

    id: Jmespath = "id"
    player_url: Jmespath = "player_url"
    video_url: Jmespath = "video_url"
    landing_page_url: Jmespath = "landing_page_url"
    thumbnail_url: Jmespath = "thumbnail_url"
    email_thumbnail_url: Jmespath = "email_thumbnail_url"
    campaign_slug: Jmespath = "campaign_slug"


class CallbackConfig(Settings):
    """What SEEN calls when a video is ready: POST /callbacks/{workspace}."""

    auth: CallbackAuth
    fields: CallbackFields = CallbackFields()


class VideosConfig(Settings):
    """When a video that does not come is reported, and when it is no longer waited for."""

    overdue_after_seconds: Seconds = 900.0
    give_up_after_seconds: Seconds = 86_400.0
    max_pending: Count = 200_000


class ViewerFields(Settings):
    """Where a viewer event's body names the event and the id: expressions over the body. SEEN publishes no shape of it, so
    the defaults are a guess.
    """

    event: Jmespath = "event"
    id: Jmespath = "id"


class ViewersConfig(Settings):
    """What SEEN calls when a viewer acts: POST /callbacks/{workspace}/viewer, taken where `topics.viewers` is set."""

    fields: ViewerFields = ViewerFields()


class TopicsConfig(Settings):
    """The topics that the connector writes for this workspace, and the one that it replays from."""

    videos: TopicName
    outcomes: TopicName
    dead_letters: TopicName
    replay: TopicName
    viewers: TopicName | None = None

    def written(self) -> set[str]:
        """Those of them that the connector writes."""
        return {
            self.videos,
            self.outcomes,
            self.dead_letters,
            *(() if self.viewers is None else (self.viewers,)),
        }


class BrazeInAuth(Settings):
    """What Braze shows when it posts to the listener in SEEN's place."""

    token: Annotated[RotatingSecrets, NotEmpty]


class BrazeIn(Settings):
    """Takes what Braze posts to SEEN, and puts it into a topic that is a source of its own. `topic` defaults to a name made
    of the workspace's; `images` are those of a source.
    """

    auth: BrazeInAuth
    topic: TopicName = ""
    images: Annotated[Images | None, NotBare] = None


class WorkspaceConfig(Settings):
    """One workspace file. `group_id` and `topics` default to names made of `name`. Without `braze_in` there is an item in
    `sources`.
    """

    name: WorkspaceName
    group_id: Text = Field(default="", validate_default=True)
    sources: tuple[SourceConfig, ...] = ()
    seen: SeenConfig
    delivery: DeliveryConfig = DeliveryConfig()
    callback: CallbackConfig
    videos: VideosConfig = VideosConfig()
    viewers: ViewersConfig = ViewersConfig()
    topics: TopicsConfig = Field(default_factory=dict, validate_default=True)
    braze_in: Annotated[BrazeIn | None, NotBare] = None
    braze_out: Annotated[BrazeOut | None, NotBare] = None

    def all_sources(self) -> tuple[SourceConfig, ...]:
        """`sources`, and the one that is fed by what Braze posts: it is sent as it is."""
        if self.braze_in is None:
            return self.sources
        braze = SourceConfig(topics=(self.braze_in.topic,))
        return (*self.sources, braze.model_copy(update={"images": self.braze_in.images}))

    @field_validator("group_id", mode="before")
    @classmethod
    def _default_group_id(cls, value: Any, info: ValidationInfo) -> Any:
        return f"seen-connector-{_name(info)}" if value in ("", None) else value

    @field_validator("braze_out", mode="before")
    @classmethod
    def _default_group_of_braze(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict) or value.get("group_id") not in ("", None):
            return value
        return value | {"group_id": f"{info.data.get('group_id', 'unnamed')}-braze"}

    @field_validator("callback", mode="before")
    @classmethod
    def _default_id_field(cls, value: Any, info: ValidationInfo) -> Any:
        """A receiver is known by its customer_id (SEEN API 1.0, create receivers)."""
        seen = info.data.get("seen")
        if seen is None or seen.api != "receivers" or not isinstance(value, dict):
            return value
        fields = value.get("fields")
        if not isinstance(fields, dict | None):
            return value
        return value | {
            "fields": {"id": "customer_id"}
            | {name: it for name, it in (fields or {}).items() if it is not None}
        }

    @field_validator("topics", mode="before")
    @classmethod
    def _default_topics(cls, value: Any, info: ValidationInfo) -> Any:
        roles = {
            "videos": "videos",
            "outcomes": "outcomes",
            "dead_letters": "dead-letters",
            "replay": "replay",
        }
        defaults = {role: f"seen.{_name(info)}.{ending}" for role, ending in roles.items()}
        if value is None:
            return defaults
        if isinstance(value, dict):
            return defaults | {role: topic for role, topic in value.items() if topic is not None}
        return value

    @field_validator("braze_in", mode="before")
    @classmethod
    def _default_braze_topic(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict) and value.get("topic") in ("", None):
            return value | {"topic": f"seen.{_name(info)}.braze"}
        return value


def _name(info: ValidationInfo) -> str:
    """The workspace's name, or a stand-in where the name is itself a mistake, which is reported as such."""
    return str(info.data.get("name", "unnamed"))
