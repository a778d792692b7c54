"""What a body can be read as, whatever kind of call brought it: an event, or a failure that says why. Pure and total."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from connector.types import Reason

if TYPE_CHECKING:
    from connector.types import Message


@dataclass(frozen=True, slots=True)
class Legible:
    """A body that became an event, `message`. `counted_as` is its label in the metrics; `id` is None where there is none."""

    message: Message
    counted_as: str
    id: str | None


@dataclass(frozen=True, slots=True)
class Unintelligible:
    """A body that no event can be made of; calling again with the same one would not help."""

    reason: Reason
    detail: str
    id: str | None = None


def json_in(body: bytes, called: str = "the body") -> object:
    """The JSON value in `body`, `Unintelligible` where there is none that can be read; `called` is for its detail."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Unintelligible(Reason.CALLBACK_NOT_JSON, f"{called} is not JSON: {error}")


def id_of(found: object) -> str | None:
    """The id that an expression has found: a string that is not empty, or an integer's decimal string; else None."""
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found else None
