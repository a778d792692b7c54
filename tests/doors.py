"""Doors as a workspace file with the defaults makes them, with publishers that a test chooses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector.inbound.callback import LINKS, CallbackFields, read_callback
from connector.inbound.door import Door, Grave, Intake
from connector.inbound.viewer import ViewerFields, read_viewer_event

if TYPE_CHECKING:
    from connector.inbound.auth import Authenticator
    from connector.inbound.door import Kind, Publisher
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
        "video": Intake(
            read=partial(read_callback, workspace=name, fields=FIELDS),
            topic=f"seen.{name}.videos",
            grave=grave,
            publisher=publisher,
            count=counted.video_ready,
        )
    }
    if viewers:
        intakes["viewer"] = Intake(
            read=partial(read_viewer_event, workspace=name, fields=VIEWER_FIELDS),
            topic=f"seen.{name}.viewers",
            grave=grave,
            publisher=publisher,
            count=counted.viewer_event,
        )
    return Door(workspace=name, authenticator=authenticator, intakes=intakes, metrics=counted)
