"""A request's body, read with limits. Whoever calls this has decided that the caller may send one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from connector.inbound import answer

if TYPE_CHECKING:
    from connector.inbound.answer import Answer


async def read_body(request: web.Request, max_bytes: int, seconds: float) -> bytes | Answer:
    """The whole body, never more than `max_bytes` of it; an answer where that cannot be had within `seconds`."""
    body = bytearray()
    try:
        if request.content.is_eof():  # small ones come with their headers: there is nothing to wait for
            whole = request.content.read_nowait()
            return whole if len(whole) <= max_bytes else answer.too_large(max_bytes)
        async with asyncio.timeout(seconds):
            await _say_continue(request)
            async for chunk in request.content.iter_any():
                if len(body) + len(chunk) > max_bytes:
                    return answer.too_large(max_bytes)
                body += chunk
    except TimeoutError:
        return answer.TIMED_OUT
    except (ConnectionError, web.RequestPayloadError) as error:
        # The request keeps its error, which keeps this frame: what was read would stay until garbage is looked for.
        error.__traceback__ = None
        return answer.CUT_OFF
    return bytes(body)


async def _say_continue(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
