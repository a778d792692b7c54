"""Orders for journeys: what is to happen to those that match, so many times or by chance. Pure: chance comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Order(Protocol):
    """What says which journeys it is for.

    The next `times` (None: all, until it is cleared) that agree with each of `workspace` and `id` that is given. Of these,
    each is struck by `chance`; one that is not uses up none of `times`.
    """

    @property
    def chance(self) -> float:
        """How likely a journey is to be struck."""
        ...

    @property
    def times(self) -> int | None:
        """How many it strikes."""
        ...

    @property
    def workspace(self) -> str | None:
        """The workspace whose journeys it is for."""
        ...

    @property
    def id(self) -> str | None:
        """The item whose journey it is for."""
        ...


O = TypeVar("O", bound=Order)  # noqa: E741 - an order


def check_order(order: Order) -> None:
    """Raises ValueError where it can strike nothing."""
    if order.times is not None and order.times < 1:
        raise ValueError("times must be at least 1, or null for all")
    if not 0 < order.chance <= 1:
        raise ValueError("chance must be above 0 and at most 1")


@dataclass(slots=True)
class _Standing(Generic[O]):
    order: O
    left: int | None


class Orders(Generic[O]):
    """The orders of one kind, first come first served."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` gives uniform numbers in [0, 1)."""
        self._chance = chance
        self._standing: list[_Standing[O]] = []

    def add(self, order: O) -> None:
        """One more."""
        self._standing.append(_Standing(order, order.times))

    def clear(self) -> None:
        """Forgets all of them; what has been struck stays struck."""
        self._standing.clear()

    def waiting(self) -> list[O]:
        """Those that can still strike."""
        return [each.order for each in self._standing if each.left != 0]

    def take(self, workspace: str, item: str) -> O | None:
        """The first that strikes the journey of this item, one of its times used up; None if none does."""
        return next(self._struck(workspace, item), None)

    def take_all(self, workspace: str, item: str) -> list[O]:
        """All that strike it, likewise."""
        return list(self._struck(workspace, item))

    def _struck(self, workspace: str, item: str) -> Iterator[O]:
        for each in self._standing:
            wanted = each.order
            if (
                each.left != 0
                and wanted.workspace in {None, workspace}
                and wanted.id in {None, item}
                and (wanted.chance == 1 or self._chance() < wanted.chance)
            ):
                if each.left is not None:
                    each.left -= 1
                yield wanted
