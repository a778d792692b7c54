"""What goes into the `Authorization` header of requests to SEEN (SEEN API 2.0, authorization)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Credentials(Protocol):
    """A way to authenticate."""

    async def authorization(self) -> str:
        """The header's value, from memory wherever it can be."""
        ...

    async def renew(self) -> None:
        """Reads the secret anew: what was refused may have been replaced meanwhile."""
        ...


class BearerToken:
    """`Bearer <API token>`. `reveal` gives the token as it stands now, read anew if it is in a file."""

    def __init__(self, reveal: Callable[[], str]) -> None:
        self._reveal = reveal
        self._value = f"Bearer {reveal()}"

    async def authorization(self) -> str:
        """The header's value."""
        return self._value

    async def renew(self) -> None:
        """Reads the token anew."""
        self._value = f"Bearer {self._reveal()}"
