"""Asking an image's host, so that whoever writes a link into an event reaches nothing but the internet by it.

Rules:
 1. A host is resolved once. All its addresses must be public, unless it is let in; one of these is connected to, and no
    other, however often the name is asked for.
 2. No redirect is followed. No proxy, cookie or credential is used. Certificates are verified.
 3. Nothing is kept open: each look has connections of its own, and ends within its time limit, whatever the host does.
 4. Of a body no more is read than its size needs, and nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from connector.seen.addresses import is_public
from connector.seen.imageanswer import LARGEST_BYTES, ImageFinding, judge, judge_size
from connector.seen.imagelink import aim
from connector.types import ImageResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohappyeyeballs import AddrInfoType
    from yarl import URL

    from connector.clock import Clock
    from connector.seen.imagelink import Reach, Target
    from connector.seen.lookup import Lookup

_HEADERS = {"User-Agent": "seen-connector", "Accept": "*/*", "Accept-Encoding": "identity"}
_RANGE = {"Range": f"bytes=0-{LARGEST_BYTES}"}  # one byte more than an image may have


class ImageClient:
    """Looks at images. `look` never raises for what a host does."""

    def __init__(
        self,
        lookup: Lookup,
        reach: Reach,
        timeout_seconds: float,
        clock: Clock,
        is_public: Callable[[str], bool] = is_public,
    ) -> None:
        """`timeout_seconds` is for one look: resolving, connecting and all answers. `is_public` is for tests, which have
        but one machine.
        """
        self._is_public = is_public
        self._lookup = lookup
        self._reach = reach
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    async def look(self, link: str) -> ImageFinding:
        """What is at `link`, as far as SEEN's rules go."""
        target = aim(link, self._reach)
        if isinstance(target, ImageFinding):
            return target
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._look(target)
        except TimeoutError:
            return ImageFinding(ImageResult.TIMED_OUT, f"no answer within {self._timeout_seconds:g} s")
        except aiohttp.ClientSSLError as error:
            detail = f"there is no secure connection to its host ({type(error).__name__})"
            return ImageFinding(ImageResult.UNTRUSTED, detail)
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            return ImageFinding(
                ImageResult.UNREADABLE, f"its host's answer is no HTTP ({type(error).__name__})"
            )
        except (aiohttp.ClientError, OSError) as error:
            return ImageFinding(
                ImageResult.UNREACHABLE, f"its host cannot be reached ({type(error).__name__})"
            )

    async def _look(self, target: Target) -> ImageFinding:
        try:
            addresses = [target.address] if target.address else await self._lookup.addresses(target.host)
        except OSError:
            return ImageFinding(ImageResult.UNREACHABLE, "its host has no address that is known")
        if not target.is_let_in:
            closed = [each for each in addresses if not self._is_public(each)]
            if closed:
                detail = f"its host is at an address that is not public ({closed[0]})"
                return ImageFinding(ImageResult.NOT_ALLOWED, detail)
        async with _session(addresses) as session:
            return await self._head(session, target.url) or await self._get(session, target.url)

    async def _head(self, session: aiohttp.ClientSession, url: URL) -> ImageFinding | None:
        async with session.head(url, headers=_HEADERS, allow_redirects=False) as answer:
            return judge("HEAD", answer.status, answer.headers, self._clock.wall())

    async def _get(self, session: aiohttp.ClientSession, url: URL) -> ImageFinding:
        async with session.get(url, headers=_HEADERS | _RANGE, allow_redirects=False) as answer:
            finding = judge("GET", answer.status, answer.headers, self._clock.wall())
            if finding is None:
                finding = judge_size(await _count(answer))
            answer.close()  # the rest of the body is not waited for
            return finding


def _session(addresses: Sequence[str]) -> aiohttp.ClientSession:
    """A session that connects to one of `addresses` and nowhere else, whatever it is asked for."""
    allowed = frozenset(map(ip_address, addresses))

    def connect(info: AddrInfoType) -> socket.socket:
        # aiohttp asks no resolver for a host that it takes for an address: so here is the place to be sure.
        if ip_address(info[4][0]) not in allowed:
            raise OSError("this address was not checked")
        return socket.socket(info[0], info[1], info[2])

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_Known(addresses), use_dns_cache=False, force_close=True, socket_factory=connect
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),  # `look` has one for all
        auto_decompress=False,
        trust_env=False,
    )


class _Known(AbstractResolver):
    """Answers with the addresses that were checked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the addresses are given
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return


async def _count(answer: aiohttp.ClientResponse) -> int:
    """The bytes of a body; it is read no further than what shows that they are too many."""
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > LARGEST_BYTES:
            break
    return size
