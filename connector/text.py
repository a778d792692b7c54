"""Text for the world outside: always valid UTF-8, of bounded length, times as RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REDACTED_BYTES = 65_536
"""How much of a foreign text is looked at for secrets; what is shown of it is far shorter."""

_LINK = re.compile(
    r"((?a:https?)://|//)?((?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?(?:[/?#][^\x00-\x1f\x7f]*)?)",
    re.IGNORECASE,
)
_EPOCH = datetime.fromtimestamp(0, UTC)


def well_formed(text: str) -> str:
    """The same text with each lone surrogate replaced by U+FFFD, so that UTF-8 can carry it."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cut(text: str, limit: int) -> str:
    """The longest start of `text` that takes at most `limit` bytes of UTF-8; well-formed, no character is halved."""
    return well_formed(text).encode()[:limit].decode("utf-8", "ignore")


def moment(seconds: float) -> datetime:
    """Unix seconds as a time in UTC, to the millisecond. Raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=round(seconds * 1000))


def rfc3339(seconds: float) -> str:
    """Unix seconds as RFC 3339 text in UTC, `2026-11-21T11:31:00.250Z`. Raises OverflowError as `moment` does."""
    return moment(seconds).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def absolute(link: str) -> str | None:
    """The link as an absolute URL: `host/path`, `host:port/path` and `//host/path` are taken to be https.

    None for what is no link to the web: blank, without a host, with a user's name, of another scheme (`javascript:`).
    """
    found = _LINK.fullmatch(link.strip())
    if found is None:
        return None
    scheme, rest = found.groups()
    return f"https://{rest}" if scheme in {None, "//"} else f"{scheme}{rest}"


def redacted_start(text: str, limit: int, redact: Callable[[str], str]) -> str:
    """The first `limit` characters of `text` without secrets.

    Redacted before it is cut: a secret that lies across the cut would not be recognised after it.
    """
    return redact(text[:REDACTED_BYTES])[:limit]
