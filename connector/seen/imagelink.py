"""Where the link of an image leads, before anybody is asked: which host, which port, and whether we may go there.

Rules:
 1. http and https only; ports that are listed, or those of a host that is let in with its port.
 2. A host is a name, or an address as it is usually written. Other spellings of addresses (decimal, octal, hexadecimal,
    shortened) are refused: programs disagree on what they mean.
 3. Hosts that are let in may have any address. All others must be public, which is known after resolution.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from yarl import URL

from connector.seen.imageanswer import ImageFinding
from connector.types import ImageResult

_LONGEST_LINK = 8192
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_NAME = re.compile(r"[a-z0-9._-]+")  # what becomes of some letters of other scripts is no part of a name


@dataclass(frozen=True, slots=True)
class Reach:
    """Where images may be: `ports` of public hosts, and `hosts` that are let in whatever their addresses.

    With a host goes the port that it is let in at, or None for those in `ports`. Names are in lower case, addresses as
    `ipaddress` writes them.
    """

    ports: frozenset[int]
    hosts: frozenset[tuple[str, int | None]] = frozenset()

    def lets_in(self, host: str, port: int) -> bool:
        """Whether `host` is let in at `port`."""
        return (host, port) in self.hosts or ((host, None) in self.hosts and port in self.ports)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask for an image. `address` is the host's, where the link has it; `is_let_in`: it may have any."""

    url: URL
    host: str
    address: str | None
    is_let_in: bool


def aim(link: str, reach: Reach) -> Target | ImageFinding:
    """Whom `link` leads to, or why nobody is asked. Never raises."""
    if " " in link or not link.isprintable():  # parsers drop some of these without a word
        return _refused("its link must not contain white space or control characters")
    if len(link) > _LONGEST_LINK:
        return _refused(f"its link has {len(link)} characters, at most {_LONGEST_LINK} are sent")
    try:
        # As it is, where that can be sent: a signature in it would not hold for another spelling.
        url = URL(link, encoded=link.isascii())
        host, port = (url.raw_host or "").lower(), url.port
    except ValueError:
        return _refused("its link is no URL")
    has_credentials = url.raw_user is not None or url.raw_password is not None
    if url.scheme not in ("http", "https") or not host or port is None or has_credentials:
        return _refused("its link must be an http or https URL without credentials")
    address = _address(host)
    if address is None and (_NAME.fullmatch(host) is None or _looks_like_an_address(host)):
        return _refused("its host must be a name, or an address as it is usually written")
    is_let_in = reach.lets_in(address or host.removesuffix("."), port)
    if not is_let_in and port not in reach.ports:
        return _refused(f"its port is {port}, which images.ports does not list")
    return Target(url, host, address, is_let_in)


def _address(host: str) -> str | None:
    """The address that `host` is, None if it is a name, or an address with a zone, which means nothing to others."""
    try:
        return str(IPv6Address(host) if ":" in host and "%" not in host else IPv4Address(host))
    except ValueError:
        return None


def _looks_like_an_address(host: str) -> bool:
    """Whether some program could take it for one: the rule of browsers, whose last label then is a number."""
    return bool(_NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]))


def _refused(detail: str) -> ImageFinding:
    return ImageFinding(ImageResult.NOT_ALLOWED, detail)
