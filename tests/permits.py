"""A permit that tells what its request did with it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.types import Remaining


class Permit:
    """One whose request may leave for the first `granted` times that it asks; `words` are what was said on it, in order."""

    def __init__(self, granted: float = inf) -> None:
        self.words: list[str] = []
        self.asked = 0
        self.granted = granted
        self.remaining: Remaining | None = None

    def may_leave(self) -> bool:
        self.asked += 1
        return self.asked <= self.granted

    def answered(self, remaining: Remaining | None = None) -> None:
        self.words.append("answered")
        self.remaining = remaining

    def unused(self) -> None:
        self.words.append("unused")
