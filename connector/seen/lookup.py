"""The addresses of a host, from the system's resolver, in threads of its own.

The names come from events, so their servers may be slow on purpose. The pool that the event loop looks names up in is
shared with everything else: a few names that hang there would keep the connector from SEEN. For the same reason addresses are
remembered for a while: images come from few hosts, and these need not queue behind names that hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 16
_MOST_ADDRESSES = 16
_MOST_REMEMBERED = 1000
_REMEMBERED_SECONDS = 30.0


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

    def __init__(
        self,
        resolve: Callable[[str], list[str]] = system_addresses,
        remembered_seconds: float = _REMEMBERED_SECONDS,
    ) -> None:
        """Addresses are remembered for `remembered_seconds`; that there are none is not."""
        self._resolve = resolve
        self._remembered_seconds = remembered_seconds
        self._known: OrderedDict[str, tuple[list[str], float]] = OrderedDict()
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._asking: dict[str, asyncio.Future[list[str] | OSError]] = {}

    async def addresses(self, host: str) -> list[str]:
        """As `Lookup`."""
        known, until = self._known.get(host, ([], 0.0))
        if asyncio.get_running_loop().time() < until:
            return list(known)
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
            if not isinstance(found, OSError):
                self._remember(host, found, loop.time())
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

    def _remember(self, host: str, addresses: list[str], now: float) -> None:
        self._known[host] = (addresses, now + self._remembered_seconds)
        self._known.move_to_end(host)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _found(self, host: str) -> list[str] | OSError:
        try:
            return self._resolve(host)[:_MOST_ADDRESSES] or OSError("it has no address")
        except OSError as error:
            return error
