"""One line in the log for each call: who called what, and how it ended. Never a header, a query or a body.

Everybody can make calls that are refused, and so fill a disk: about those only some lines are written, and how many calls
had none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from aiohttp import web

    from connector.clock import Clock
    from connector.inbound.answer import Answer
    from connector.inbound.caller import Caller

log = structlog.get_logger()

MOST_AT_ONCE = 100
"""So many lines about calls of those who may make none can be written at once, and one more in each second."""

_MAX_PATH = 200
_EXPECTED = frozenset({"published", "described"})
_MAX_ID = 1024
_TELL_SECONDS = 10.0


class Noise:
    """Counts the calls of those who may make none, and says which of them are worth a line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines = float(MOST_AT_ONCE)
        self._at = clock.monotonic()
        self._left_out = 0
        self._told_at = self._at

    def allows(self) -> bool:
        """Whether one more line may be written; what may not is counted."""
        now = self._clock.monotonic()
        self._lines = min(float(MOST_AT_ONCE), self._lines + now - self._at)
        self._at = now
        if self._lines < 1:
            self._left_out += 1
            return False
        self._lines -= 1
        return True

    def tell(self) -> None:
        """Logs how many calls had no line, from time to time. To be called often."""
        now = self._clock.monotonic()
        if self._left_out and now - self._told_at >= _TELL_SECONDS:
            log.warning("calls_not_logged", calls=self._left_out, seconds=round(now - self._told_at, 1))
            self._left_out = 0
        if not self._left_out:
            self._told_at = now


def log_call(
    reply: Answer, request: web.Request, *, workspace: str | None, caller: Caller, seconds: float
) -> None:
    """What a caller was told that brought a callback, or asked for no token; it took `seconds`."""
    if not caller.is_logged():
        return
    level = log.info if reply.result in _EXPECTED else log.warning
    level(
        "callback_answered",
        workspace=workspace,
        method=request.method,
        path=request.rel_url.raw_path[:_MAX_PATH],
        status=reply.status,
        result=reply.result,
        id=None if reply.id is None else reply.id[:_MAX_ID],
        detail=reply.detail,
        duration_seconds=round(seconds, 6),
        remote=caller.address,
    )


def log_token_request(reply: Answer, *, caller: Caller, seconds: float) -> None:
    """What a caller was told that asked for an access token; it took `seconds`."""
    if not caller.is_logged():
        return
    level = log.info if reply.result == "issued" else log.warning
    level(
        "token_request_answered",
        workspace=reply.workspace,
        status=reply.status,
        result=reply.result,
        duration_seconds=round(seconds, 6),
        remote=caller.address,
    )


def log_malformed(kind: str, caller: Caller) -> None:
    """Somebody sent what is no request; `kind` is the parser's name for what is wrong with it."""
    if caller.is_logged():
        log.warning("request_malformed", detail=kind, remote=caller.address)
