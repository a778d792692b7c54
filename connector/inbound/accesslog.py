"""One line in the log for each call: who called what, and how it ended. Never a header, a query or a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from aiohttp import web

    from connector.inbound.answer import Answer

log = structlog.get_logger()

_MAX_PATH = 200


def log_call(
    reply: Answer, request: web.Request, *, workspace: str | None, address: str, seconds: float
) -> None:
    """What a caller was told that brought a callback, or came to a path that is none; it took `seconds`."""
    level = log.info if reply.result == "published" else log.warning
    level(
        "callback_answered",
        workspace=workspace,
        method=request.method,
        path=request.rel_url.raw_path[:_MAX_PATH],
        status=reply.status,
        result=reply.result,
        id=reply.id,
        detail=reply.detail,
        duration_seconds=round(seconds, 6),
        remote=address,
    )


def log_token_request(reply: Answer, *, address: str, seconds: float) -> None:
    """What a caller was told that asked for an access token; it took `seconds`."""
    level = log.info if reply.result == "issued" else log.warning
    level(
        "token_request_answered",
        workspace=reply.workspace,
        status=reply.status,
        result=reply.result,
        duration_seconds=round(seconds, 6),
        remote=address,
    )
