"""Mishaps on order: what goes wrong with which journeys. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, with_config

from connector.sandbox.emulator.orders import check_order


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """What goes wrong with the journeys that it matches, as of their beginning: of several, the first.

    Which journeys: the next `times` (None: all, until it is cleared) that agree with each of `workspace` and `id` that is
    given. Of these, each is struck by `chance`; one that is not uses up none of `times`.

    - `lose`: the video gets ready, and none of the three calls is made.
    - `stick`: the video never gets ready.
    - `repeat`: a call that was answered 2xx is made once more.
    - `delay`: the first call is made `delay_seconds` later, so others come before it.

    Raises ValueError where the parts contradict each other.
    """

    act: Literal["lose", "stick", "repeat", "delay"]
    delay_seconds: float = 0.0
    chance: float = 1.0
    times: int | None = 1
    workspace: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        check_order(self)
        if (self.act == "delay") != (self.delay_seconds > 0):
            raise ValueError("delay_seconds is for a delay, and a delay needs them")
