"""Mishaps on order: what goes wrong with which journeys. Pure: chance comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, with_config

if TYPE_CHECKING:
    from collections.abc import Callable


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """What goes wrong with the journeys that it matches, as of their beginning.

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
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or null for all")
        if not 0 < self.chance <= 1:
            raise ValueError("chance must be above 0 and at most 1")
        if (self.act == "delay") != (self.delay_seconds > 0):
            raise ValueError("delay_seconds is for a delay, and a delay needs them")


@dataclass(slots=True)
class _Order:
    mishap: Mishap
    left: int | None


class Mishaps:
    """The mishaps that are ordered, first come first served: a journey gets the first that matches it, or none."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` gives uniform numbers in [0, 1)."""
        self._chance = chance
        self._orders: list[_Order] = []

    def add(self, mishap: Mishap) -> None:
        """Orders a mishap."""
        self._orders.append(_Order(mishap, mishap.times))

    def clear(self) -> None:
        """Forgets all of them; journeys that began keep theirs."""
        self._orders.clear()

    def waiting(self) -> list[Mishap]:
        """Those that can still strike."""
        return [order.mishap for order in self._orders if order.left != 0]

    def take(self, workspace: str, item: str) -> Mishap | None:
        """The mishap of the journey that begins for this item, one of its times used up; None if there is none."""
        for order in self._orders:
            wanted = order.mishap
            if (
                order.left != 0
                and wanted.workspace in {None, workspace}
                and wanted.id in {None, item}
                and (wanted.chance == 1 or self._chance() < wanted.chance)
            ):
                if order.left is not None:
                    order.left -= 1
                return wanted
        return None
