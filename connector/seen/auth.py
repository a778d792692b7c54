"""What goes into the `Authorization` header of requests to SEEN (SEEN API 2.0, authorization; SEEN API 1.0, create receivers)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.seen.verdict import NoToken


class Credentials(Protocol):
    """A way to authenticate."""

    async def authorization(self) -> str | NoToken:
        """The header's value, from memory wherever it can be; or why there is none."""
        ...

    async def renew(self) -> None:
        """What was refused is not shown again: the secret may have been replaced meanwhile."""
        ...

    async def stop(self) -> None:
        """Ends whatever is under way."""
        ...


class StaticToken:
    """`Bearer <API token>` (SEEN API 2.0), or `Token <auth token>` (SEEN API 1.0).

    `reveal` gives the token as it stands now, read anew if it is in a file.
    """

    def __init__(self, reveal: Callable[[], str], scheme: Literal["Bearer", "Token"] = "Bearer") -> None:
        self._reveal = reveal
        self._scheme = scheme
        self._value = f"{scheme} {reveal()}"

    async def authorization(self) -> str:
        """The header's value."""
        return self._value

    async def renew(self) -> None:
        """Reads the token anew."""
        self._value = f"{self._scheme} {self._reveal()}"

    async def stop(self) -> None:
        """Nothing is under way."""
