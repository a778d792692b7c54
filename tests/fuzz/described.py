"""Whether an answer is one that the listener's OpenAPI document describes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Mapping

_ERROR = {"type": "object", "required": ["code", "message"], "properties": {"code": {"type": "string"}}}


class Described:
    """The answers of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._error = jsonschema_rs.validator_for(_ERROR)
        self._known: dict[tuple[str, str], dict[str, tuple[dict[str, Any], Any]]] = {}
        for path, item in document["paths"].items():
            for method in item.keys() & {"get", "post", "put", "patch"}:
                self._known[path, method.upper()] = {
                    status: self._response(each) for status, each in item[method]["responses"].items()
                }

    def complaint(
        self, path: str | None, method: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> str | None:
        """What is wrong with it, None if nothing is. `headers` are in small letters."""
        known = self._known.get((path or "", method))
        if method == "HEAD":
            return None if not body else "HEAD has a body"
        media_type = headers.get("content-type", "").partition(";")[0]
        if media_type != "application/json":
            return f"its type is {media_type!r}"
        try:
            said = json.loads(body)
        except ValueError:
            return f"it is no JSON: {body[:100]!r}"
        if known is None:
            return self._undescribed(path, status, headers, said)
        if str(status) not in known:
            return "its status is not described"
        response, schema = known[str(status)]
        for name, header in response.get("headers", {}).items():
            value = headers.get(name.lower())
            if (value is None and header["required"]) or (
                value is not None and value not in header["schema"]["enum"]
            ):
                return f"{name} is {value!r}"
        return None if schema.is_valid(said) else f"its body is {body[:300]!r}"

    def _undescribed(
        self, path: str | None, status: int, headers: Mapping[str, str], said: object
    ) -> str | None:
        """Another method, or another path."""
        if status not in ({200, 400, 401, 404, 405} if path is None else {400, 405}):
            return "its status is neither described nor that of another method or path"
        if status == 405 and "allow" not in headers:
            return "it does not say what is allowed"
        is_known = status == 200 or self._error.is_valid(said) or (path is None and _is_of_oauth2(said))
        return None if is_known else f"its body is {said!r}"

    def _response(self, response: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        if "$ref" in response:
            response = self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        schema = response["content"].get("application/json", {}).get("schema", {})
        return response, jsonschema_rs.validator_for(schema)


def _is_of_oauth2(said: object) -> bool:
    """Some ways to write a path lead to the token endpoint."""
    return isinstance(said, dict) and said.keys() == {"error"}
