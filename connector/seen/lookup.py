"""The addresses of a host, from the system's resolver, in threads of its own.

The names come from events, so their servers may be slow on purpose. The pool that asyncio and uvloop look names up in is
shared with everything else: a few names that hang there would keep the connector from SEEN.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 16
_MOST_ADDRESSES = 16


class Lookup(Protocol):
    """What finds the addresses of a host."""

    async def addresses(self, host: str) -> list[str]:
        """The addresses of `host`, at least one, as the system writes them. Raises OSError if there are none."""
        ...


def system_addresses(host: str) -> list[str]:
    """The addresses of `host`, from the system's resolver, for as long as that takes. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("it is no name of a host") from None
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


class SystemLookup:
    """A resolver that blocks, by default the system's. At most sixteen hosts are looked up at once, each of them once.

    A lookup cannot be ended: it goes on when those who asked have left, and a process does not wait for it at its end.
    """

    def __init__(self, resolve: Callable[[str], list[str]] = system_addresses) -> None:
        self._resolve = resolve
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._asking: dict[str, asyncio.Future[list[str] | OSError]] = {}

    async def addresses(self, host: str) -> list[str]:
        """As `Lookup`."""
        while (asking := self._asking.get(host)) is None:
            await self._free.acquire()
            if host in self._asking:  # another began it meanwhile
                self._free.release()
            else:
                self._begin(host)
        found = await asyncio.shield(asking)
        if isinstance(found, OSError):
            raise found
        return list(found)

    def _begin(self, host: str) -> None:
        loop = asyncio.get_running_loop()

        def end(found: list[str] | OSError) -> None:
            self._free.release()
            self._asking.pop(host).set_result(found)

        def ask() -> None:
            found = self._found(host)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, found)

        try:
            threading.Thread(target=ask, name="image host's addresses", daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._free.release()
            raise OSError("it cannot be looked up now") from error
        self._asking[host] = loop.create_future()  # before `end`, which comes in a turn of its own

    def _found(self, host: str) -> list[str] | OSError:
        try:
            return self._resolve(host)[:_MOST_ADDRESSES] or OSError("it has no address")
        except OSError as error:
            return error
