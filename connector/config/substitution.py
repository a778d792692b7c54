"""`${NAME}` and `${NAME:-default}` in a text; `$${` stands for a plain `${`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?(escape)|(?P<inside>[^}]*)(?P<end>\}?))")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text with its references replaced. Where there are `mistakes`, `text` is what could be made of it."""

    text: str
    mistakes: tuple[str, ...] = ()


def substitute(text: str, environ: Mapping[str, str]) -> Substituted:
    """Replaces each reference in `text` with the variable's value, or with the default if it is unset or empty.

    What a variable holds is not looked at again: a value with `${` in it stays as it is. A mistake names the variable,
    never a value.
    """
    mistakes: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        inside = _INSIDE.fullmatch(match["inside"])
        if inside is None or not match["end"]:
            mistakes.append(
                "'${' must be followed by a variable's name and '}'; write '$${' for a plain '${'"
            )
        elif inside["default"] is not None and "${" in inside["default"]:
            mistakes.append(f"the default of {inside['name']} holds another '${{': defaults cannot be nested")
        elif inside["default"] is not None:
            return environ.get(inside["name"]) or inside["default"]
        elif value := environ.get(inside["name"]):
            return value
        else:
            state = "is empty" if inside["name"] in environ else "is not set"
            mistakes.append(f"the environment variable {inside['name']} {state}")
        return match[0]

    return Substituted(_REFERENCE.sub(replaced, text), tuple(mistakes))
