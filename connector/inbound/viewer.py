"""What a viewer event says: bytes → `ViewerEvent`, by the workspace's field mapping. Pure and total.

SEEN does not publish the body's shape (SEEN, "External events"), so the body is passed on as it came, and where it names
the event and the id is the configuration's to say. What is not found there costs the event nothing but its type or key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import jmespath

from connector.inbound.reading import Legible, Unintelligible, id_of, json_in
from connector.published import ViewerEvent, viewer_message
from connector.types import ViewerAct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jmespath.parser import ParsedResult


@dataclass(frozen=True, slots=True)
class ViewerFields:
    """Where a viewer event's fields are: compiled JMESPath over its body."""

    event: ParsedResult
    id: ParsedResult

    @classmethod
    def compiled(cls, expressions: Mapping[str, str]) -> Self:
        """The fields of a workspace file's `viewers.fields`: `event` and `id`.

        Raises `jmespath.exceptions.JMESPathError` for text that is no expression, KeyError where one is missing.
        """
        return cls(jmespath.compile(expressions["event"]), jmespath.compile(expressions["id"]))


def parse_viewer_event(
    body: bytes, fields: ViewerFields, *, received_at: float
) -> ViewerEvent | Unintelligible:
    """What `body` says that a viewer did. Never raises, whatever the bytes; any JSON is a viewer event.

    An event whose name is none of SEEN's five, or is not found, is `unknown`. An integer id becomes its decimal string; one
    that is not found is None. `received_at` is Unix seconds.
    """
    content = json_in(body, "the body of a viewer event")
    if isinstance(content, Unintelligible):
        return content
    name = _found(fields.event, content)
    act = ViewerAct(name) if isinstance(name, str) and name in set(ViewerAct) else ViewerAct.UNKNOWN
    return ViewerEvent(act=act, id=id_of(_found(fields.id, content)), received_at=received_at, raw=body)


def read_viewer_event(
    body: bytes, received_at: float, *, workspace: str, fields: ViewerFields
) -> Legible | Unintelligible:
    """The event for the viewers topic."""
    event = parse_viewer_event(body, fields, received_at=received_at)
    if isinstance(event, Unintelligible):
        return event
    return Legible(viewer_message(workspace, event), event.act, event.id)


def _found(expression: ParsedResult, content: object) -> object:
    try:
        return expression.search(content)
    except Exception:  # noqa: BLE001 - an expression is the user's program: JMESPath lets Python's own errors out
        return None
