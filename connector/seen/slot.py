"""The right to send one request, which comes back with a word about what became of the request."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from connector.types import Remaining


class Fate(Enum):
    """What became of a slot's request."""

    ANSWERED = auto()
    UNANSWERED = auto()
    UNUSED = auto()


class Slot:
    """The permit for one request, as `connector.http.permit` has it. Left without a word, it counts as unanswered: the safe side.

    The first word counts; those that follow, and leaving it, change nothing.
    """

    __slots__ = ("_give_back", "_is_back", "may_leave")

    def __init__(
        self, may_leave: Callable[[], bool], give_back: Callable[[Fate, Remaining | None], None]
    ) -> None:
        self.may_leave = may_leave
        self._give_back = give_back
        self._is_back = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(Fate.UNANSWERED)

    def answered(self, remaining: Remaining | None = None) -> None:
        """The response has ended."""
        self._end(Fate.ANSWERED, remaining)

    def unused(self) -> None:
        """Nothing was written."""
        self._end(Fate.UNUSED)

    def _end(self, fate: Fate, remaining: Remaining | None = None) -> None:
        if not self._is_back:
            self._is_back = True
            self._give_back(fate, remaining)
