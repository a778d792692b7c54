"""Doors as a workspace file with the defaults makes them, with publishers that a test chooses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from connector import wiring
from connector.config.model import WorkspaceConfig
from connector.inbound.brazeintake import BrazeIntake
from connector.inbound.callback import LINKS, CallbackFields, read_callback
from connector.inbound.door import Door, EventIntake, Grave
from connector.inbound.viewer import ViewerFields, read_viewer_event

if TYPE_CHECKING:
    from connector.inbound.auth import Authenticator
    from connector.inbound.door import Intake, Kind, Publisher
    from connector.metrics import Metrics

FIELDS = CallbackFields.compiled({name: name for name in ("id", "campaign_slug", *LINKS)})
VIEWER_FIELDS = ViewerFields.compiled({"event": "event", "id": "id"})


def door(
    name: str, authenticator: Authenticator, publisher: Publisher, metrics: Metrics, *, viewers: bool = False
) -> Door:
    """The door of the workspace `name`: topics `seen.<name>.…`; viewer events are taken where `viewers` says so."""
    counted = metrics.workspace(name)
    grave = Grave(name, f"seen.{name}.dead-letters", "0.1.0")
    intakes: dict[Kind, Intake] = {
        "video": EventIntake(
            read=partial(read_callback, workspace=name, fields=FIELDS),
            topic=f"seen.{name}.videos",
            grave=grave,
            publisher=publisher,
            count=counted.video_ready,
        )
    }
    if viewers:
        intakes["viewer"] = EventIntake(
            read=partial(read_viewer_event, workspace=name, fields=VIEWER_FIELDS),
            topic=f"seen.{name}.viewers",
            grave=grave,
            publisher=publisher,
            count=counted.viewer_event,
        )
    return Door(workspace=name, authenticator=authenticator, intakes=intakes, metrics=counted)


def braze_intake(publisher: Publisher, api: Literal["data", "receivers"]) -> BrazeIntake:
    """What the workspace `acme` does with what Braze posts: topics `seen.acme.…`, the rules of that API."""
    target = {"workspace_id": "w-1", "auth": {"bearer_token": "seen-token"}}
    if api == "receivers":
        target = {"api": api, "campaign_slug": "welcome-film", "auth": {"token": "seen-token"}}
    config = WorkspaceConfig.model_validate(
        {
            "name": "acme",
            "seen": target,
            "callback": {"auth": {"token": "callback-token"}},
            "braze_in": {"auth": {"token": "braze-token"}},
        }
    )
    topic = "seen.acme.braze"
    return BrazeIntake(
        read=wiring.reader(config, topic),
        is_array=api == "receivers",
        topic=topic,
        grave=Grave("acme", "seen.acme.dead-letters", "0.1.0"),
        publisher=publisher,
    )
