"""The description of the listener's own interface: `GET /openapi.json`, for everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.inbound import answer
from connector.inbound.accesslog import log_call
from connector.inbound.openapi import document

if TYPE_CHECKING:
    from aiohttp import web

    from connector.inbound.answer import Answer
    from connector.inbound.caller import Caller

_METHODS = frozenset({"GET", "HEAD"})


class DocumentEndpoint:
    """Tells everybody how the listener is called."""

    def __init__(self) -> None:
        self._described = answer.described(document())

    async def serve(self, request: web.Request, caller: Caller) -> Answer:
        """The document."""
        reply = answer.ONLY_GET
        if request.method in _METHODS:
            reply = replace(self._described, closes=request.body_exists)  # it is not read
        log_call(reply, request, workspace=None, caller=caller, seconds=0.0)
        return reply
