"""What is said about a value that a model refuses: in the words of people who edit YAML, and never with the value."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from connector.config.values import MISTAKE

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from connector.config.settings import Settings

_TEXT = "must be text: put it in quotes if it looks like something else"
_WHOLE = "must be a whole number"
_NUMBER = "must be a number"
_TRUTH = "must be true or false"
_SECTION = "must be a section with settings of its own"

_MESSAGES = {
    MISTAKE: "{message}",
    "missing": "is missing",
    "string_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:.10g}",
    "greater_than_equal": "must be at least {ge:.10g}",
    "less_than_equal": "must be at most {le:.10g}",
    "model_type": _SECTION,
    "dict_type": _SECTION,
    "tuple_type": "must be a list",
}
"""By pydantic's error type. A type that is missing here still gives a message, a vaguer one."""

_LOOKS_LIKE_A_NAME = re.compile(r"[A-Za-z_]{1,40}")
"""An unknown name is repeated if it looks like a setting's; where secrets are set, only if it has a value or is close to a
known name. Anything else may be a value: without its name, or with a colon that lacks its space."""


def is_unknown(error: ErrorDetails) -> bool:
    """Whether the error is about a setting that does not exist."""
    return error["type"] == "extra_forbidden"


def message(error: ErrorDetails, model: type[Settings], *, bare: bool) -> str:
    """What to say about `error`, which `model` raised for a whole file; `bare`: the setting is a name without a value."""
    *parents, name = error["loc"] or ("",)
    section = _section(model, parents)
    if is_unknown(error):
        return _unknown(str(name), section, bare=bare)
    if error["type"] == "missing" and section is not None and name in section.secret_names():
        return f"is missing (as it is, or as {name}_file)"
    return _MESSAGES.get(error["type"], "is not valid").format(**error.get("ctx", {}))


def _section(model: type[Settings], parents: list[int | str]) -> type[Settings] | None:
    section: type[Settings] | None = model
    for part in parents:
        if section is not None and isinstance(part, str):
            section = section.section(part)
    return section


def _unknown(name: str, section: type[Settings] | None, *, bare: bool) -> str:
    fields = () if section is None else tuple(section.model_fields)
    secrets = () if section is None else section.secret_names()
    close = difflib.get_close_matches(name, (*fields, *(f"{secret}_file" for secret in secrets)), n=1)
    if not _LOOKS_LIKE_A_NAME.fullmatch(name) or (secrets and bare and not close):
        return "unknown setting"
    return f"unknown setting '{name}'" + (f": did you mean '{close[0]}'?" if close else "")
