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
import ssl
from typing import TYPE_CHECKING

from connector.seen.addresses import is_public
from connector.seen.imageanswer import LARGEST_BYTES, ImageFinding, judge, judge_size
from connector.seen.imageexchange import NoHttpError, exchange
from connector.seen.imagelink import aim
from connector.types import ImageResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        except ssl.SSLError as error:
            detail = f"there is no secure connection to its host ({type(error).__name__})"
            return ImageFinding(ImageResult.UNTRUSTED, detail)
        except NoHttpError as error:
            return ImageFinding(ImageResult.UNREADABLE, f"its host's answer cannot be read ({error})")
        except (EOFError, OSError) as error:
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
        return await self._head(target.url, addresses) or await self._get(target.url, addresses)

    async def _head(self, url: URL, addresses: Sequence[str]) -> ImageFinding | None:
        try:
            async with exchange("HEAD", url, addresses, _HEADERS) as answer:
                return judge("HEAD", answer.status, answer.headers, self._clock.wall())
        except (NoHttpError, EOFError, ConnectionResetError):
            return None  # some hosts end the connection instead of refusing HEAD

    async def _get(self, url: URL, addresses: Sequence[str]) -> ImageFinding:
        async with exchange("GET", url, addresses, _HEADERS | _RANGE) as answer:
            finding = judge("GET", answer.status, answer.headers, self._clock.wall())
            return finding or judge_size(await answer.size(LARGEST_BYTES))
