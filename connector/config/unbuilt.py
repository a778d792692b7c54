"""Settings that the contract has and this version does not act on yet: setting one is a mistake, never a silence.

A row goes when its part is built. `*` in a path stands for each item of a list; a row with a value is about that value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector.config.document import Location

CONNECTOR: dict[str, str | None] = {}
"""Rows of connector.yaml."""

WORKSPACE: dict[str, str | None] = {
    "topics.replay": None,
}
"""Rows of a workspace file."""


def unbuilt(data: object, rows: Mapping[str, str | None]) -> Iterator[tuple[Location, str]]:
    """Each setting in `data` that a row is about: where it is, and what to say."""
    for path, value in rows.items():
        for location, given in _matches(data, path.split(".")):
            if value is None and given not in (None, "", [], {}):
                yield location, "is not built yet"
            elif value is not None and given == value:
                yield location, f"{value} is not built yet"


def _matches(data: Any, path: list[str]) -> Iterator[tuple[Location, object]]:
    if not path:
        yield (), data
        return
    head, *rest = path
    if head == "*" and isinstance(data, list):
        inner: list[tuple[str | int, Any]] = list(enumerate(data))
    elif isinstance(data, dict) and head in data:
        inner = [(head, data[head])]
    else:
        return
    for part, value in inner:
        for location, found in _matches(value, rest):
            yield (part, *location), found
