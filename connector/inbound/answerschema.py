"""Answers as OpenAPI describes them: read from their values, so that nothing else can be said of them. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connector.inbound.answer import Answer

JSON = "application/json"
_CHOICES = frozenset({"code", "result", "error", "token_type"})
_TYPES: dict[type, str] = {str: "string", int: "integer", dict: "object"}


def responses(answers: Iterable[Answer]) -> dict[str, Any]:
    """What an operation that can be answered so says of its answers, by status."""
    by_status: dict[str, list[Answer]] = defaultdict(list)
    for each in answers:
        by_status[str(each.status)].append(each)
    return {status: _response(by_status[status]) for status in sorted(by_status)}


def _response(answers: Sequence[Answer]) -> dict[str, Any]:
    """All answers of one status."""
    described = dict.fromkeys(
        f"`{each.result}`: {each.message}" if each.message else f"`{each.result}`" for each in answers
    )
    response: dict[str, Any] = {
        "description": "\n".join(described),
        "content": {JSON: {"schema": _schema([orjson.loads(each.body) for each in answers])}},
    }
    if headers := _headers([each.headers for each in answers]):
        response["headers"] = headers
    return response


def _headers(headers: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    names = sorted({name for each in headers for name in each})
    return {
        name: {
            "required": all(name in each for each in headers),
            "schema": {"enum": sorted({each[name] for each in headers if name in each})},
        }
        for name in names
    }


def _schema(bodies: Sequence[Mapping[str, object] | Sequence[object]]) -> dict[str, Any]:
    shapes: dict[tuple[str, ...], list[Mapping[str, object]]] = defaultdict(list)
    for each in bodies:
        if isinstance(each, dict):
            shapes[tuple(each)].append(each)
    objects: list[dict[str, Any]] = [
        {
            "type": "object",
            "required": list(names),
            "properties": {name: _value(name, [each[name] for each in alike]) for name in names},
        }
        for names, alike in shapes.items()
    ]
    if any(isinstance(each, list) for each in bodies):
        objects.append({"type": "array", "items": {"type": "object"}})
    return objects[0] if len(objects) == 1 else {"anyOf": objects}


def _value(name: str, values: Sequence[object]) -> dict[str, Any]:
    if name in _CHOICES:
        return {"enum": list(dict.fromkeys(values))}
    return {"type": _TYPES[type(values[0])]}
