"""What the answer of an image's host means (SEEN, images sent by URL).

Rules, in order; the first that applies decides:
 1. A redirect is bad: SEEN follows none.
 2. 408, 425, 429 and 5xx say nothing of the image: another try may help.
 3. HEAD counts only where it says 200, an allowed type and a length. All else is asked again with GET, which is what SEEN
    does: many hosts refuse HEAD, answer it carelessly, or have signed the link for GET alone.
 4. 401, 403 and 407 want credentials. Any status but 200 and 206 is bad.
 5. The content type is one of three; parameters and case do not count.
 6. The size is that of the whole image, as it travels. One that is sent compressed, although it was asked for as it is,
    has no size that is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.http.headers import retry_after_seconds
from connector.types import ImageResult

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_BYTES = 2 * 1024 * 1024
"""SEEN says 2 MB; this is the larger reading, so that nothing is refused that SEEN takes."""

_TYPES = ("image/jpg", "image/jpeg", "image/png")
_PASSING = (ImageResult.UNREACHABLE, ImageResult.TIMED_OUT, ImageResult.UNAVAILABLE)
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_RANGE = re.compile(r"\s*bytes [0-9]{1,18}-[0-9]{1,18}/([0-9]{1,18})\s*")
_LENGTH = re.compile(r"\s*([0-9]{1,18})\s*")


@dataclass(frozen=True, slots=True)
class ImageFinding:
    """What a look at an image found. `detail` is for people, and holds nothing of the link but an address.

    `retry_after_seconds` is what the host asked for, where another try may help.
    """

    result: ImageResult
    detail: str = ""
    retry_after_seconds: float | None = None

    @property
    def is_good(self) -> bool:
        """Whether SEEN can use the image."""
        return self.result is ImageResult.GOOD

    @property
    def is_passing(self) -> bool:
        """Whether it says nothing of the image, so that another try may help."""
        return self.result in _PASSING


def judge(method: str, status: int, headers: Mapping[str, str], wall: float) -> ImageFinding | None:
    """What an answer to `method` (HEAD or GET) means, at `wall` in Unix seconds; names in `headers` know no case.

    None where it leaves that open: after HEAD, GET is to be asked; after GET, the body is to be counted.
    """
    if 300 <= status < 400:
        return ImageFinding(ImageResult.REDIRECTED, f"it redirects ({status}), and SEEN follows no redirect")
    is_head = method == "HEAD"
    if status in (408, 425, 429) or (status >= 500 and not (is_head and status == 501)):
        hold = retry_after_seconds(headers, wall)
        return ImageFinding(ImageResult.UNAVAILABLE, f"its host answers {status}", hold)
    fault = _fault(status, headers)
    if is_head and fault is not None:
        return None
    size = None if fault is not None else _size(status, headers)
    if size is None or (is_head and size == 0):
        return fault
    return judge_size(size)


def judge_size(size: int) -> ImageFinding:
    """What the size of an image, in bytes, means where all else is well."""
    if size > LARGEST_BYTES:
        return ImageFinding(
            ImageResult.TOO_LARGE, f"it has more than 2 MB ({LARGEST_BYTES} bytes), which SEEN does not take"
        )
    if size == 0:
        return ImageFinding(ImageResult.EMPTY, "it is empty")
    return ImageFinding(ImageResult.GOOD)


def _fault(status: int, headers: Mapping[str, str]) -> ImageFinding | None:
    if status in (401, 403, 407):
        return ImageFinding(
            ImageResult.NEEDS_AUTHENTICATION, f"it needs authentication ({status}), and SEEN has none"
        )
    if status in (404, 410):
        return ImageFinding(ImageResult.MISSING, f"it is not there ({status})")
    if status not in (200, 206):
        return ImageFinding(ImageResult.REFUSED, f"its host answers {status}")
    given = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given not in _TYPES:
        shown = given if _TOKEN.fullmatch(given) else "of no content type that is one"
        return ImageFinding(ImageResult.WRONG_TYPE, f"it is {shown}, not {', '.join(_TYPES)}")
    if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return ImageFinding(
            ImageResult.COMPRESSED, "it is sent compressed, although it was asked for as it is"
        )
    return None


def _size(status: int, headers: Mapping[str, str]) -> int | None:
    """The bytes of the whole image, None where the headers do not say."""
    if status == 206:
        found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    elif "Transfer-Encoding" in headers:
        found = None  # a length beside it counts for nothing (RFC 9112, 6.3)
    else:
        found = _LENGTH.fullmatch(headers.get("Content-Length", ""))
    return int(found[1]) if found else None
