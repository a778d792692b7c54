"""Where a call comes from: the peer's address, or what proxies that are trusted say of it. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNKNOWN = "unknown"
_PEERS_REMEMBERED = 1_024


class Peers:
    """Tells the address of a caller behind the proxies in `trusted`, which are networks such as `10.0.0.0/8`.

    Raises ValueError for a text that is no network.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = tuple(ipaddress.ip_network(each) for each in trusted)

    def trusts(self, peer: str) -> bool:
        """Whether `peer` is a proxy that is trusted."""
        found = _parsed(peer)
        return found is not None and self._is_trusted(found)

    def address(self, peer: str | None, forwarded_for: Sequence[str]) -> str:
        """The last address on the way here that is no trusted proxy's.

        `forwarded_for` holds the values of all `X-Forwarded-For` headers in their order. What a caller has written there
        itself stands to the left of what the first trusted proxy adds, and is never believed. Never raises.
        """
        found = _parsed_peer(peer or "")
        if found is None or not self._is_trusted(found):
            return _UNKNOWN if peer is None else str(found or peer)
        for text in reversed(",".join(forwarded_for).split(",")):
            nearer = _parsed(text)
            if nearer is None:
                break
            found = nearer
            if not self._is_trusted(found):
                break
        return str(found)

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(_PEERS_REMEMBERED)
def _parsed_peer(text: str) -> _Address | None:
    """The same peers call again and again. Of what others write into headers nothing is remembered."""
    return _parsed(text)


def _parsed(text: str) -> _Address | None:
    """An address as proxies write it: `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return found
    return found.ipv4_mapped or ipaddress.IPv6Address(int(found))  # without a zone: any text can stand there
