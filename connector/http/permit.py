"""The right to send one request, as its sender sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from connector.types import Remaining


class Permit(Protocol):
    """The right to send one request: the sender says on it what became of the request."""

    def may_leave(self) -> bool:
        """Whether the request may still be written; asked right before."""
        ...

    def answered(self, remaining: Remaining | None = None) -> None:
        """The response has ended, and said that so much is left of the quota."""
        ...

    def unused(self) -> None:
        """Nothing was written."""
        ...
