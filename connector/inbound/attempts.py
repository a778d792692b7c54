"""Failed attempts, by address: how late the answer to a wrong secret is. Pure: time comes in.

Each failure counts one, each success takes one back, and so does time. The first few failures cost nothing: a client may
ask without its secret first, to be told how to show it. A right secret is never slowed: it is not asked for here.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

FREE = 5
"""So many failures in a row cost nothing."""

LONGEST_SECONDS = 8.0
"""The longest that an answer is held back."""

FORGIVEN_EVERY_SECONDS = 10.0
"""One failure is forgiven in so many seconds."""

MAX_ADDRESSES = 10_000
"""Of so many addresses failures are remembered; beyond, the one that failed longest ago is forgotten."""

_FIRST_SECONDS = 0.25
_MOST = 20.0
_V6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class _Level:
    failures: float
    at: float


class FailedAttempts:
    """How often each address failed lately. Times are seconds of one clock, which never goes back."""

    def __init__(self, max_addresses: int = MAX_ADDRESSES) -> None:
        self._max_addresses = max_addresses
        self._levels: OrderedDict[str, _Level] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def failed(self, address: str, now: float) -> float:
        """Counts one failure of `address`; how many seconds later it is to be told."""
        who = network(address)
        failures = min(self._failures(who, now) + 1, _MOST)
        self._levels[who] = _Level(failures, now)
        self._levels.move_to_end(who)
        if len(self._levels) > self._max_addresses:
            self._levels.popitem(last=False)
        beyond = failures - FREE
        return 0.0 if beyond <= 0 else float(min(LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** (beyond - 1)))

    def succeeded(self, address: str, now: float) -> None:
        """Takes one failure of `address` back."""
        if not self._levels:
            return
        who = network(address)
        if who in self._levels:
            failures = self._failures(who, now) - 1
            if failures > 0:
                self._levels[who] = _Level(failures, now)
            else:
                del self._levels[who]

    def _failures(self, who: str, now: float) -> float:
        level = self._levels.get(who)
        if level is None:
            return 0.0
        return max(0.0, level.failures - (now - level.at) / FORGIVEN_EVERY_SECONDS)


def network(address: str) -> str:
    """What counts as one address: of IPv6 a /64, since whoever has one address has all of those."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _V6_PREFIX), strict=False))
